/** `kedge autoscale`: a HorizontalPodAutoscaler for workloads. Source: kubectl, cmd/autoscale. */
import { canonicalQuantity } from '#api/machinery/quantity.ts';
import { createdObject, OBJECT_FLAGS } from './create/created.ts';
import type { Flags } from './flags.ts';
import { forEachTarget } from './going-on.ts';
import { fileFlags, type ManifestObject } from './manifests.ts';
import { structPrinter } from './output/struct-order.ts';
import { apiVersionOf } from './served-resources.ts';
import { type Target, targetsOf } from './targets.ts';
import type { Verb, VerbCall } from './verb.ts';
import { VerbError } from './verb-error.ts';
import { dryRunNote, dryRunOf, fieldManagerFlag } from './writing.ts';

export const autoscaleVerb: Verb = {
  name: 'autoscale',
  summary: 'let a workload have as many replicas as it needs',
  usage: '(-f FILENAME | TYPE NAME | TYPE/NAME) [--min=MINPODS] --max=MAXPODS [--cpu=CPU] [--memory=MEMORY]',
  flags: [
    ...OBJECT_FLAGS.filter(({ name }) => name !== 'field-manager'),
    ...fileFlags('to autoscale'),
    fieldManagerFlag('kubectl-autoscale'),
    { name: 'min', type: 'int', default: '-1', summary: 'least replicas; below 0 as the server thinks' },
    { name: 'max', type: 'int', default: '-1', summary: 'most replicas' },
    { name: 'cpu', type: 'string', summary: 'CPU that a pod is to use: 70% of its request, or 500m' },
    { name: 'cpu-percent', type: 'int', default: '-1', summary: 'as --cpu, as a percentage; the older way to say it' },
    { name: 'memory', type: 'string', summary: 'memory that a pod is to use: 60% of its request, or 200Mi' },
    { name: 'name', type: 'string', summary: "the autoscaler's name; that of the workload unless told" },
  ],
  async run(call) {
    const { flags } = call;
    if (flags.has('cpu-percent')) call.io.err(`${DEPRECATED}\n`);
    if (!flags.has('max')) throw new VerbError('required flag(s) "max" not set');
    dryRunOf(flags);
    refuseContradictions(flags);
    const metrics = metricsOf(flags);
    // What a file describes may come later.
    const found = await targetsOf(call, { latest: !flags.has('filename') });
    await forEachTarget(found, (target) => autoscale(call, target, metrics));
    if (found.targets.length === 0) throw new VerbError('no objects passed to autoscale');
  },
};

const DEPRECATED =
  "Flag --cpu-percent has been deprecated, Use --cpu with percentage or resource quantity format (e.g., '70%' for utilization or '500m' for milliCPU).";

function refuseContradictions(flags: Flags): void {
  const [min, max] = [flags.int('min'), flags.int('max')];
  if (max < 1) throw new VerbError(`--max=MAXPODS is required and must be at least 1, max: ${max}`);
  if (max < min)
    throw new VerbError(`--max=MAXPODS must be larger or equal to --min=MINPODS, max: ${max}, min: ${min}`);
  if (flags.int('cpu-percent') > 0 && flags.string('cpu'))
    throw new VerbError('--cpu-percent and --cpu are mutually exclusive');
}

type Usage = { type: 'Utilization'; averageUtilization: number } | { type: 'AverageValue'; averageValue: string };

const UNITS = { cpu: 'm', memory: 'Mi' } as const;

/** Throws VerbError for what is neither a percentage nor a quantity. */
function usageIn(flags: Flags, resource: keyof typeof UNITS): Usage | undefined {
  const given = flags.string(resource);
  if (!given) return undefined;
  const text = given.trim();
  if (!text) throw new VerbError('empty input');
  if (text.endsWith('%')) return { type: 'Utilization', averageUtilization: percentageIn(text.slice(0, -1)) };
  const bare = /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(text) ? `${Number(text)}${UNITS[resource]}` : text;
  const averageValue = canonicalQuantity(bare);
  if (averageValue === undefined) throw new VerbError(`invalid resource ${resource} value: ${text}`);
  return { type: 'AverageValue', averageValue };
}

function percentageIn(text: string): number {
  if (!/^\+?\d{1,9}$/.test(text)) throw new VerbError(`invalid percentage value: ${text}`);
  return Number(text);
}

function metricsOf(flags: Flags): object[] {
  const percent = flags.int('cpu-percent');
  const cpu: Usage | undefined =
    percent > 0 ? { type: 'Utilization', averageUtilization: percent } : usageIn(flags, 'cpu');
  const memory = usageIn(flags, 'memory');
  const metric = (name: string, target: Usage | undefined) =>
    target ? [{ resource: { name, target }, type: 'Resource' }] : [];
  return [...metric('cpu', cpu), ...metric('memory', memory)];
}

async function autoscale(call: VerbCall, { resource, name }: Target, metrics: readonly object[]): Promise<void> {
  const { flags, io } = call;
  const { group, version, plural, kind, subresources } = resource;
  if (!subresources.includes('scale'))
    throw new VerbError(
      `cannot autoscale a ${kind}: could not find scale subresource for ${group}/${version}, Resource=${plural} in discovery information`,
    );
  const min = flags.int('min');
  const object: ManifestObject = {
    apiVersion: 'autoscaling/v2',
    kind: 'HorizontalPodAutoscaler',
    metadata: { name: flags.string('name') || name },
    spec: {
      maxReplicas: flags.int('max'),
      ...(metrics.length > 0 && { metrics }),
      ...(min > 0 && { minReplicas: min }),
      scaleTargetRef: { apiVersion: apiVersionOf(resource), kind, name },
    },
    status: { currentMetrics: null, desiredReplicas: 0 },
  };
  const dryRun = dryRunOf(flags);
  const created = await createdObject(call, object).catch((error: unknown) => {
    throw notInOlderWords(flags) ?? error;
  });
  io.out(structPrinter(flags, io)(created, `${dryRun === 'client' ? 'created' : 'autoscaled'}${dryRunNote(dryRun)}`));
}

/**
 * What the server refuses kubectl says again as autoscaling/v1; where it cannot be said so, that is all that it tells. (Of a
 * quantity of CPU it has nothing to tell but that.)
 */
function notInOlderWords(flags: Flags): VerbError | undefined {
  const cpu = usageIn(flags, 'cpu');
  if (cpu?.type === 'Utilization' && !flags.string('memory')) return undefined;
  return new VerbError(
    `failed to create autoscaling/v2 HPA and the configuration is incompatible with autoscaling/v1: ${cpu ? '%!w(<nil>)' : 'empty input'}`,
  );
}
