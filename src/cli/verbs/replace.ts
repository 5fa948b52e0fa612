/** `kedge replace`: puts objects from files in the place of those that are there. */
import { propagationPolicyOf, warnOfBooleanCascade } from './cascade.ts';
import { deleteOne } from './delete.ts';
import { whileDoing } from './error-text.ts';
import { isNotFound } from './fetched-target.ts';
import type { Flags } from './flags.ts';
import { TimedOut, whenGone } from './following.ts';
import { failuresAmong, forEachTarget } from './going-on.ts';
import { annotated } from './last-applied.ts';
import { fileFlags, type ManifestObject, unversioned } from './manifests.ts';
import { OUTPUT_FLAGS, resultPrinter } from './output/output-flags.ts';
import { askRaw, refuseBesideRaw } from './raw.ts';
import { pathOf } from './served-resources.ts';
import { type Target, type Targets, targetsOf } from './targets.ts';
import type { Verb, VerbCall } from './verb.ts';
import { throwIfAny, unexpected, VerbError } from './verb-error.ts';
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

export const replaceVerb: Verb = {
  name: 'replace',
  summary: 'put objects from files in the place of those that are there',
  usage: '-f FILENAME',
  flags: [
    ...fileFlags('to replace with'),
    ...OUTPUT_FLAGS,
    DRY_RUN_FLAG,
    VALIDATE_FLAG,
    fieldManagerFlag('kubectl-replace'),
    { name: 'save-config', type: 'bool', summary: 'keep what was sent for a later apply' },
    { name: 'subresource', type: 'string', summary: 'status, scale or another part of the object' },
    { name: 'raw', type: 'string', summary: 'a path to put the file to as it is' },
    { name: 'force', type: 'bool', summary: 'delete what is there and create anew' },
    {
      name: 'grace-period',
      type: 'int',
      default: '-1',
      summary: 'with --force: seconds for the end of the old object',
    },
    { name: 'timeout', type: 'duration', default: '0s', summary: 'with --force: how long the end may take; 0 for 5m' },
    { name: 'wait', type: 'bool', summary: 'has no meaning here: --force always waits' },
    {
      name: 'cascade',
      type: 'string',
      default: 'background',
      bare: 'background',
      summary: 'with --force: background, foreground or orphan',
    },
  ],
  async run(call) {
    const { flags, args, io, path } = call;
    if (args.length > 0) throw unexpected(`unexpected args: [${args.join(' ')}]`, path);
    if (flags.list('filename').length === 0 && !flags.has('kustomize'))
      throw new VerbError('must specify one of -f and -k');
    const dryRun = dryRunOf(flags);
    warnOfBooleanCascade(call);
    refuseContradictions(call, dryRun);
    if (flags.string('raw')) return replaceRaw(call);
    if (flags.bool('force')) return replaceByForce(call, await targetsOf(call, { validation: validationOf(flags) }));
    const { targets, errors } = await targetsOf(call, { validation: validationOf(flags) });
    const print = resultPrinter(flags, io);
    const failures = await failuresAmong(targets, async (target) =>
      io.out(print(await replaced(call, target, dryRun), `replaced${dryRunNote(dryRun)}`)),
    );
    throwIfAny([...failures, ...errors]);
  },
};

async function replaced({ flags, cluster }: VerbCall, target: Target, dryRun: DryRun): Promise<unknown> {
  const object = toSend(flags, target);
  const query = writeQuery(flags, { dryRun, hasValidation: true });
  try {
    const path = pathOf(target.resource, { ...target, subresource: flags.string('subresource'), query });
    return dryRun === 'client' ? object : (await cluster.request({ method: 'PUT', path, object })).object;
  } catch (error) {
    throw whileDoing(error, 'replacing', target.source);
  }
}

const toSend = (flags: Flags, { object }: Target): ManifestObject =>
  flags.bool('save-config') ? annotated(object as ManifestObject) : (object as ManifestObject);

async function replaceRaw(call: VerbCall): Promise<void> {
  refuseBesideRaw(call, { needsFile: true });
  await askRaw(call, 'PUT');
}

function refuseContradictions({ flags }: VerbCall, dryRun: DryRun): void {
  const isForced = flags.bool('force');
  if (flags.int('grace-period') >= 0 && !isForced) throw new VerbError('--grace-period must have --force specified');
  if (flags.milliseconds('timeout') !== 0 && !isForced) throw new VerbError('--timeout must have --force specified');
  if (isForced && dryRun !== 'none') throw new VerbError('--dry-run can not be used when --force is set');
}

const LONGEST_END_MS = 300_000;

/** Nothing is created before all that was there is gone. */
async function replaceByForce(call: VerbCall, { targets, errors }: Targets): Promise<void> {
  const { flags, cluster, io } = call;
  if (targets.length === 0 && errors.length === 0) io.out('No resources found\n');
  const grace = flags.int('grace-period');
  const manner = {
    dryRun: 'none',
    graceSeconds: grace === 0 ? 1 : grace, // 0 by mistake loses data
    propagationPolicy: propagationPolicyOf(flags),
  } as const;
  const undeleted = await failuresAmong(targets, (target) => deleteOne(call, target, manner));
  throwIfAny([...errors, ...undeleted.filter((failure) => !isNotFound(failure))]);
  const timeoutMs = flags.milliseconds('timeout') || LONGEST_END_MS;
  const left = await failuresAmong(targets, (target) => whenGone(call, target, { timeoutMs }));
  throwIfAny(
    left.map((failure) =>
      failure instanceof TimedOut ? new VerbError('timed out waiting for the condition') : failure,
    ),
  );
  const print = resultPrinter(flags, io);
  const query = writeQuery(flags, { dryRun: 'none', hasValidation: true });
  await forEachTarget({ targets, errors: [] }, async (target) => {
    const path = pathOf(target.resource, { namespace: target.namespace, query });
    const { object } = await cluster.request({ method: 'POST', path, object: unversioned(toSend(flags, target)) });
    io.out(print(object, 'replaced'));
  });
  if (targets.length === 0) throw new VerbError('no objects passed to replace');
}
