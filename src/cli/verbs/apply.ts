/** `kedge apply`: makes the cluster hold what files say, and leaves alone what others have written. */
import { facts } from '#api/generated/facts.ts';
import type { JsonObject } from '#api/machinery/json-value.ts';
import { hasReason } from '#api/machinery/status.ts';
import { mergePatchBetween, threeWayMerge, withoutNulls } from '#api/machinery/three-way-merge.ts';
import { ApplySet } from './apply-set.ts';
import { propagationPolicyOf, warnOfBooleanCascade } from './cascade.ts';
import { editLastAppliedVerb } from './edit-last-applied.ts';
import { messageOf, whileDoing } from './error-text.ts';
import { isNotFound } from './fetched-target.ts';
import { failuresAmong } from './going-on.ts';
import { annotated, LAST_APPLIED, lastAppliedOf } from './last-applied.ts';
import { fileFlags, type ManifestObject, unversioned } from './manifests.ts';
import { compactJson } from './output/json.ts';
import { OUTPUT_FLAGS, resultPrinter } from './output/output-flags.ts';
import { refuseConflicts } from './overwrite-conflicts.ts';
import { PRUNE_FLAGS, prune, prunedTypes, refuseBadPruning } from './prune.ts';
import { groupResourceOf, pathOf, type ServedResource } from './served-resources.ts';
import { applyOnServer } from './server-side-apply.ts';
import { setLastAppliedVerb } from './set-last-applied.ts';
import { SELECTOR_FLAGS, type Target, type Targets, targetsOf } from './targets.ts';
import type { Verb, VerbCall } from './verb.ts';
import { throwIfAny, unexpected, VerbError } from './verb-error.ts';
import { viewLastAppliedVerb } from './view-last-applied.ts';
import {
  DRY_RUN_FLAG,
  type DryRun,
  dryRunNote,
  dryRunOf,
  fieldManagerFlag,
  VALIDATE_FLAG,
  validationOf,
  writeQuery,
} from './writing.ts';

const MOST_TRIES = 5;

export const applyVerb: Verb = {
  name: 'apply',
  summary: 'create or change objects as files say',
  usage: '(-f FILENAME)',
  verbs: [editLastAppliedVerb, setLastAppliedVerb, viewLastAppliedVerb],
  flags: [
    ...fileFlags('to apply'),
    ...OUTPUT_FLAGS,
    ...SELECTOR_FLAGS,
    DRY_RUN_FLAG,
    VALIDATE_FLAG,
    fieldManagerFlag('kubectl-client-side-apply'),
    { name: 'server-side', type: 'bool', summary: 'the server does the merging, and knows who owns which field' },
    { name: 'force-conflicts', type: 'bool', summary: 'with --server-side: take over fields that others own' },
    { name: 'overwrite', type: 'bool', default: 'true', summary: 'what is applied wins over what others wrote' },
    ...PRUNE_FLAGS,
    { name: 'wait', type: 'bool', summary: 'has no meaning without --prune' },
    { name: 'timeout', type: 'duration', default: '0s', summary: 'has no meaning without --prune' },
    { name: 'force', type: 'bool', summary: 'delete and create anew what cannot be changed' },
    {
      name: 'grace-period',
      type: 'int',
      default: '-1',
      summary: 'with --force: seconds for the end of the old object',
    },
    {
      name: 'cascade',
      type: 'string',
      default: 'background',
      summary: 'with --prune and --force: background, foreground or orphan',
    },
    { name: 'openapi-patch', type: 'bool', default: 'true', summary: 'has no meaning here: patches always are exact' },
    { name: 'subresource', type: 'string', summary: 'with --server-side: the part of the object that is meant' },
  ],
  async run(call) {
    const { flags, io } = call;
    const dryRun = dryRunOf(flags);
    refuseContradictions(call, dryRun);
    const applySet = await ApplySet.of(call, dryRun);
    const { targets, errors } = membersOf(await targetsOf(call, { validation: validationOf(flags) }), applySet);
    if (targets.length === 0 && errors.length === 0) throw new VerbError('no objects passed to apply');
    const print = resultPrinter(flags, io);
    const note = dryRunNote(dryRun);
    const types = await prunedTypes(call);
    await applySet?.begin(targets);
    const [uids, namespaces] = [new Set<string>(), new Set<string>()];
    const failures = await failuresAmong(targets, async (target) => {
      refuseGeneratedName(target);
      const { object, operation } = flags.bool('server-side')
        ? { object: await applyOnServer(call, target, dryRun), operation: 'serverside-applied' }
        : await applied(call, target, dryRun);
      io.out(print(object, operation + note));
      const { uid = '' } = (object as ManifestObject).metadata as { uid?: string };
      uids.add(uid);
      if (target.namespace) namespaces.add(target.namespace);
    });
    throwIfAny(failures.length > 0 ? [...asOne(errors), ...failures] : errors);
    const told = (object: unknown) => io.out(print(object, `pruned${note}`));
    if (applySet) await applySet.prune(uids, told);
    else if (types.length > 0) await prune(call, { types, uids, namespaces, dryRun, told });
  },
};

/** What went wrong with reading is told in one line, beside what went wrong with objects. */
const asOne = (errors: readonly unknown[]): unknown[] =>
  errors.length > 1 ? [new VerbError(`[${errors.map(messageOf).join(', ')}]`)] : [...errors];

/** One that cannot be a member keeps all others from being applied, as in kubectl. */
function membersOf({ targets, errors }: Targets, applySet: ApplySet | undefined): Pick<Targets, 'targets' | 'errors'> {
  if (!applySet) return { targets, errors };
  try {
    return { targets: targets.map((target) => applySet.labelled(target)), errors };
  } catch (error) {
    return { targets: [], errors: [error] };
  }
}

function refuseContradictions(call: VerbCall, dryRun: DryRun): void {
  const { flags, args, path } = call;
  if (args.length > 0) throw unexpected(`Unexpected args: [${args.join(' ')}]`, path);
  warnOfBooleanCascade(call);
  if (flags.bool('force-conflicts') && !flags.bool('server-side'))
    throw new VerbError('--force-conflicts only works with --server-side');
  if (dryRun === 'client' && flags.bool('server-side'))
    throw new VerbError("--dry-run=client doesn't work with --server-side (did you mean --dry-run=server instead?)");
  if (flags.bool('force') && flags.bool('server-side'))
    throw new VerbError('--force cannot be used with --server-side');
  if (dryRun === 'server' && flags.bool('force')) throw new VerbError('--dry-run=server cannot be used with --force');
  if (flags.string('subresource') && !flags.bool('server-side'))
    throw new VerbError('--subresource can only be specified for --server-side');
  refuseBadPruning(call);
  if (flags.list('filename').length === 0 && !flags.has('kustomize'))
    throw new VerbError('must specify one of -f and -k');
}

function refuseGeneratedName({ object }: Target): void {
  const { name, generateName } = (object as ManifestObject).metadata;
  if (!name && generateName) throw new VerbError(`from ${generateName}: cannot use generate name with apply`);
}

interface Outcome {
  object: unknown;
  operation: 'created' | 'configured' | 'unchanged';
}

async function applied(call: VerbCall, target: Target, dryRun: DryRun): Promise<Outcome> {
  const { flags, cluster, io } = call;
  const query = writeQuery(flags, { dryRun, hasValidation: true });
  const modified = annotated(target.object as ManifestObject);
  for (let tries = 1; ; tries++) {
    const current = await currentOf(call, target);
    if (!current) return { object: await created(call, { target, modified, query, dryRun }), operation: 'created' };
    const original = lastAppliedOf(current);
    if (!original && tries === 1) io.err(missingAnnotation(target, call.path.split(' ')[0] ?? ''));
    const merged = mergedOf(target.resource, { original, modified, current });
    const patch = mergePatchBetween(current as unknown as JsonObject, merged);
    if (!patch) return { object: current, operation: 'unchanged' };
    if (!flags.bool('overwrite')) refuseOverwriting(target, { original, modified, current, merged }, dryRun);
    if (dryRun === 'client') return { object: merged, operation: 'configured' };
    // Lists go whole, so they must replace what was read and nothing newer; a manifest may bring its own precondition.
    const { resourceVersion = current.metadata['resourceVersion'] } = modified.metadata;
    const object = { ...patch, metadata: { ...(patch['metadata'] as object), resourceVersion } };
    try {
      const path = pathOf(target.resource, { ...target, query });
      const contentType = 'application/merge-patch+json';
      const reply = await cluster.request({ method: 'PATCH', path, object, contentType });
      return { object: reply.object, operation: 'configured' };
    } catch (error) {
      if (hasReason(error, 'Conflict') && tries < MOST_TRIES) continue;
      if (flags.bool('force') && (hasReason(error, 'Conflict') || hasReason(error, 'Invalid')))
        return { object: await replaced(call, { target, modified, query, dryRun }), operation: 'configured' };
      const told = whileDoing(error, 'patching', target.source);
      throw whileDoing(told, `applying patch:\n${compactJson(patch)}\nto:\n${toldOf(target)}\nfor:`, target.source);
    }
  }
}

/** `--overwrite=false`. Types that the server merges as plain JSON know no conflicts. */
function refuseOverwriting(target: Target, objects: ThreeWayObjects & { merged: JsonObject }, dryRun: DryRun): void {
  const { group, version, kind } = target.resource;
  const type = facts.typeOfKind(group, version, kind);
  try {
    if (type) refuseConflicts(objects, type);
  } catch (error) {
    const told = dryRun === 'client' ? error : whileDoing(error, 'patching', target.source);
    throw whileDoing(told, `applying patch:\n\nto:\n${toldOf(target)}\nfor:`, target.source);
  }
}

/** What there is, and what would be; nothing is written. For `diff`. */
export async function dryApplied(
  call: VerbCall,
  target: Target,
): Promise<{ current: ManifestObject | undefined; next: ManifestObject }> {
  const { flags, cluster } = call;
  const current = await foundOf(call, target);
  if (flags.bool('server-side'))
    return { current, next: (await applyOnServer(call, target, 'server')) as ManifestObject };
  const query = { dryRun: 'All', fieldManager: flags.string('field-manager') };
  const { metadata, ...rest } = unversioned(target.object as ManifestObject);
  // Without what was applied: that it changes with every change is no news.
  const modified: ManifestObject = { ...rest, metadata: { ...metadata, annotations: metadata['annotations'] ?? {} } };
  if (!current) {
    const source = ''; // in what file it stands is not told
    const next = await created(call, { target: { ...target, source }, modified, query, dryRun: 'server' });
    return { current, next: next as ManifestObject };
  }
  const merged = mergedOf(target.resource, { original: lastAppliedOf(current), modified, current });
  const object = mergePatchBetween(current as unknown as JsonObject, merged);
  if (!object) return { current, next: current };
  const path = pathOf(target.resource, { ...target, query });
  const reply = await cluster.request({ method: 'PATCH', path, object, contentType: 'application/merge-patch+json' });
  return { current, next: reply.object as ManifestObject };
}

async function foundOf({ cluster }: VerbCall, target: Target): Promise<ManifestObject | undefined> {
  try {
    return await cluster.get<ManifestObject>(pathOf(target.resource, target));
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

async function currentOf(call: VerbCall, target: Target): Promise<ManifestObject | undefined> {
  try {
    return await foundOf(call, target);
  } catch (error) {
    throw whileDoing(error, `retrieving current configuration of:\n${toldOf(target)}\nfrom server for:`, target.source);
  }
}

interface Writing {
  target: Target;
  modified: ManifestObject;
  query: Record<string, string>;
  dryRun: DryRun;
}

async function created({ cluster }: VerbCall, { target, modified, query, dryRun }: Writing): Promise<unknown> {
  if (dryRun === 'client') return withoutNulls(modified as unknown as JsonObject);
  const object = withoutNulls(unversioned(modified) as unknown as JsonObject);
  const { resource, namespace, source } = target;
  try {
    return (await cluster.request({ method: 'POST', path: pathOf(resource, { namespace, query }), object })).object;
  } catch (error) {
    throw whileDoing(error, 'creating', source);
  }
}

/** `--force`: what cannot be changed is deleted and made anew. */
async function replaced(call: VerbCall, writing: Writing): Promise<unknown> {
  const { target } = writing;
  const grace = call.flags.int('grace-period');
  const propagationPolicy = propagationPolicyOf(call.flags);
  const object = {
    apiVersion: 'v1',
    kind: 'DeleteOptions',
    propagationPolicy,
    ...(grace >= 0 && { gracePeriodSeconds: grace }),
  };
  await call.cluster.request({ method: 'DELETE', path: pathOf(target.resource, target), object });
  const { whenGone } = await import('./following.ts');
  await whenGone(call, target, { timeoutMs: 0 });
  return created(call, writing);
}

interface ThreeWayObjects {
  original: ManifestObject | undefined;
  modified: ManifestObject;
  current: ManifestObject;
}

/** Exported for the tests of what apply makes of three objects. */
export function mergedOf(
  { group, version, kind }: Pick<ServedResource, 'group' | 'version' | 'kind'>,
  { original, modified, current }: ThreeWayObjects,
): JsonObject {
  const type = facts.typeOfKind(group, version, kind);
  const json = (object: ManifestObject) => object as unknown as JsonObject;
  return threeWayMerge(
    { original: original && json(original), modified: json(modified), current: json(current) },
    { type, facts },
  );
}

const missingAnnotation = ({ resource, name }: Target, program: string): string =>
  `Warning: resource ${groupResourceOf(resource).split('.')[0]}/${name} is missing the ${LAST_APPLIED} annotation which is required by ${program} apply. ${program} apply should only be used on resources created declaratively by either ${program} create --save-config or ${program} apply. The missing annotation will be patched automatically.\n`;

const toldOf = ({ resource, name, namespace = '' }: Target): string => {
  const { group, version, plural, kind } = resource;
  return `Resource: "${group}/${version}, Resource=${plural}", GroupVersionKind: "${group}/${version}, Kind=${kind}"\nName: ${JSON.stringify(name)}, Namespace: ${JSON.stringify(namespace)}`;
};
