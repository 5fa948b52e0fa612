/**
 * `kedge apply --server-side`. What client-side apply owned moves over to the new owner with the first apply on the server.
 * Source: kubectl apply; KEP-555, "Upgrade from client-side to server-side apply".
 */
import type { ManagedFieldsEntry } from '#api/machinery/object.ts';
import { StatusError } from '#api/machinery/status.ts';
import type { ManifestObject } from './manifests.ts';
import { compactJson } from './output/json.ts';
import { pathOf } from './served-resources.ts';
import type { Target } from './targets.ts';
import type { VerbCall } from './verb.ts';
import { VerbError } from './verb-error.ts';
import { type DryRun, writeQuery } from './writing.ts';

const CLIENT_SIDE = 'kubectl-client-side-apply';
const SERVER_SIDE = 'kubectl';

export async function applyOnServer(call: VerbCall, target: Target, dryRun: DryRun): Promise<unknown> {
  const applied = await applyOnce(call, target, dryRun);
  const manager = managerOf(call);
  if (dryRun !== 'none' || manager !== SERVER_SIDE) return applied;
  const managedFields = movedOver(
    (applied as { metadata: { managedFields?: ManagedFieldsEntry[] } }).metadata.managedFields ?? [],
    manager,
  );
  if (!managedFields) return applied;
  const { resourceVersion } = (applied as ManifestObject).metadata;
  const object = [
    { op: 'replace', path: '/metadata/managedFields', value: managedFields },
    { op: 'replace', path: '/metadata/resourceVersion', value: resourceVersion },
  ];
  const path = pathOf(target.resource, target);
  await call.cluster.request({ method: 'PATCH', path, object, contentType: 'application/json-patch+json' });
  return applyOnce(call, target, dryRun); // now what is not applied any more goes
}

const managerOf = ({ flags }: VerbCall): string =>
  flags.has('field-manager') ? flags.string('field-manager') : SERVER_SIDE;

async function applyOnce(
  call: VerbCall,
  { resource, namespace, name, object }: Target,
  dryRun: DryRun,
): Promise<unknown> {
  const { flags, cluster } = call;
  const query = {
    ...writeQuery(flags, { dryRun, hasValidation: true }),
    fieldManager: managerOf(call),
    force: String(flags.bool('force-conflicts')),
  };
  const path = pathOf(resource, { namespace, name, subresource: flags.string('subresource'), query });
  const body = new TextEncoder().encode(compactJson(object));
  try {
    return (await cluster.request({ method: 'PATCH', path, body, contentType: 'application/apply-patch+yaml' })).object;
  } catch (error) {
    throw error instanceof StatusError && error.reason === 'Conflict'
      ? new VerbError(`${error.message}\n${ADVICE}`)
      : error;
  }
}

const ADVICE = `Please review the fields above--they currently have other managers. Here
are the ways you can resolve this warning:
* If you intend to manage all of these fields, please re-run the apply
  command with the \`--force-conflicts\` flag.
* If you do not intend to manage all of the fields, please edit your
  manifest to remove references to the fields that should keep their
  current managers.
* You may co-own fields by updating your manifest to match the existing
  value; in this case, you'll become the manager if the other manager(s)
  stop managing the field (remove it from their configuration).
See https://kubernetes.io/docs/reference/using-api/server-side-apply/#conflicts`;

/** undefined when client-side apply owns nothing any more. */
export function movedOver(entries: readonly ManagedFieldsEntry[], manager: string): ManagedFieldsEntry[] | undefined {
  const isOld = (entry: ManagedFieldsEntry) =>
    entry.manager === CLIENT_SIDE && entry.operation === 'Update' && !entry.subresource;
  const isNew = (entry: ManagedFieldsEntry) =>
    entry.manager === manager && entry.operation === 'Apply' && !entry.subresource;
  const old = entries.filter(isOld);
  if (old.length === 0 || !entries.some(isNew)) return undefined;
  return entries
    .filter((entry) => !isOld(entry))
    .map((entry) =>
      isNew(entry)
        ? { ...entry, fieldsV1: old.reduce((all, { fieldsV1 }) => union(all, fieldsV1), entry.fieldsV1) }
        : entry,
    );
}

function union<T>(a: T, b: T): T {
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return a ?? b;
  const all = new Map<string, unknown>(Object.entries(a));
  for (const [key, value] of Object.entries(b)) all.set(key, all.has(key) ? union(all.get(key), value) : value);
  return Object.fromEntries(all) as T;
}
