/** `kedge label` and `kedge annotate`: the same change of one map of the metadata, told in their own words. */
import { labelValue } from '#api/machinery/names.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { forEachTarget } from './going-on.ts';
import { fileFlags, manifestsOf } from './manifests.ts';
import { OUTPUT_FLAGS, objectPrinter, resourceNameOf } from './output/output-flags.ts';
import { pathOf } from './served-resources.ts';
import {
  ALL_FLAG,
  ALL_NAMESPACES_FLAG,
  FIELD_SELECTOR_FLAG,
  SELECTOR_FLAGS,
  type Target,
  targetsOf,
} from './targets.ts';
import type { Verb, VerbCall } from './verb.ts';
import { throwIfAny, VerbError } from './verb-error.ts';
import { DRY_RUN_FLAG, type DryRun, dryRunNote, dryRunOf, fieldManagerFlag, writeQuery } from './writing.ts';

interface Edited {
  name: 'label' | 'annotate';
  field: 'labels' | 'annotations';
  /** `label`, `annotation`. */
  noun: string;
  /** What files are called in messages: `pod.yaml`. */
  exampleFile: string;
  /** What is told of an object whose map was changed so. */
  done(change: Change): string;
  refuseOverwrite(clashes: readonly [key: string, value: string, now: string][]): void;
  checkValue(spec: string, value: string): void;
  /** Of keys that are to be set and removed at once. */
  bothText(keys: readonly string[]): string;
}

interface Change {
  added: boolean;
  removed: boolean;
}

const LABEL: Edited = {
  name: 'label',
  field: 'labels',
  noun: 'label',
  exampleFile: 'pod',
  done: ({ added, removed }) =>
    added && removed ? 'modified' : added ? 'labeled' : removed ? 'unlabeled' : 'not labeled',
  bothText: () => 'can not both modify and remove a label in the same command',
  refuseOverwrite(clashes) {
    throwIfAny(
      clashes.map(([key, , now]) => new VerbError(`'${key}' already has a value (${now}), and --overwrite is false`)),
    );
  },
  checkValue(spec, value) {
    if (spec.split('=').length > 2) throw new VerbError(`invalid label spec: ${spec}`);
    const problems = labelValue(value);
    if (problems.length > 0) throw new VerbError(`invalid label value: ${JSON.stringify(spec)}: ${problems.join(';')}`);
  },
};

/** What is said of the last change always makes room for the next. */
const CHANGE_CAUSE = 'kubernetes.io/change-cause';

const ANNOTATE: Edited = {
  name: 'annotate',
  field: 'annotations',
  noun: 'annotation',
  exampleFile: 'rsrc',
  done: () => 'annotated',
  bothText: (keys) =>
    `can not both modify and remove the following annotation(s) in the same command: ${keys.join(', ')}`,
  refuseOverwrite(clashes) {
    const told = clashes.filter(([key]) => key !== CHANGE_CAUSE).sort(([a], [b]) => (a < b ? -1 : 1));
    if (told.length === 0) return;
    throw new VerbError(
      `--overwrite is false but found the following declared annotation(s): ${told.map(([key, , now]) => `'${key}' already has a value (${now})`).join('; ')}`,
    );
  },
  checkValue: () => undefined,
};

export const labelVerb = editing(LABEL);
export const annotateVerb = editing(ANNOTATE);

function editing(edited: Edited): Verb {
  const { name, noun } = edited;
  return {
    name,
    summary: `change the ${noun}s of objects`,
    usage: '[--overwrite] (-f FILENAME | TYPE NAME) KEY_1=VAL_1 ... KEY_N=VAL_N KEY-',
    flags: [
      ...fileFlags(`whose ${noun}s change`),
      ...OUTPUT_FLAGS,
      ...SELECTOR_FLAGS,
      FIELD_SELECTOR_FLAG,
      ALL_FLAG,
      ALL_NAMESPACES_FLAG,
      DRY_RUN_FLAG,
      fieldManagerFlag(`kubectl-${name}`),
      { name: 'overwrite', type: 'bool', summary: `change ${noun}s that have a value` },
      { name: 'list', type: 'bool', summary: `print the ${noun}s` },
      { name: 'local', type: 'bool', summary: 'change what is in the file, and ask no server' },
      { name: 'resource-version', type: 'string', summary: 'only if this is the newest version' },
    ],
    run: (call) => edit(call, edited),
  };
}

interface Wanted {
  set: ReadonlyMap<string, string>;
  remove: readonly string[];
}

async function edit(call: VerbCall, edited: Edited): Promise<void> {
  const { flags } = call;
  const dryRun = dryRunOf(flags);
  const { resources, specs } = separated(call.args, edited);
  const wanted = wantedOf(specs, edited);
  refuseContradictions(call, edited);
  const isLocal = flags.bool('local');
  if (isLocal) refuseServer(call, resources, edited);
  else if (resources.length === 0 && flags.list('filename').length === 0)
    throw new VerbError('one or more resources must be specified as <resource> <name> or <resource>/<name>');
  if (wanted.set.size === 0 && wanted.remove.length === 0 && !flags.bool('list'))
    throw new VerbError(`at least one ${edited.noun} update is required`);
  if (isLocal) return editLocally(call, { edited, wanted, dryRun });
  const found = await targetsOf({ ...call, args: resources }, { latest: true });
  const { isSingle } = found;
  if (flags.string('resource-version') && !isSingle)
    throw new VerbError('--resource-version may only be used with a single resource');
  await forEachTarget(found, async (target) => {
    if (flags.bool('list')) list(call, target.object as KubeObject, { edited, isSingle });
    else await change(call, target, { edited, wanted, dryRun });
  });
}

function refuseServer({ flags }: VerbCall, resources: readonly string[], { exampleFile }: Edited): void {
  if (dryRunOf(flags) === 'server')
    throw new VerbError('cannot specify --local and --dry-run=server - did you mean --dry-run=client?');
  const files = `-f ${exampleFile}.yaml or --filename=${exampleFile}.json`;
  if (resources.length > 0) throw new VerbError(`can only use local files by ${files} when --local=true is set`);
  if (flags.list('filename').length === 0) throw new VerbError(`one or more files must be specified as ${files}`);
}

async function editLocally(
  call: VerbCall,
  { edited, wanted, dryRun }: { edited: Edited; wanted: Wanted; dryRun: DryRun },
): Promise<void> {
  const { flags, io } = call;
  const { manifests, errors } = await manifestsOf(flags, io);
  const printer = objectPrinter(flags, io);
  const objects = manifests.map(({ object }) => object as unknown as KubeObject);
  await forEachTarget({ targets: objects, errors }, (object) => {
    const { set, removed, patch } = changeOf(object, { edited, wanted, overwrites: flags.bool('overwrite') });
    const changed = locally(object, edited.field, patch);
    if (flags.bool('list')) return list(call, changed, { edited, isSingle: objects.length === 1 });
    const done = edited.done({ added: set.length > 0, removed: removed.length > 0 }) + dryRunNote(dryRun);
    return io.out(printer?.print(changed) ?? `${resourceNameOf(changed)} ${done}\n`);
  });
}

function refuseContradictions({ flags }: VerbCall, { name }: Edited): void {
  if (name === 'label' && flags.bool('list') && flags.string('output'))
    throw new VerbError('--list and --output may not be specified together');
  for (const selector of ['selector', 'field-selector'])
    if (flags.bool('all') && flags.string(selector))
      throw new VerbError(`cannot set --all and --${selector} at the same time`);
}

/** What looks like a change is one; what comes before names objects. */
function separated(args: readonly string[], { noun }: Edited): { resources: string[]; specs: string[] } {
  const first = args.findIndex(isChange);
  if (first < 0) return { resources: [...args], specs: [] };
  const stray = args.slice(first).find((arg) => !isChange(arg));
  if (stray !== undefined) throw new VerbError(`all resources must be specified before ${noun} changes: ${stray}`);
  return { resources: args.slice(0, first), specs: args.slice(first) };
}

const isChange = (arg: string): boolean => arg.indexOf('=') > 0 || (arg.endsWith('-') && arg !== '-');

function wantedOf(specs: readonly string[], { checkValue, bothText }: Edited): Wanted {
  const set = new Map<string, string>();
  const remove: string[] = [];
  for (const spec of specs) {
    if (!spec.includes('=')) {
      remove.push(spec.slice(0, -1));
      continue;
    }
    const [key = '', value = ''] = spec.split(/=(.*)/s);
    checkValue(spec, value);
    set.set(key, value);
  }
  const both = remove.filter((key) => set.has(key)).sort();
  if (both.length > 0) throw new VerbError(bothText(both));
  return { set, remove };
}

function list(
  { io }: VerbCall,
  { apiVersion, kind, metadata }: KubeObject,
  { edited, isSingle }: { edited: Edited; isSingle: boolean },
): void {
  const group = apiVersion.includes('/') ? apiVersion.replace(/\/.*/, '') : '';
  const indent = isSingle ? '' : ' ';
  if (!isSingle) io.out(`Listing ${edited.field} for ${kind}.${group}/${metadata.name}:\n`);
  for (const [key, value] of Object.entries(metadata[edited.field] ?? {})) io.out(`${indent}${key}=${value}\n`);
}

async function change(
  { flags, io, cluster }: VerbCall,
  target: Target,
  { edited, wanted, dryRun }: { edited: Edited; wanted: Wanted; dryRun: DryRun },
): Promise<void> {
  const object = target.object as KubeObject;
  const now = object.metadata[edited.field] ?? {};
  if (edited.name === 'label' && dryRun !== 'client')
    for (const key of wanted.remove) if (!Object.hasOwn(now, key)) io.out(`label "${key}" not found.\n`);
  const { set, removed, patch } = changeOf(object, { edited, wanted, overwrites: flags.bool('overwrite') });
  const resourceVersion = flags.string('resource-version');
  const hasChange = edited.name === 'annotate' || set.length > 0 || removed.length > 0;
  let changed: unknown = object;
  if (dryRun === 'client') changed = locally(object, edited.field, patch);
  else if (hasChange) {
    const metadata = { [edited.field]: patch, ...(resourceVersion && { resourceVersion }) };
    const path = pathOf(target.resource, { ...target, query: writeQuery(flags, { dryRun }) });
    const contentType = 'application/merge-patch+json';
    changed = (await cluster.request({ method: 'PATCH', path, object: { metadata }, contentType })).object;
  }
  const operation = edited.done({ added: set.length > 0, removed: removed.length > 0 }) + dryRunNote(dryRun);
  const printer = objectPrinter(flags, io);
  io.out(printer?.print(changed) ?? `${resourceNameOf(changed)} ${operation}\n`);
}

/** Throws VerbError for what has another value already, unless that may be. */
function changeOf(
  { metadata }: KubeObject,
  { edited, wanted, overwrites }: { edited: Edited; wanted: Wanted; overwrites: boolean },
) {
  const now = metadata[edited.field] ?? {};
  const clashes = [...wanted.set].flatMap(([key, value]): [string, string, string][] =>
    Object.hasOwn(now, key) && now[key] !== value ? [[key, value, now[key]!]] : [],
  );
  if (!overwrites) edited.refuseOverwrite(clashes);
  const set = [...wanted.set].filter(([key, value]) => now[key] !== value);
  const removed = wanted.remove.filter((key) => Object.hasOwn(now, key));
  const patch = Object.fromEntries([...set, ...removed.map((key): [string, null] => [key, null])]);
  return { set, removed, patch };
}

function locally(
  object: KubeObject,
  field: 'labels' | 'annotations',
  patch: Record<string, string | null>,
): KubeObject {
  const entries = Object.entries({ ...object.metadata[field], ...patch }).filter(([, value]) => value !== null);
  return {
    ...object,
    metadata: { ...object.metadata, [field]: Object.fromEntries(entries) as Record<string, string> },
  };
}
