/** What all forms of `create` share: one object is sent, and told. */
import { StatusError } from '#api/machinery/status.ts';
import { WINDOWS_FLAG } from '../editing.ts';
import { whileDoing } from '../error-text.ts';
import type { Flags, FlagSpec } from '../flags.ts';
import { failuresAmong } from '../going-on.ts';
import { annotated, annotatedStruct } from '../last-applied.ts';
import { type ManifestObject, unversioned } from '../manifests.ts';
import { OUTPUT_FLAGS, resultPrinter } from '../output/output-flags.ts';
import { structPrinter } from '../output/struct-order.ts';
import { askRaw, refuseBesideRaw } from '../raw.ts';
import { pathOf } from '../served-resources.ts';
import { SELECTOR_FLAGS, type Target, targetsOf } from '../targets.ts';
import { targetOf } from '../targets-in-files.ts';
import type { VerbCall } from '../verb.ts';
import { throwIfAny, unexpected, VerbError } from '../verb-error.ts';
import { createEdited } from './edited.ts';
import {
  DRY_RUN_FLAG,
  dryRunNote,
  dryRunOf,
  fieldManagerFlag,
  VALIDATE_FLAG,
  validationOf,
  writeQuery,
} from '../writing.ts';

const COMMON: readonly FlagSpec[] = [
  ...OUTPUT_FLAGS,
  DRY_RUN_FLAG,
  VALIDATE_FLAG,
  fieldManagerFlag('kubectl-create'),
  { name: 'save-config', type: 'bool', summary: 'keep what was created for a later apply' },
];
export const CREATE_FLAGS: readonly FlagSpec[] = [
  ...COMMON,
  ...SELECTOR_FLAGS,
  { name: 'raw', type: 'string', summary: 'a path to send the file to as it is' },
  { name: 'edit', type: 'bool', summary: 'edit what is in the files before it is created' },
  WINDOWS_FLAG,
];
/** Of a form that makes one object from the command line. */
export const OBJECT_FLAGS: readonly FlagSpec[] = COMMON;

export async function createFromFiles(call: VerbCall): Promise<void> {
  const { flags, args, path } = call;
  if (args.length > 0) throw unexpected(`Unexpected args: [${args.join(' ')}]`, path);
  const note = dryRunNote(dryRunOf(flags));
  validationOf(flags);
  if (flags.list('filename').length === 0 && !flags.has('kustomize'))
    throw new VerbError('must specify one of -f and -k');
  if (flags.string('raw')) return sendRaw(call);
  if (flags.bool('edit')) return sendEdited(call, note);
  const { targets, errors } = await targetsOf(call, { validation: validationOf(flags) });
  if (targets.length === 0 && errors.length === 0) throw new VerbError('no objects passed to create');
  const print = resultPrinter(call.flags, call.io);
  const failures = await failuresAmong(targets, async (target) => {
    const object = await sent(call, target).catch((error: unknown) => {
      throw whileDoing(error, 'creating', target.source);
    });
    call.io.out(print(object, `created${note}`));
  });
  throwIfAny([...failures, ...errors]);
}

async function sendEdited(call: VerbCall, note: string): Promise<void> {
  const print = resultPrinter(call.flags, call.io);
  await createEdited(call, await targetsOf(call), async (target) =>
    call.io.out(print(await sent(call, target), `created${note}`)),
  );
}

async function sendRaw(call: VerbCall): Promise<void> {
  if (call.flags.bool('edit')) throw new VerbError('--raw and --edit are mutually exclusive');
  if (call.flags.string('selector')) throw new VerbError('--raw and --selector (-l) are mutually exclusive');
  refuseBesideRaw(call, { needsFile: true });
  await askRaw(call, 'POST');
}

interface Manner {
  /** What kubectl calls it where it could not be created. */
  told?: string;
  /** kubectl takes `--save-config` for it, and saves nothing. */
  neverSaved?: boolean;
}

/** Sends an object that the command line describes, and tells it. Its namespace is the one of the command. */
export async function createObject(call: VerbCall, object: ManifestObject, manner: Manner = {}): Promise<void> {
  const { flags, io } = call;
  const print = structPrinter(flags, io);
  const created = await createdObject(call, object, manner).catch((error: unknown) => {
    throw whileCreating(error, manner.told ?? TOLD[object.kind]);
  });
  io.out(print(created, `created${dryRunNote(dryRunOf(flags))}`));
}

/** Of these kinds kubectl says what it was doing, and not what the server called it. */
const TOLD: Readonly<Record<string, string>> = {
  ClusterRoleBinding: 'clusterrolebinding: ',
  ConfigMap: 'configmap: ',
  CronJob: 'cronjob: ',
  Deployment: 'deployment: ',
  Ingress: 'ingress: ',
  Job: 'job: ',
  PodDisruptionBudget: 'poddisruptionbudgets: ',
  PriorityClass: 'priorityclass: ',
  ResourceQuota: 'quota: ',
  RoleBinding: 'rolebinding: ',
  Secret: 'secret ',
  ServiceAccount: 'serviceaccount: ',
};

function whileCreating(error: unknown, told: string | undefined): unknown {
  return told && error instanceof StatusError ? new VerbError(`failed to create ${told}${error.message}`) : error;
}

/** As `createObject`, but tells nothing. */
export async function createdObject(
  call: VerbCall,
  object: ManifestObject,
  { neverSaved = false }: Manner = {},
): Promise<unknown> {
  const { flags } = call;
  const target = await targetOf(call, { object, source: '' });
  if (!call.cluster.isNamespaceGiven && dryRunOf(flags) === 'client') {
    // Nobody said where it is to be: whoever applies it will.
    const { namespace, ...metadata } = (target.object as ManifestObject).metadata;
    target.object = { ...(target.object as ManifestObject), metadata };
  }
  return sent(call, target, neverSaved ? (unsaved) => unsaved : annotatedStruct);
}

async function sent(
  { flags, cluster }: VerbCall,
  { resource, namespace, object }: Target,
  annotate = annotated,
): Promise<unknown> {
  const dryRun = dryRunOf(flags);
  const toSend = flags.bool('save-config') ? annotate(object as ManifestObject) : object;
  if (dryRun === 'client') return toSend;
  const query = writeQuery(flags, { dryRun, hasValidation: true });
  const path = pathOf(resource, { namespace, query });
  return (await cluster.request({ method: 'POST', path, object: unversioned(toSend as ManifestObject) })).object;
}

/** Throws VerbError for flags that must be given. */
export function refuseMissing(flags: Flags, names: readonly string[]): void {
  const missing = names.filter((name) => !flags.has(name));
  if (missing.length > 0)
    throw new VerbError(`required flag(s) ${missing.map((name) => JSON.stringify(name)).join(', ')} not set`);
}

/** The one name that such a command takes; what stands behind `--` is of no meaning to it. */
export function onlyName(call: VerbCall): string {
  const { name } = nameAndCommand(call);
  if (name === '') throw new VerbError('name must be specified');
  return name;
}

/** What stands before `--`, and what behind it. */
export function nameAndCommand({ args, argsBeforeDash, path }: VerbCall): { name: string; command: readonly string[] } {
  const before = args.slice(0, argsBeforeDash ?? args.length);
  if (before.length !== 1)
    throw new VerbError(`exactly one NAME is required, got ${before.length}\nSee '${path} -h' for help and examples`);
  return { name: before[0]!, command: args.slice(before.length) };
}
