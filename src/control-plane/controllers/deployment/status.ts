/** What a Deployment says of itself: counts, and the conditions Available, Progressing and ReplicaFailure with upstream's words. */
import type { Deployment, DeploymentCondition, DeploymentStatus, ReplicaSet } from '#api/generated/schema.ts';
import { millisOf, timestampOf } from '#api/machinery/timestamp.ts';
import { withoutZeros } from '../counts.ts';
import { actualPods, availablePods, maxUnavailable, readyPods, terminatingPods, wantedPods } from './sizes.ts';

export type ConditionType = 'Available' | 'Progressing' | 'ReplicaFailure';

export interface NewCondition {
  type: ConditionType;
  status: 'True' | 'False' | 'Unknown';
  reason: string;
  message: string;
}

const NO_DEADLINE = 2_147_483_647;

export const hasDeadline = ({ spec }: Deployment): boolean => spec.progressDeadlineSeconds !== NO_DEADLINE;

export const conditionOf = (
  status: DeploymentStatus | undefined,
  type: ConditionType,
): DeploymentCondition | undefined => status?.conditions?.find((condition) => condition.type === type);

export const progressing = (
  reason: string,
  message: string,
  status: NewCondition['status'] = 'True',
): NewCondition => ({ type: 'Progressing', status, reason, message });

/** One of the same status and reason stays as it is; one of the same status keeps the time of its transition. */
export function withCondition(status: DeploymentStatus, condition: NewCondition, nowMs: number): DeploymentStatus {
  const known = conditionOf(status, condition.type);
  if (known?.status === condition.status && known.reason === condition.reason) return status;
  const now = timestampOf(nowMs);
  const lastTransitionTime = known?.status === condition.status ? (known.lastTransitionTime ?? now) : now;
  return {
    ...status,
    conditions: [...without(status, condition.type), { ...condition, lastUpdateTime: now, lastTransitionTime }],
  };
}

const without = ({ conditions = [] }: DeploymentStatus, type: ConditionType): DeploymentCondition[] =>
  conditions.filter((condition) => condition.type !== type);

export interface Sets {
  newRs: ReplicaSet | undefined;
  old: readonly ReplicaSet[];
}

/** Counts and availability. */
export function countedStatus(deployment: Deployment, { newRs, old }: Sets, nowMs: number): DeploymentStatus {
  const all = newRs ? [...old, newRs] : old;
  const available = availablePods(all);
  const { collisionCount, conditions } = deployment.status ?? {};
  const { generation } = deployment.metadata;
  const status: DeploymentStatus = Object.assign(
    {},
    generation !== undefined && { observedGeneration: generation },
    withoutZeros({
      replicas: actualPods(all),
      updatedReplicas: actualPods(newRs ? [newRs] : []),
      readyReplicas: readyPods(all),
      availableReplicas: available,
      unavailableReplicas: Math.max(0, wantedPods(all) - available),
    }),
    { terminatingReplicas: terminatingPods(all) },
    collisionCount !== undefined && { collisionCount },
    conditions && { conditions },
  );
  const isAvailable = available >= deployment.spec.replicas - maxUnavailable(deployment);
  return withCondition(status, isAvailable ? AVAILABLE : UNAVAILABLE, nowMs);
}

const AVAILABLE: NewCondition = {
  type: 'Available',
  status: 'True',
  reason: 'MinimumReplicasAvailable',
  message: 'Deployment has minimum availability.',
};
const UNAVAILABLE: NewCondition = {
  type: 'Available',
  status: 'False',
  reason: 'MinimumReplicasUnavailable',
  message: 'Deployment does not have minimum availability.',
};

/** Every pod is of the new template, all are available, and the spec is the one that was looked at. */
export function isComplete({ spec, metadata }: Deployment, status: DeploymentStatus | undefined): boolean {
  const { updatedReplicas = 0, replicas = 0, availableReplicas = 0, observedGeneration = 0 } = status ?? {};
  return (
    updatedReplicas === spec.replicas &&
    replicas === spec.replicas &&
    availableReplicas === spec.replicas &&
    observedGeneration >= (metadata.generation ?? 0)
  );
}

function hasProgressed(before: DeploymentStatus, now: DeploymentStatus): boolean {
  const oldOnes = ({ replicas = 0, updatedReplicas = 0 }: DeploymentStatus) => replicas - updatedReplicas;
  return (
    (now.updatedReplicas ?? 0) > (before.updatedReplicas ?? 0) ||
    oldOnes(now) < oldOnes(before) ||
    (now.readyReplicas ?? 0) > (before.readyReplicas ?? 0) ||
    (now.availableReplicas ?? 0) > (before.availableReplicas ?? 0)
  );
}

function hasTimedOut(deployment: Deployment, nowMs: number): boolean {
  const condition = conditionOf(deployment.status, 'Progressing');
  if (!condition || condition.reason === 'NewReplicaSetAvailable') return false;
  if (condition.reason === 'ProgressDeadlineExceeded') return true;
  const fromMs = millisOf(condition.lastUpdateTime) ?? nowMs;
  return fromMs + deployment.spec.progressDeadlineSeconds * 1000 < nowMs;
}

/** The status after a step of a rollout: how far it has come, whether it still moves, what failed. */
export function rolloutStatus(deployment: Deployment, sets: Sets, nowMs: number): DeploymentStatus {
  const counted = countedStatus(deployment, sets, nowMs);
  const withProgress = hasDeadline(deployment)
    ? progressStatus(deployment, counted, { sets, nowMs })
    : { ...counted, conditions: without(counted, 'Progressing') };
  const failure = failureOf(sets);
  if (failure) return withCondition(withProgress, failure, nowMs);
  return { ...withProgress, conditions: without(withProgress, 'ReplicaFailure') };
}

function progressStatus(
  deployment: Deployment,
  status: DeploymentStatus,
  { sets, nowMs }: { sets: Sets; nowMs: number },
): DeploymentStatus {
  const known = conditionOf(deployment.status, 'Progressing');
  const wasComplete = status.replicas === status.updatedReplicas && known?.reason === 'NewReplicaSetAvailable';
  if (wasComplete) return status;
  const who = sets.newRs ? `ReplicaSet "${sets.newRs.metadata.name}"` : `Deployment "${deployment.metadata.name}"`;
  if (isComplete(deployment, status))
    return withCondition(status, progressing('NewReplicaSetAvailable', `${who} has successfully progressed.`), nowMs);
  if (hasProgressed(deployment.status ?? {}, status)) return withUpdate(status, `${who} is progressing.`, nowMs);
  if (!hasTimedOut(deployment, nowMs)) return status;
  const late = progressing('ProgressDeadlineExceeded', `${who} has timed out progressing.`, 'False');
  return withCondition(status, late, nowMs);
}

/** Progress renews the condition's time even when nothing else in it changes: the deadline counts from there. */
function withUpdate(status: DeploymentStatus, message: string, nowMs: number): DeploymentStatus {
  const known = conditionOf(status, 'Progressing');
  const now = timestampOf(nowMs);
  const lastTransitionTime = known?.status === 'True' ? (known.lastTransitionTime ?? now) : now;
  const condition = { ...progressing('ReplicaSetUpdated', message), lastUpdateTime: now, lastTransitionTime };
  return { ...status, conditions: [...without(status, 'Progressing'), condition] };
}

function failureOf({ newRs, old }: Sets): NewCondition | undefined {
  const failureIn = (rs: ReplicaSet) => rs.status?.conditions?.find(({ type }) => type === 'ReplicaFailure');
  const found = (newRs && failureIn(newRs)) ?? old.map(failureIn).find(Boolean);
  if (!found) return undefined;
  const { status, reason = '', message = '' } = found;
  return { type: 'ReplicaFailure', status: status as NewCondition['status'], reason, message };
}

/** When a rollout that does not move will be late, in ms from now; undefined when it cannot be. */
export function lateInMs(deployment: Deployment, status: DeploymentStatus, nowMs: number): number | undefined {
  const condition = conditionOf(status, 'Progressing');
  if (!hasDeadline(deployment) || !condition) return undefined;
  if (isComplete(deployment, status) || condition.reason === 'ProgressDeadlineExceeded') return undefined;
  const sinceMs = millisOf(condition.lastUpdateTime) ?? nowMs;
  // One second more than the deadline: the comparison is in whole seconds.
  return Math.max(1000, sinceMs + deployment.spec.progressDeadlineSeconds * 1000 - nowMs + 1000);
}
