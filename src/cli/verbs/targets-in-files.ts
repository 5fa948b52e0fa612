/** The objects that files are about. */
import { fetchedTarget, isNotFound } from './fetched-target.ts';
import { failuresAmong } from './going-on.ts';
import { type Manifest, manifestsOf } from './manifests.ts';
import type { Asked, Target, TargetOptions, Targets } from './targets.ts';
import type { VerbCall } from './verb.ts';
import { VerbError } from './verb-error.ts';

export async function fromFiles(call: VerbCall, asked: Asked, options: TargetOptions): Promise<Targets> {
  const { manifests, errors: unread } = await manifestsOf(call.flags, call.io, options);
  const targets: Target[] = [];
  const failures = await failuresAmong(manifests, async (manifest) => {
    const target = await targetOf(call, manifest);
    if (asked.selector && !(await matches(target, asked.selector))) return;
    targets.push(options.latest ? await fetchedTarget(call, target, options) : target);
  });
  const errors = failures.filter((failure) => !(options.ignoreNotFound && isNotFound(failure)));
  const isStream = call.flags.list('filename').includes('-');
  // What could not be read is told behind what was wrong with what could.
  return {
    targets,
    errors: [...errors, ...unread],
    isSingle: !isStream && call.flags.list('filename').length === 1 && manifests.length === 1,
  };
}

async function matches({ object }: Target, selector: string): Promise<boolean> {
  const { matchesLabels, parseLabelSelector } = await import('#api/machinery/label-selector.ts');
  const parsed = parseLabelSelector(selector);
  if (!parsed.ok)
    throw new VerbError(`the provided selector ${JSON.stringify(selector)} is not valid: ${parsed.error}`);
  return matchesLabels(parsed.value, (object as { metadata: { labels?: Record<string, string> } }).metadata.labels);
}

/** Where an object of a file belongs. Throws VerbError when its kind is not served, or its namespace is another one. */
export async function targetOf({ cluster }: VerbCall, { object, source }: Manifest): Promise<Target> {
  const { apiVersion, kind, metadata } = object;
  const resource = (await cluster.resources()).ofKind(apiVersion, kind);
  if (!resource) {
    const what = `name: ${JSON.stringify(metadata.name ?? '')} namespace: ${JSON.stringify(metadata.namespace ?? '')} from ${JSON.stringify(source)}`;
    throw new VerbError(
      `resource mapping not found for ${what}: no matches for kind ${JSON.stringify(kind)} in version ${JSON.stringify(apiVersion)}\nensure CRDs are installed first`,
    );
  }
  const name = metadata.name ?? '';
  if (!resource.isNamespaced) return { resource, name, object, source };
  const namespace = metadata.namespace || cluster.namespace;
  if (cluster.isNamespaceGiven && namespace !== cluster.namespace)
    throw new VerbError(
      `the namespace from the provided object ${JSON.stringify(namespace)} does not match the namespace ${JSON.stringify(cluster.namespace)}. You must pass '--namespace=${namespace}' to perform this operation.`,
    );
  return { resource, namespace, name, object: { ...object, metadata: { ...metadata, namespace } }, source };
}
