/** `kedge delete`: by name, by selection or as files say; returns when the objects are gone. */
import { propagationPolicyOf, warnOfBooleanCascade } from './cascade.ts';
import { whileDoing } from './error-text.ts';
import { isNotFound } from './fetched-target.ts';
import { TimedOut, whenGone } from './following.ts';
import { failuresAmong } from './going-on.ts';
import { fileFlags } from './manifests.ts';
import { askRaw, refuseBesideRaw } from './raw.ts';
import { pathOf, printedKindOf } from './served-resources.ts';
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
import { DRY_RUN_FLAG, type DryRun, dryRunNote, dryRunOf } from './writing.ts';

export const deleteVerb: Verb = {
  name: 'delete',
  summary: 'delete objects',
  usage: '([-f FILENAME] | TYPE [(NAME | -l label | --all)])',
  flags: [
    ...fileFlags('to delete'),
    ...SELECTOR_FLAGS,
    FIELD_SELECTOR_FLAG,
    ALL_FLAG,
    ALL_NAMESPACES_FLAG,
    DRY_RUN_FLAG,
    {
      name: 'cascade',
      type: 'string',
      default: 'background',
      bare: 'background',
      summary: 'background, foreground or orphan: what becomes of dependents',
    },
    { name: 'grace-period', type: 'int', default: '-1', summary: 'seconds for an orderly end; -1 as the object says' },
    { name: 'now', type: 'bool', summary: 'as --grace-period=1' },
    { name: 'force', type: 'bool', summary: 'with a grace period of 0: without waiting for anybody' },
    { name: 'ignore-not-found', type: 'bool', summary: 'an object that is not there is no failure' },
    { name: 'wait', type: 'bool', default: 'true', summary: 'return when the objects are gone' },
    { name: 'timeout', type: 'duration', default: '0s', summary: 'how long to wait; 0 for ever' },
    { name: 'output', short: 'o', type: 'string', summary: 'name: only what was deleted' },
    { name: 'interactive', short: 'i', type: 'bool', summary: 'say what would go, and ask before it goes' },
    { name: 'raw', type: 'string', summary: 'a path to delete as it is' },
  ],
  async run(call) {
    const { flags, io } = call;
    warnOfBooleanCascade(call);
    const dryRun = dryRunOf(flags);
    const manner = { dryRun, graceSeconds: graceOf(call), propagationPolicy: propagationPolicyOf(flags) };
    if (flags.string('raw')) return deleteRaw(call);
    const isSelected = flags.bool('all') || flags.string('selector') !== '' || flags.string('field-selector') !== '';
    const ignoreNotFound = flags.has('ignore-not-found') ? flags.bool('ignore-not-found') : isSelected;
    const { targets, errors } = await targetsOf(call, { ignoreNotFound });
    warnOfScope(call, targets);
    if (flags.bool('interactive')) throwIfAny(errors); // who is asked is asked about all of it
    if (flags.bool('interactive') && targets.length > 0 && !(await isConfirmed(call, targets)))
      return io.out('deletion is cancelled\n');
    const deleted: { target: Target; uid: string | undefined }[] = [];
    const failures = await failuresAmong(targets, async (target) => {
      deleted.push({ target, uid: await deleteOne(call, target, manner) });
    });
    throwIfAny([...errors, ...failures.filter((failure) => !(ignoreNotFound && isNotFound(failure)))]);
    if (targets.length === 0) return io.out('No resources found\n');
    if (flags.bool('wait') && dryRun === 'none') await untilGone(call, deleted);
  },
};

async function deleteRaw(call: VerbCall): Promise<void> {
  if (call.flags.bool('interactive')) throw new VerbError('--interactive can not be used with --raw');
  refuseBesideRaw(call, { needsFile: false });
  await askRaw(call, 'DELETE');
}

/** Characters; who says more has not said yes. */
const LONGEST_ANSWER = 100;

async function isConfirmed({ io }: VerbCall, targets: readonly Target[]): Promise<boolean> {
  io.out(`You are about to delete the following ${targets.length} resource(s):\n`);
  for (const { resource, name } of targets) io.out(`${printedKindOf(resource)}/${name}\n`);
  io.out('Do you want to continue? (y/N): ');
  let answer = '';
  for await (const chunk of io.stdin) {
    answer += chunk;
    if (answer.includes('\n') || answer.length > LONGEST_ANSWER) break;
  }
  return answer.trim().toLowerCase() === 'y';
}

/** Seconds; -1 leaves it to the object. */
function graceOf({ flags, io }: VerbCall): number {
  const output = flags.string('output');
  if (output && output !== 'name')
    throw new VerbError(`unexpected -o output mode: ${output}. We only support '-o name'`);
  if (flags.bool('all') && flags.string('selector'))
    throw new VerbError("setting 'all' parameter but found a non empty selector. ");
  if (flags.bool('all') && flags.string('field-selector'))
    throw new VerbError('cannot set --all and --field-selector at the same time');
  const given = flags.int('grace-period');
  if (flags.bool('now') && given !== -1) throw new VerbError('--now and --grace-period cannot be specified together');
  const isForced = flags.bool('force');
  if (isForced && given > 0)
    throw new VerbError('--force and --grace-period greater than 0 cannot be specified together');
  if (flags.bool('now')) return 1;
  if (isForced) {
    io.err(
      'Warning: Immediate deletion does not wait for confirmation that the running resource has been terminated. The resource may continue to run on the cluster indefinitely.\n',
    );
    return 0;
  }
  return given === 0 ? 1 : given; // 0 by mistake loses data: it needs --force
}

function warnOfScope({ cluster, flags, io }: VerbCall, targets: readonly Target[]): void {
  if (!cluster.isNamespaceGiven || flags.bool('all-namespaces')) return;
  if (targets.some(({ resource }) => !resource.isNamespaced))
    io.err('Warning: deleting cluster-scoped resources, not scoped to the provided namespace\n');
}

export interface Manner {
  dryRun: DryRun;
  graceSeconds: number;
  propagationPolicy: string;
  /** Nothing is told. */
  isQuiet?: boolean;
}

/** @returns the object's UID, if the server said it. */
export async function deleteOne(
  { flags, io, cluster }: VerbCall,
  target: Target,
  { dryRun, graceSeconds, propagationPolicy, isQuiet = false }: Manner,
): Promise<string | undefined> {
  const told = () => {
    if (isQuiet) return '';
    const kind = printedKindOf(target.resource);
    if (flags.string('output') === 'name') return `${kind}/${target.name}\n`;
    const where = target.resource.isNamespaced ? ` from ${target.namespace} namespace` : '';
    return `${kind} "${target.name}" ${graceSeconds === 0 ? 'force deleted' : 'deleted'}${where}${dryRunNote(dryRun)}\n`;
  };
  if (dryRun === 'client') {
    io.out(told());
    return undefined;
  }
  const object = {
    apiVersion: 'v1',
    kind: 'DeleteOptions',
    propagationPolicy,
    ...(graceSeconds >= 0 && { gracePeriodSeconds: graceSeconds }),
    ...(dryRun === 'server' && { dryRun: ['All'] }),
  };
  try {
    const path = pathOf(target.resource, target);
    const reply = (await cluster.request({ method: 'DELETE', path, object })).object as Deleted;
    io.out(told());
    return reply.details?.uid ?? reply.metadata?.uid;
  } catch (error) {
    throw whileDoing(error, 'deleting', target.source);
  }
}

interface Deleted {
  details?: { uid?: string };
  metadata?: { uid?: string };
}

async function untilGone(
  call: VerbCall,
  deleted: readonly { target: Target; uid: string | undefined }[],
): Promise<void> {
  const timeoutMs = call.flags.milliseconds('timeout');
  const endMs = call.io.clock.monotonicMs() + timeoutMs;
  for (const { target, uid } of deleted) {
    const leftMs = timeoutMs > 0 ? Math.max(1, endMs - call.io.clock.monotonicMs()) : 0;
    try {
      await whenGone(call, target, { timeoutMs: leftMs, uid });
    } catch (error) {
      if (!(error instanceof TimedOut)) throw error;
      throw new VerbError(`timed out waiting for the condition on ${target.resource.plural}/${target.name}`);
    }
  }
}
