/** Which pods a ReplicaSet or a ReplicationController makes, which it gives up first, and what it says of them. Source: replica_set_utils, controller_utils. */

import { conditionOf, isAvailable, isReady } from '#api/core/v1/pod-conditions.ts';
import type { Pod, PodTemplateSpec, ReplicaSetCondition, ReplicationControllerStatus } from '#api/generated/schema.ts';
import { matchesLabels, selectorOfLabels } from '#api/machinery/label-selector.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { millisOf, timestampOf } from '#api/machinery/timestamp.ts';
import type { Draft } from '#client/client.ts';
import { controllerReferenceTo } from './claim.ts';
import { withoutZeros } from './counts.ts';

export function podFromTemplate(owner: KubeObject & { spec: { template: PodTemplateSpec } }): Draft<Pod> {
  const { template } = owner.spec;
  const { labels, annotations, finalizers } = template.metadata ?? {};
  const { name, namespace } = owner.metadata;
  return {
    metadata: {
      generateName: `${name}-`,
      ...(namespace && { namespace }),
      ...(labels && { labels }),
      ...(annotations && { annotations }),
      ...(finalizers && { finalizers }),
      ownerReferences: [controllerReferenceTo(owner)],
    },
    spec: template.spec,
  };
}

const DELETION_COST = 'controller.kubernetes.io/pod-deletion-cost';
const PHASE_VALUE: Readonly<Record<string, number>> = { Pending: 0, Unknown: 1, Running: 2 };

/**
 * The `count` pods whose loss hurts least. `related` are the active pods of all ReplicaSets of the same owner: where more
 * of them share a node, one is missed less.
 */
export function leastValuable(pods: readonly Pod[], count: number, related: readonly Pod[], nowMs: number): Pod[] {
  if (count >= pods.length) return [...pods];
  const onNode = new Map<string, number>();
  for (const { spec } of related) if (spec.nodeName) onNode.set(spec.nodeName, (onNode.get(spec.nodeName) ?? 0) + 1);
  const ranked = pods.map((pod) => ({ pod, value: rankOf(pod, onNode, nowMs) }));
  ranked.sort((a, b) => compare(a.value, b.value));
  return ranked.slice(0, count).map(({ pod }) => pod);
}

/** What is compared, most important first; the lower goes first. Source: ActivePodsWithRanks. */
function rankOf(pod: Pod, onNode: ReadonlyMap<string, number>, nowMs: number): number[] {
  const { spec, status, metadata } = pod;
  const ready = isReady(pod);
  const readyMs = ready ? millisOf(conditionOf(pod, 'Ready')?.lastTransitionTime) : undefined;
  return [
    spec.nodeName ? 1 : 0,
    PHASE_VALUE[status?.phase ?? 'Pending'] ?? 0,
    ready ? 1 : 0,
    deletionCostOf(pod),
    -(spec.nodeName ? (onNode.get(spec.nodeName) ?? 0) : 0),
    readyMs === undefined ? 0 : ageClass(nowMs - readyMs),
    -Math.max(0, ...(status?.containerStatuses ?? []).map(({ restartCount }) => restartCount ?? 0)),
    ageClass(nowMs - (millisOf(metadata.creationTimestamp) ?? nowMs)),
  ];
}

/** Ages count by their order of magnitude, so that among pods of about one age the choice is not always the youngest. */
const ageClass = (ms: number): number => (ms <= 0 ? 0 : Math.floor(Math.log2(ms / 1000 + 1)));

function deletionCostOf({ metadata }: Pod): number {
  const cost = Number(metadata.annotations?.[DELETION_COST] ?? 0);
  return Number.isInteger(cost) ? cost : 0;
}

function compare(a: readonly number[], b: readonly number[]): number {
  const at = a.findIndex((value, index) => value !== b[index]);
  return at < 0 ? 0 : (a[at] ?? 0) - (b[at] ?? 0);
}

export interface ReplicaFailure {
  reason: 'FailedCreate' | 'FailedDelete';
  message: string;
}

type Owner = KubeObject & {
  spec: { minReadySeconds?: number; template: PodTemplateSpec };
  status?: { conditions?: ReplicaSetCondition[] };
};
interface Counted {
  /** Those that it controls. */
  active: readonly Pod[];
  failure: ReplicaFailure | undefined;
  nowMs: number;
}

/** What both kinds' statuses have. */
export function replicaStatusOf(owner: Owner, { active, failure, nowMs }: Counted): ReplicationControllerStatus {
  const conditions = conditionsOf(owner, failure, nowMs);
  return {
    replicas: active.length,
    ...withoutZeros(countsOf(owner, active, nowMs)),
    ...(owner.metadata.generation !== undefined && { observedGeneration: owner.metadata.generation }),
    ...(conditions.length > 0 && { conditions }),
  };
}

/** In one pass: there may be thousands, and they are counted anew whenever some have changed. */
function countsOf({ spec }: Owner, active: readonly Pod[], nowMs: number) {
  const template = selectorOfLabels(spec.template.metadata?.labels ?? {});
  const minReadySeconds = spec.minReadySeconds ?? 0;
  let fullyLabeledReplicas = 0;
  let readyReplicas = 0;
  let availableReplicas = 0;
  for (const pod of active) {
    if (matchesLabels(template, pod.metadata.labels)) fullyLabeledReplicas++;
    if (!isReady(pod)) continue;
    readyReplicas++;
    if (minReadySeconds === 0 || isAvailable(pod, minReadySeconds, nowMs)) availableReplicas++;
  }
  return { fullyLabeledReplicas, readyReplicas, availableReplicas };
}

function conditionsOf(owner: Owner, failure: ReplicaFailure | undefined, nowMs: number): ReplicaSetCondition[] {
  const current = owner.status?.conditions ?? [];
  if (!failure) return current.filter(({ type }) => type !== 'ReplicaFailure');
  if (current.some(({ type }) => type === 'ReplicaFailure')) return current; // the first reason stays, as upstream has it
  return [...current, { type: 'ReplicaFailure', status: 'True', lastTransitionTime: timestampOf(nowMs), ...failure }];
}

/** When the next ready pod becomes available by itself, in ms from now; undefined when none will. */
export function nextAvailableInMs(active: readonly Pod[], minReadySeconds: number, nowMs: number): number | undefined {
  if (minReadySeconds === 0) return undefined; // ready is available
  const waiting = active
    .filter((pod) => isReady(pod) && !isAvailable(pod, minReadySeconds, nowMs))
    .map((pod) => (millisOf(conditionOf(pod, 'Ready')?.lastTransitionTime) ?? nowMs) + minReadySeconds * 1000 - nowMs);
  return waiting.length > 0 ? Math.max(1, Math.min(...waiting)) : undefined;
}
