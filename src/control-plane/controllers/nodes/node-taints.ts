/** The taints that say in what state a node is. Source: "Taints and Tolerations", taint based evictions; nodelifecycle. */
import type { Node, Taint } from '#api/generated/schema.ts';

export const NOT_READY = 'node.kubernetes.io/not-ready';
export const UNREACHABLE = 'node.kubernetes.io/unreachable';
export const UNSCHEDULABLE = 'node.kubernetes.io/unschedulable';
export const OUT_OF_SERVICE = 'node.kubernetes.io/out-of-service';

const BY_CONDITION: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  Ready: { False: NOT_READY, Unknown: UNREACHABLE },
  MemoryPressure: { True: 'node.kubernetes.io/memory-pressure' },
  DiskPressure: { True: 'node.kubernetes.io/disk-pressure' },
  PIDPressure: { True: 'node.kubernetes.io/pid-pressure' },
  NetworkUnavailable: { True: 'node.kubernetes.io/network-unavailable' },
};
/** NoSchedule taints that are ours to set and to take away. */
const OURS = new Set([UNSCHEDULABLE, ...Object.values(BY_CONDITION).flatMap((byStatus) => Object.values(byStatus))]);

export const readinessOf = ({ status }: Node): string | undefined =>
  status?.conditions?.find(({ type }) => type === 'Ready')?.status;

/** What keeps new pods away, from the conditions. */
function noScheduleKeys({ status, spec }: Node): string[] {
  const keys = (status?.conditions ?? []).flatMap(({ type, status: value }) => BY_CONDITION[type]?.[value] ?? []);
  return spec.unschedulable ? [...keys, UNSCHEDULABLE] : keys;
}

/**
 * The taints that the node should have. `mayEvict`: whether a NoExecute taint may be added now; one that is there follows the
 * state in any case.
 */
export function taintsOf(node: Node, { mayEvict, now }: { mayEvict: boolean; now: string }): Taint[] {
  const current = node.spec.taints ?? [];
  const evicting = evictingKey(node);
  const isEvicting = current.some(
    ({ key, effect }) => effect === 'NoExecute' && (key === NOT_READY || key === UNREACHABLE),
  );
  const wanted: Taint[] = noScheduleKeys(node).map((key) => ({ key, effect: 'NoSchedule' }));
  if (evicting && (isEvicting || mayEvict)) wanted.push({ key: evicting, effect: 'NoExecute' });

  const isSame = (a: Taint, b: Taint) => a.key === b.key && a.effect === b.effect;
  const kept = current.filter((taint) => !isOurs(taint) || wanted.some((each) => isSame(each, taint)));
  const added = wanted.filter((taint) => !current.some((each) => isSame(each, taint)));
  return [...kept, ...added.map((taint) => ({ ...taint, timeAdded: now }))];
}

/** The NoExecute taint for the node's state; undefined when it is ready. */
export function evictingKey(node: Node): string | undefined {
  const ready = readinessOf(node);
  return ready === undefined ? undefined : BY_CONDITION.Ready?.[ready];
}

const isOurs = ({ key, effect }: Taint): boolean =>
  (effect === 'NoSchedule' && OURS.has(key)) || (effect === 'NoExecute' && (key === NOT_READY || key === UNREACHABLE));
