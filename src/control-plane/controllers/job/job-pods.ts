/** The pods of a Job: how they are made, and what each of them counts as. Source: "Jobs"; KEP-2214, KEP-3850, KEP-3939. */

import { conditionOf, isRestartableInit, isTerminal } from '#api/core/v1/pod-conditions.ts';
import type { EnvVar, Job, Pod } from '#api/generated/schema.ts';
import { millisOf } from '#api/machinery/timestamp.ts';
import type { Draft } from '#client/client.ts';
import { podFromTemplate } from '../replica-set-pods.ts';

/** Keeps a pod until its end has been counted. */
export const TRACKING_FINALIZER = 'batch.kubernetes.io/job-tracking';
export const JOB_NAME_LABEL = 'batch.kubernetes.io/job-name';
const INDEX = 'batch.kubernetes.io/job-completion-index';
const FAILURE_COUNT = 'batch.kubernetes.io/job-index-failure-count';
/** What a generateName keeps: its end must not be cut off. */
const LONGEST_PREFIX = 58;
const IGNORED_FAILURE_COUNT = 'batch.kubernetes.io/job-index-ignored-failure-count';

export const isIndexed = ({ spec }: Job): boolean => spec.completionMode === 'Indexed';
export const countsPerIndex = ({ spec }: Job): boolean => spec.backoffLimitPerIndex !== undefined;
export const isTracked = ({ metadata }: Pod): boolean => metadata.finalizers?.includes(TRACKING_FINALIZER) ?? false;

/** undefined when it has none, or one that is none of the Job's. */
export function indexOf({ metadata }: Pod, { spec }: Job): number | undefined {
  const index = Number(metadata.annotations?.[INDEX] ?? Number.NaN);
  return Number.isInteger(index) && index >= 0 && index < (spec.completions ?? 0) ? index : undefined;
}

/** How often its index had failed before: those that count towards the limit, and those that a policy ignored. */
export interface IndexFailures {
  counted: number;
  ignored: number;
}
export const failuresBefore = ({ metadata }: Pod): IndexFailures => ({
  counted: countIn(metadata.annotations?.[FAILURE_COUNT]),
  ignored: countIn(metadata.annotations?.[IGNORED_FAILURE_COUNT]),
});

/** What a user wrote over it does not count. */
const countIn = (text = ''): number => (/^\d{1,9}$/.test(text) ? Number(text) : 0);

export const isSucceeded = ({ status }: Pod): boolean => status?.phase === 'Succeeded';

/** It counts as failed. Unless the Job replaces only what has ended, a pod fails when it begins to go. */
export function isFailed(pod: Pod, { spec }: Job): boolean {
  if (pod.status?.phase === 'Failed') return true;
  if (spec.podReplacementPolicy === 'Failed') return false;
  return pod.metadata.deletionTimestamp !== undefined && !isSucceeded(pod);
}

export const isTerminating = (pod: Pod): boolean => pod.metadata.deletionTimestamp !== undefined && !isTerminal(pod);

/** When it ended, in ms: by its containers when all have ended, else by what else is known of its end. */
export function endedAtMs(pod: Pod): number {
  const { deletionTimestamp, deletionGracePeriodSeconds = 0, creationTimestamp } = pod.metadata;
  const ready = conditionOf(pod, 'Ready');
  const deletedMs = millisOf(deletionTimestamp);
  return (
    containersEndedMs(pod) ??
    (ready?.status === 'False' ? millisOf(ready.lastTransitionTime) : undefined) ??
    (deletedMs === undefined ? undefined : deletedMs - deletionGracePeriodSeconds * 1000) ??
    millisOf(creationTimestamp) ??
    0
  );
}

/** Sidecars end after the others. */
function containersEndedMs({ spec, status }: Pod): number | undefined {
  const isSidecar = (name: string) =>
    spec.initContainers?.some((container) => container.name === name && isRestartableInit(container));
  const sidecars = (status?.initContainerStatuses ?? []).filter(({ name }) => isSidecar(name));
  const ends = [...(status?.containerStatuses ?? []), ...sidecars].map(({ state }) =>
    millisOf(state?.terminated?.finishedAt),
  );
  if (ends.length === 0 || ends.some((ms) => !ms)) return undefined;
  return Math.max(...ends.map((ms) => ms ?? 0));
}

/** For an index of an Indexed Job, with what its predecessors went through. */
export function podOf(job: Job, index?: number, failures?: IndexFailures): Draft<Pod> {
  const pod = podFromTemplate(job);
  const { metadata } = pod;
  const finalizers = [...new Set([...(metadata.finalizers ?? []), TRACKING_FINALIZER])];
  const tracked = Object.assign({}, metadata, { finalizers });
  if (index === undefined) return { ...pod, metadata: tracked };
  const counts = failures && {
    [FAILURE_COUNT]: `${failures.counted}`,
    ...(failures.ignored > 0 && { [IGNORED_FAILURE_COUNT]: `${failures.ignored}` }),
  };
  const { containers, initContainers } = pod.spec;
  const suffix = `-${index}-`;
  return {
    metadata: {
      ...tracked,
      generateName: `${job.metadata.name.slice(0, LONGEST_PREFIX - suffix.length)}${suffix}`,
      labels: { ...tracked.labels, [INDEX]: `${index}` },
      annotations: { ...tracked.annotations, [INDEX]: `${index}`, ...counts },
    },
    spec: {
      ...pod.spec,
      hostname: `${job.metadata.name}-${index}`,
      containers: containers.map(withIndex),
      ...(initContainers && { initContainers: initContainers.map(withIndex) }),
    },
  };
}

const INDEX_VARIABLE: EnvVar = {
  name: 'JOB_COMPLETION_INDEX',
  valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: `metadata.labels['${INDEX}']` } },
};

function withIndex<C extends { env?: EnvVar[] }>(container: C): C {
  if (container.env?.some(({ name }) => name === INDEX_VARIABLE.name)) return container;
  return { ...container, env: [...(container.env ?? []), INDEX_VARIABLE] };
}
