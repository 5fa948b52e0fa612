/** Which pod, and which of its containers, a command means. Source: kubectl, polymorphichelpers and podcmd. */
import { facts } from '#api/generated/facts.ts';
import type { Container, Pod } from '#api/generated/schema.ts';
import { conditionOf, isReady } from '#api/core/v1/pod-conditions.ts';
import { formatSelector, selectorFrom, selectorOfLabels } from '#api/machinery/label-selector.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { sleep } from '#base/clock.ts';
import { pathOf } from './served-resources.ts';
import type { Target } from './targets.ts';
import type { VerbCall } from './verb.ts';
import { VerbError } from './verb-error.ts';

const DEFAULT_CONTAINER = 'kubectl.kubernetes.io/default-container';

export const allContainers = ({ spec }: Pod): Container[] => [
  ...(spec.initContainers ?? []),
  ...spec.containers,
  ...((spec.ephemeralContainers ?? []) as Container[]),
];

const namesOf = ({ spec }: Pod): string =>
  [
    ...spec.containers.map(({ name }) => name),
    ...(spec.ephemeralContainers ?? []).map(({ name }) => `${name} (ephem)`),
    ...(spec.initContainers ?? []).map(({ name }) => `${name} (init)`),
  ].join(', ');

/** The one that is named, else the pod's default one, else the first. Throws VerbError when there is no such container. */
export function containerOf(
  pod: Pod,
  name: string,
  { io, isQuiet = false }: Pick<VerbCall, 'io'> & { isQuiet?: boolean },
): string {
  const wanted = name || pod.metadata.annotations?.[DEFAULT_CONTAINER] || '';
  const all = allContainers(pod);
  if (wanted !== '') {
    if (all.some((container) => container.name === wanted)) return wanted;
    throw new VerbError(`container ${wanted} is not valid for pod ${pod.metadata.name} out of: ${namesOf(pod)}`);
  }
  const [first] = pod.spec.containers;
  if (all.length > 1 && !isQuiet) io.err(`Defaulted container "${first!.name}" out of: ${namesOf(pod)}\n`);
  return first!.name;
}

/** The labels by which a workload or a Service knows its pods; undefined for what has none. */
export function selectorOf(object: KubeObject): string | undefined {
  const { selector } = ((object as { spec?: { selector?: object } }).spec ?? {}) as { selector?: object };
  if (!selector) return undefined;
  const isPlain = object.kind === 'Service' || object.kind === 'ReplicationController';
  return formatSelector(isPlain ? selectorOfLabels(selector as Record<string, string>) : selectorFrom(selector));
}

const LOOK_EVERY_MS = 200;

/** The pod itself, or one of those that belong to what is named; the one most in use. */
export async function podOf(
  call: VerbCall,
  target: Target,
  { timeoutMs, purpose = 'attach to' }: { timeoutMs: number; purpose?: string },
): Promise<{ pod: Pod; count: number }> {
  const object = target.object as KubeObject;
  if (target.resource.kind === 'Pod' && target.resource.group === '')
    return { pod: object as unknown as Pod, count: 1 };
  const labelSelector = selectorOf(object);
  if (labelSelector === undefined) throw new VerbError(hasNoPods(target.resource, purpose));
  const { clock, signal } = call.io;
  const endMs = clock.monotonicMs() + timeoutMs;
  for (;;) {
    const pods = byUse(await podsOf(call, { namespace: target.namespace, labelSelector }));
    if (pods.length > 0) return { pod: pods[0]!, count: pods.length };
    if (clock.monotonicMs() >= endMs) throw new VerbError('timed out waiting for the condition');
    await sleep(clock, LOOK_EVERY_MS, signal);
  }
}

/** kubectl tells which of its own types it was, and knows none of what others define. */
function hasNoPods({ group, version, kind }: Target['resource'], purpose: string): string {
  if (!facts.typeOfKind(group, version, kind))
    return `no kind "${kind}" is registered for version "${group}/${version}" in scheme "pkg/scheme/scheme.go:28"`;
  return `cannot ${purpose} *${version}.${kind}: selector for *${version}.${kind} not implemented`;
}

export async function podsOf(
  { cluster }: VerbCall,
  { namespace, ...query }: { namespace?: string | undefined; labelSelector?: string; fieldSelector?: string },
): Promise<Pod[]> {
  const pods = (await cluster.resources()).named('pods');
  return (await cluster.get<{ items: Pod[] }>(pathOf(pods, { namespace, query }))).items;
}

/** Bound, running, ready and long ready come first; then those that were restarted most, and the oldest. */
export const byUse = (pods: readonly Pod[]): Pod[] => [...pods].sort((a, b) => compare(rankOf(a), rankOf(b)));

function rankOf(pod: Pod): number[] {
  const phases = ['Running', 'Unknown', 'Pending'];
  const restarts = (pod.status?.containerStatuses ?? []).map(({ restartCount }) => restartCount);
  return [
    pod.spec.nodeName ? 0 : 1,
    Math.max(0, phases.indexOf(pod.status?.phase ?? '')),
    isReady(pod) ? 0 : 1,
    isReady(pod) ? timeOf(conditionOf(pod, 'Ready')?.lastTransitionTime) : 0,
    -Math.max(0, ...restarts),
    timeOf(pod.metadata.creationTimestamp),
  ];
}

const timeOf = (timestamp: string | undefined): number => (timestamp ? Date.parse(timestamp) : Number.MAX_SAFE_INTEGER);

function compare(a: readonly number[], b: readonly number[]): number {
  const at = a.findIndex((value, index) => value !== b[index]);
  return at < 0 ? 0 : a[at]! - b[at]!;
}
