/**
 * How many pods a metric asks for. Amounts are thousandths. Source: "Horizontal Pod Autoscaling", algorithm details; rounding
 * as upstream's pkg/controller/podautoscaler/replica_calculator.go.
 */

import { conditionOf, isReady } from '#api/core/v1/pod-conditions.ts';
import type { Pod } from '#api/generated/schema.ts';
import { millisOf } from '#api/machinery/timestamp.ts';
import { NoProposal } from './no-proposal.ts';
import { requestsOf } from './pod-requests.ts';

export interface PodMetric {
  value: number;
  timestampMs: number;
  /** The span of time that the value was gathered over. */
  windowMs: number;
}
/** By pod name. */
export type PodMetrics = ReadonlyMap<string, PodMetric>;

export interface Proposal {
  replicas: number;
  /** What the metric is now: an average over the pods, or the whole. */
  usage: number;
  /** In percent of what the pods asked for. */
  utilization?: number;
}

/** Shares by which usage may differ from the target without consequence. */
export interface Tolerances {
  down: number;
  up: number;
}

export interface Situation {
  pods: readonly Pod[];
  currentReplicas: number;
  tolerances: Tolerances;
  nowMs: number;
}

const CPU_INITIALIZATION_MS = 5 * 60_000;
const INITIAL_READINESS_DELAY_MS = 30_000;
export const MOST_REPLICAS = 2 ** 31 - 1;

const isWithin = ({ down, up }: Tolerances, ratio: number): boolean => 1 - down <= ratio && ratio <= 1 + up;
/** Whole replicas, within what an int32 can say. */
const wholeReplicas = (replicas: number): number => Math.min(MOST_REPLICAS, Math.ceil(replicas));

/** Towards a share of what pods, or one container of them, ask for. */
export function utilizationProposal(
  { resource, container, percent }: { resource: string; container?: string; percent: number },
  metrics: PodMetrics,
  situation: Situation,
): Proposal {
  const groups = groupsOf(metrics, resource, situation);
  const requests = requestsOf(situation.pods, resource, container);
  const measure = (values: PodValues) => utilizationOf(values, requests, percent);
  const { ratio, usage, utilization } = measure(groups.values);
  const whenMissing = (name: string) => Math.trunc(((requests.get(name) ?? 0) * Math.max(100, percent)) / 100);
  const replicas = replicasFor(ratio, groups, { whenMissing, ratioOf: (values) => measure(values).ratio, situation });
  return { replicas, usage, utilization };
}

/** Towards an average per pod. `resource` is absent for what is no resource: readiness does not matter to it. */
export function averageProposal(
  { resource = '', average }: { resource?: string; average: number },
  metrics: PodMetrics,
  situation: Situation,
): Proposal {
  const groups = groupsOf(metrics, resource, situation);
  const usage = averageOf(groups.values);
  const ratioOf = (values: PodValues) => averageOf(values) / average;
  const replicas = replicasFor(usage / average, groups, { whenMissing: () => average, ratioOf, situation });
  return { replicas, usage };
}

/** Towards one value for all pods together. From zero, the ratio alone says how many. */
export function valueProposal(value: number, target: number, situation: Situation): Proposal {
  const { currentReplicas, tolerances, pods } = situation;
  const ratio = value / target;
  if (currentReplicas === 0) return { replicas: wholeReplicas(ratio), usage: value };
  if (isWithin(tolerances, ratio)) return { replicas: currentReplicas, usage: value };
  if (pods.length === 0)
    throw new NoProposal(
      'unable to calculate ready pods: no pods returned by selector while calculating replica count',
    );
  const ready = pods.filter((pod) => pod.status?.phase === 'Running' && isReady(pod)).length;
  return { replicas: wholeReplicas(ratio * ready), usage: value };
}

/** Towards a share per pod of one value. `currentReplicas` are those that there are. */
export function shareProposal(
  value: number,
  target: number,
  { currentReplicas, tolerances }: Pick<Situation, 'currentReplicas' | 'tolerances'>,
): Proposal {
  const replicas = isWithin(tolerances, value / (target * currentReplicas))
    ? currentReplicas
    : wholeReplicas(value / target);
  return { replicas, usage: currentReplicas === 0 ? 0 : Math.ceil(value / currentReplicas) };
}

type PodValues = ReadonlyMap<string, number>;

interface Groups {
  /** Of pods that count. */
  values: PodValues;
  ready: number;
  unready: readonly string[];
  missing: readonly string[];
}

function groupsOf(metrics: PodMetrics, resource: string, { pods, nowMs }: Situation): Groups {
  if (pods.length === 0) throw new NoProposal('no pods returned by selector while calculating replica count');
  const values = new Map([...metrics].map(([name, { value }]) => [name, value]));
  const unready: string[] = [];
  const missing: string[] = [];
  let ready = 0;
  for (const pod of pods) {
    const { name, deletionTimestamp } = pod.metadata;
    const metric = metrics.get(name);
    if (deletionTimestamp || pod.status?.phase === 'Failed') values.delete(name);
    else if (pod.status?.phase === 'Pending') unready.push(name);
    else if (!metric) missing.push(name);
    else if (resource === 'cpu' && isStarting(pod, metric, nowMs)) unready.push(name);
    else ready += 1;
  }
  for (const name of unready) values.delete(name);
  if (values.size === 0) throw new NoProposal('did not receive metrics for targeted pods (pods might be unready)');
  return { values, ready, unready, missing };
}

/** What a pod uses while it starts says nothing about its load. */
function isStarting(pod: Pod, { timestampMs, windowMs }: PodMetric, nowMs: number): boolean {
  const condition = conditionOf(pod, 'Ready');
  const startedMs = millisOf(pod.status?.startTime);
  if (!condition || startedMs === undefined) return true;
  const isUnready = condition.status === 'False';
  const changedMs = millisOf(condition.lastTransitionTime) ?? 0;
  if (startedMs + CPU_INITIALIZATION_MS > nowMs) return isUnready || timestampMs < changedMs + windowMs;
  return isUnready && startedMs + INITIAL_READINESS_DELAY_MS > changedMs;
}

interface Measure {
  /** What a pod without a metric is taken to use when the others use less than they should. */
  whenMissing(name: string): number;
  ratioOf(values: PodValues): number;
  situation: Situation;
}

/** Pods that are not known are taken to use what makes the change smaller. */
function replicasFor(ratio: number, groups: Groups, { whenMissing, ratioOf, situation }: Measure): number {
  const { values, ready, unready, missing } = groups;
  const { currentReplicas, tolerances } = situation;
  const countsUnready = unready.length > 0 && ratio > 1;
  if (!countsUnready && missing.length === 0)
    return isWithin(tolerances, ratio) ? currentReplicas : wholeReplicas(ratio * ready);
  const assumed = new Map(values);
  if (ratio !== 1) for (const name of missing) assumed.set(name, ratio < 1 ? whenMissing(name) : 0);
  if (countsUnready) for (const name of unready) assumed.set(name, 0);
  const newRatio = ratioOf(assumed);
  const turns = (ratio < 1 && newRatio > 1) || (ratio > 1 && newRatio < 1);
  if (isWithin(tolerances, newRatio) || turns) return currentReplicas;
  const replicas = wholeReplicas(newRatio * assumed.size);
  const contradicts = (newRatio < 1 && replicas > currentReplicas) || (newRatio > 1 && replicas < currentReplicas);
  return contradicts ? currentReplicas : replicas;
}

const sumOf = (values: Iterable<number>): number => [...values].reduce((sum, value) => sum + value, 0);
const averageOf = (values: PodValues): number => Math.trunc(sumOf(values.values()) / values.size);

function utilizationOf(values: PodValues, requests: ReadonlyMap<string, number>, percent: number) {
  const known = [...values].filter(([name]) => requests.has(name));
  const asked = sumOf(known.map(([name]) => requests.get(name) ?? 0));
  if (asked === 0) throw new NoProposal('no metrics returned matched known pods');
  const used = sumOf(known.map(([, value]) => value));
  const utilization = Math.trunc((used * 100) / asked);
  return { ratio: utilization / percent, utilization, usage: Math.trunc(used / known.length) };
}
