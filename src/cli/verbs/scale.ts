/** `kedge scale`: how many replicas a workload has, through its scale subresource. */
import { follow, TimedOut } from './following.ts';
import { fileFlags } from './manifests.ts';
import { OUTPUT_FLAGS, resultPrinter } from './output/output-flags.ts';
import { pathOf } from './served-resources.ts';
import { ALL_FLAG, SELECTOR_FLAGS, type Target, targetsOf } from './targets.ts';
import type { Verb, VerbCall } from './verb.ts';
import { throwIfAny, VerbError } from './verb-error.ts';
import { DRY_RUN_FLAG, type DryRun, dryRunNote, dryRunOf } from './writing.ts';
import { hasReason } from '#api/machinery/status.ts';

interface Scale {
  metadata: { resourceVersion: string };
  spec?: { replicas?: number };
  status?: { replicas?: number };
}

const MOST_TRIES = 10;

export const scaleVerb: Verb = {
  name: 'scale',
  summary: 'set how many replicas there are to be',
  usage: '[--resource-version=version] [--current-replicas=count] --replicas=COUNT (-f FILENAME | TYPE NAME)',
  flags: [
    ...fileFlags('to scale'),
    ...OUTPUT_FLAGS,
    ...SELECTOR_FLAGS,
    ALL_FLAG,
    DRY_RUN_FLAG,
    { name: 'replicas', type: 'int', default: '-1', summary: 'how many there are to be' },
    { name: 'current-replicas', type: 'int', default: '-1', summary: 'only if so many are wanted now' },
    { name: 'resource-version', type: 'string', summary: 'only if this is the newest version' },
    {
      name: 'timeout',
      type: 'duration',
      default: '0s',
      summary: 'how long to wait until there are so many; 0 does not wait',
    },
  ],
  async run(call) {
    const { flags, io } = call;
    if (!flags.has('replicas')) throw new VerbError('required flag(s) "replicas" not set');
    const replicas = flags.int('replicas');
    if (replicas < 0)
      throw new VerbError('The --replicas=COUNT flag is required, and COUNT must be greater than or equal to 0');
    if (flags.int('current-replicas') < -1)
      throw new VerbError('The --current-replicas must specify an integer of -1 or greater');
    const dryRun = dryRunOf(flags);
    const { targets, errors } = await targetsOf(call, { latest: true });
    if (targets.length > 1 && flags.string('resource-version'))
      throw new VerbError('cannot use --resource-version with multiple resources');
    if (targets.length === 0 && errors.length === 0) throw new VerbError('no objects passed to scale');
    const print = resultPrinter(flags, io);
    for (const target of targets) {
      if (dryRun !== 'client') await scaled(call, target, { replicas, dryRun });
      const { spec, ...rest } = target.object as { spec: object };
      io.out(print({ ...rest, spec: { ...spec, replicas } }, `scaled${dryRunNote(dryRun)}`));
    }
    throwIfAny(errors);
  },
};

async function scaled(
  call: VerbCall,
  target: Target,
  { replicas, dryRun }: { replicas: number; dryRun: DryRun },
): Promise<void> {
  const { flags, cluster } = call;
  const expected = flags.int('current-replicas');
  const version = flags.string('resource-version');
  const path = pathOf(target.resource, { ...target, subresource: 'scale' });
  const query = { ...(dryRun === 'server' && { dryRun: 'All' }) };
  for (let tries = 1; ; tries++) {
    if (expected === -1 && !version) {
      const object = { spec: { replicas } };
      const patchPath = pathOf(target.resource, { ...target, subresource: 'scale', query });
      await cluster.request({ method: 'PATCH', path: patchPath, object, contentType: 'application/merge-patch+json' });
      break;
    }
    const scale = await cluster.get<Scale>(path);
    const wanted = scale.spec?.replicas ?? 0;
    if (expected !== -1 && wanted !== expected)
      throw new VerbError(`Expected replicas to be ${expected}, was ${wanted}`);
    if (version && scale.metadata.resourceVersion !== version)
      throw new VerbError(`Expected resource version to be ${version}, was ${scale.metadata.resourceVersion}`);
    try {
      const putPath = pathOf(target.resource, { ...target, subresource: 'scale', query });
      await cluster.request({ method: 'PUT', path: putPath, object: { ...scale, spec: { ...scale.spec, replicas } } });
      break;
    } catch (error) {
      if (!hasReason(error, 'Conflict') || tries >= MOST_TRIES) throw error;
    }
  }
  if (flags.milliseconds('timeout') > 0 && dryRun === 'none') await untilScaled(call, target, replicas);
}

async function untilScaled(call: VerbCall, target: Target, replicas: number): Promise<void> {
  const look = (object: unknown) => {
    const { status } = object as Scale;
    return (status?.replicas ?? 0) === replicas ? ('done' as const) : undefined;
  };
  try {
    await follow(call, target, { timeoutMs: call.flags.milliseconds('timeout'), look });
  } catch (error) {
    if (error instanceof TimedOut)
      throw new VerbError(`timed out waiting for ${JSON.stringify(target.name)} to be synced`);
    throw error;
  }
}
