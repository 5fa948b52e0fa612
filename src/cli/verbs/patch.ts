/** `kedge patch`: sends a patch of the user's own making. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { facts } from '#api/generated/facts.ts';
import { parseYaml } from '#api/machinery/codec-yaml.ts';
import { isEqual } from '#api/machinery/equal.ts';
import { applyJsonPatch } from '#api/machinery/json-patch.ts';
import type { Json, JsonObject } from '#api/machinery/json-value.ts';
import { applyMergePatch } from '#api/machinery/merge-patch.ts';
import { applyStrategicMergePatch } from '#api/machinery/strategic-merge-patch.ts';
import { StatusError } from '#api/machinery/status.ts';
import { forEachTarget } from './going-on.ts';
import { fileFlags, manifestsOf } from './manifests.ts';
import { typeOfObject } from './object-type.ts';
import { OUTPUT_FLAGS, resultPrinter } from './output/output-flags.ts';
import { pathOf, type ServedResource } from './served-resources.ts';
import { type Target, targetsOf } from './targets.ts';
import { NO_RESOURCE } from './targets-by-arguments.ts';
import type { Verb, VerbCall } from './verb.ts';
import { VerbError, whyNotRead } from './verb-error.ts';
import { DRY_RUN_FLAG, dryRunOf, fieldManagerFlag, writeQuery } from './writing.ts';

const CONTENT_TYPES: ReadonlyMap<string, string> = new Map([
  ['json', 'application/json-patch+json'],
  ['merge', 'application/merge-patch+json'],
  ['strategic', 'application/strategic-merge-patch+json'],
]);

export const patchVerb: Verb = {
  name: 'patch',
  summary: 'change some fields of an object',
  usage: '(-f FILENAME | TYPE NAME) [-p PATCH|--patch-file FILE]',
  flags: [
    ...fileFlags('to patch'),
    ...OUTPUT_FLAGS,
    DRY_RUN_FLAG,
    fieldManagerFlag('kubectl-patch'),
    { name: 'patch', short: 'p', type: 'string', summary: 'the patch, in JSON or YAML' },
    { name: 'patch-file', type: 'string', summary: 'the file that holds the patch' },
    { name: 'type', type: 'string', default: 'strategic', summary: 'json, merge or strategic' },
    { name: 'subresource', type: 'string', summary: 'status, scale or another part of the object' },
    { name: 'local', type: 'bool', summary: 'patch what is in the file, and ask no server' },
  ],
  async run(call) {
    const { flags, io, cluster } = call;
    const isLocal = flags.bool('local');
    if (isLocal && call.args.length > 0) throw new VerbError('cannot specify --local and server resources');
    const patch = patchOf(call);
    const type = flags.string('type').toLowerCase();
    const contentType = CONTENT_TYPES.get(type);
    if (!contentType)
      throw new VerbError(`--type must be one of [json merge strategic], not ${JSON.stringify(flags.string('type'))}`);
    const dryRun = dryRunOf(flags);
    if (isLocal && dryRun === 'server')
      throw new VerbError('cannot specify --local and --dry-run=server - did you mean --dry-run=client?');
    const subresource = flags.string('subresource');
    const found = isLocal
      ? await inFiles(call)
      : await targetsOf(call, { latest: !flags.has('filename'), subresource });
    if (found.targets.length === 0 && found.errors.length === 0) throw new VerbError('no objects passed to patch');
    const print = resultPrinter(flags, io);
    const body = new TextEncoder().encode(JSON.stringify(patch));
    const patched = async (resource: ServedResource, target: Located) => {
      const path = pathOf(resource, { ...target, subresource, query: writeQuery(flags, { dryRun }) });
      const sent = cluster.request({ method: 'PATCH', path, body, contentType });
      return (await sent.catch(refusedType(resource, contentType))).object;
    };
    await forEachTarget<Located>(found, async (target) => {
      const { resource, object: before } = target;
      const isSent = resource && dryRun !== 'client';
      const object = isSent ? await patched(resource, target) : patchedLocally(before, patch, type);
      // kubectl does not tell that it was a dry run.
      io.out(print(object, isEqual(versionless(before), versionless(object)) ? 'patched (no change)' : 'patched'));
    });
  },
};

/** Of no resource where no server was asked what there is. */
type Located = Pick<Target, 'object'> & Partial<Target>;

async function inFiles({ flags, io }: VerbCall): Promise<{ targets: Located[]; errors: unknown[] }> {
  if (flags.list('filename').length === 0 && !flags.has('kustomize')) throw new VerbError(NO_RESOURCE);
  const { manifests, errors } = await manifestsOf(flags, io);
  return { targets: manifests.map(({ object }) => ({ object })), errors };
}

/** Kinds that users define take no strategic patches. */
const refusedType =
  ({ group, version, kind }: ServedResource, contentType: string) =>
  (error: unknown): never => {
    if (!(error instanceof StatusError) || error.reason !== 'UnsupportedMediaType') throw error;
    throw new VerbError(`${contentType} is not supported by ${group}/${version}, Kind=${kind}: ${error.message}`);
  };

/** What the server writes by itself is no change of the user's. */
const versionless = (object: unknown): unknown => {
  const { metadata, ...rest } = object as { metadata: Record<string, unknown> };
  const { resourceVersion, managedFields, ...kept } = metadata;
  return { ...rest, metadata: { ...kept, resourceVersion } };
};

function patchOf({ flags, io }: VerbCall): unknown {
  const file = flags.string('patch-file');
  if (!flags.has('patch') && !file)
    throw new VerbError('must specify --patch or --patch-file containing the contents of the patch');
  if (flags.has('patch') && file) throw new VerbError('cannot specify --patch and --patch-file together');
  const text = file ? textIn(file, io.folder) : flags.string('patch');
  const parsed = parseYaml(text);
  if ('problem' in parsed)
    throw new VerbError(
      `unable to parse ${JSON.stringify(text)}: ${parsed.problem.replace(/^error converting YAML to JSON: /, '')}`,
    );
  return parsed.value;
}

function textIn(file: string, folder: string): string {
  try {
    return readFileSync(resolve(folder, file), 'utf8');
  } catch (error) {
    throw new VerbError(`unable to read patch file: ${whyNotRead(file, error)}`);
  }
}

function patchedLocally(object: unknown, patch: unknown, type: string): unknown {
  if (type === 'json') return applyJsonPatch(object as Json, patch as never);
  if (type === 'merge') return applyMergePatch(object as Json, patch as Json);
  return applyStrategicMergePatch(object as JsonObject, patch as JsonObject, { facts, type: typeOfObject(object) });
}
