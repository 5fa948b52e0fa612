/**
 * How large each ReplicaSet may be in this moment: the arithmetic of a rolling update. Never more pods than replicas and surge,
 * never fewer available ones than replicas less maxUnavailable. Source: deployment_util, rolling.go, sync.go.
 */
import type { Deployment, ReplicaSet } from '#api/generated/schema.ts';
import { countOf } from '#api/machinery/int-or-percent.ts';
import { byAge, desiredReplicasOf, maxReplicasOf } from './replica-sets.ts';

export const isRolling = ({ spec }: Deployment): boolean => spec.strategy.type === 'RollingUpdate';

/** Both at zero would never move: then one may be unavailable. */
function fenceposts({ spec }: Deployment): { surge: number; unavailable: number } {
  const { maxSurge = 0, maxUnavailable = 0 } = spec.strategy.rollingUpdate ?? {};
  const surge = countOf(maxSurge, spec.replicas, 'up') ?? 0;
  const unavailable = countOf(maxUnavailable, spec.replicas, 'down') ?? 0;
  return surge === 0 && unavailable === 0 ? { surge, unavailable: 1 } : { surge, unavailable };
}

export const maxSurge = (deployment: Deployment): number => (isRolling(deployment) ? fenceposts(deployment).surge : 0);

export function maxUnavailable(deployment: Deployment): number {
  if (!isRolling(deployment) || deployment.spec.replicas === 0) return 0;
  return Math.min(fenceposts(deployment).unavailable, deployment.spec.replicas);
}

const sum = (all: readonly ReplicaSet[], of: (rs: ReplicaSet) => number): number =>
  all.reduce((total, rs) => total + of(rs), 0);
export const wantedPods = (all: readonly ReplicaSet[]): number => sum(all, ({ spec }) => spec.replicas);
export const actualPods = (all: readonly ReplicaSet[]): number => sum(all, ({ status }) => status?.replicas ?? 0);
export const readyPods = (all: readonly ReplicaSet[]): number => sum(all, ({ status }) => status?.readyReplicas ?? 0);
export const availablePods = (all: readonly ReplicaSet[]): number =>
  sum(all, ({ status }) => status?.availableReplicas ?? 0);
export const terminatingPods = (all: readonly ReplicaSet[]): number =>
  sum(all, ({ status }) => status?.terminatingReplicas ?? 0);

/** The size that the new ReplicaSet may grow to now. `current` is its size, 0 when it does not exist yet. */
export function newSizeOf(deployment: Deployment, all: readonly ReplicaSet[], current: number): number {
  const { replicas } = deployment.spec;
  if (!isRolling(deployment)) return replicas;
  const room = replicas + maxSurge(deployment) - wantedPods(all);
  if (room <= 0) return current;
  return current + Math.min(room, replicas - current);
}

export type Resize = { rs: ReplicaSet; to: number };

/** How many pods of old ReplicaSets may go now. Those that are not available go first: their loss costs nothing. */
export function oldSizes(deployment: Deployment, newRs: ReplicaSet, old: readonly ReplicaSet[]): Resize[] {
  const all = [...old, newRs];
  const minAvailable = deployment.spec.replicas - maxUnavailable(deployment);
  const newUnavailable = newRs.spec.replicas - (newRs.status?.availableReplicas ?? 0);
  const mayGo = wantedPods(all) - minAvailable - newUnavailable;
  if (wantedPods(old) === 0 || mayGo <= 0) return [];
  const cleaned = withoutUnhealthy(old, mayGo);
  return withoutSurplus(cleaned, availablePods(all) - minAvailable);
}

function withoutUnhealthy(old: readonly ReplicaSet[], mayGo: number): Resize[] {
  let left = mayGo;
  return [...old].sort(byAge).map((rs) => {
    const unhealthy = rs.spec.replicas - (rs.status?.availableReplicas ?? 0);
    const gone = Math.max(0, Math.min(left, unhealthy));
    left -= gone;
    return { rs, to: rs.spec.replicas - gone };
  });
}

function withoutSurplus(sizes: readonly Resize[], surplus: number): Resize[] {
  let left = Math.max(0, surplus);
  return sizes.map(({ rs, to }) => {
    const gone = Math.min(left, to);
    left -= gone;
    return { rs, to: to - gone };
  });
}

/** Of several: the only one with pods; without any, the new one or else the youngest; undefined when pods are in several. */
export function activeOrLatest(newRs: ReplicaSet | undefined, old: readonly ReplicaSet[]): ReplicaSet | undefined {
  const active = [...old, ...(newRs ? [newRs] : [])].filter(({ spec }) => spec.replicas > 0);
  if (active.length > 1) return undefined;
  return active[0] ?? newRs ?? [...old].sort(byAge).at(-1);
}

/** The new one has all that was asked for, and it is available. */
export const isSaturated = ({ spec }: Deployment, rs: ReplicaSet | undefined): boolean =>
  rs !== undefined &&
  rs.spec.replicas === spec.replicas &&
  desiredReplicasOf(rs) === spec.replicas &&
  rs.status?.availableReplicas === spec.replicas;

/** In the middle of a rollout a new size is shared out in proportion, so that no version gains by it. */
export function proportionalSizes(deployment: Deployment, all: readonly ReplicaSet[]): Resize[] {
  const { replicas } = deployment.spec;
  const active = all.filter(({ spec }) => spec.replicas > 0);
  const allowed = replicas > 0 ? replicas + maxSurge(deployment) : 0;
  const toAdd = allowed - wantedPods(active);
  const sorted = [...active].sort(
    (a, b) => b.spec.replicas - a.spec.replicas || (toAdd > 0 ? byAge(b, a) : byAge(a, b)),
  );
  let added = 0;
  const sizes = sorted.map((rs) => {
    const share = shareOf(rs, deployment, toAdd, added);
    added += share;
    return { rs, to: rs.spec.replicas + share };
  });
  return sizes.map(({ rs, to }, index) => ({ rs, to: index === 0 ? Math.max(0, to + toAdd - added) : to }));
}

function shareOf(rs: ReplicaSet, deployment: Deployment, toAdd: number, added: number): number {
  if (rs.spec.replicas === 0 || toAdd === 0 || toAdd === added) return 0;
  const fraction = fractionOf(rs, deployment);
  return toAdd > 0 ? Math.min(fraction, toAdd - added) : Math.max(fraction, toAdd - added);
}

function fractionOf(rs: ReplicaSet, deployment: Deployment): number {
  if (deployment.spec.replicas === 0) return -rs.spec.replicas;
  const max = deployment.spec.replicas + maxSurge(deployment);
  const before = maxReplicasOf(rs) || deployment.status?.replicas || 0;
  if (before === 0) return 0;
  return roundHalfAway((rs.spec.replicas * max) / before) - rs.spec.replicas;
}

const roundHalfAway = (value: number): number => Math.sign(value) * Math.floor(Math.abs(value) + 0.5);
