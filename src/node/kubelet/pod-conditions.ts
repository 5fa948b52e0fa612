/** The conditions of a pod that are the kubelet's to say. Texts are upstream's. */
import type { ContainerStatus, Pod, PodCondition, PodStatus } from '#api/generated/schema.ts';
import { initContainers, isSidecar, sidecars } from './pod-containers.ts';
import type { PodNote } from './pod-notes.ts';
import { restartingAllCondition } from './restart-all.ts';

interface ConditionInputs {
  pod: Pod;
  phase: PodStatus['phase'];
  init: ContainerStatus[];
  regular: ContainerStatus[];
  hasSandbox: boolean;
  /** One has asked for it, and not all are removed yet. */
  isRestarting: boolean;
  note: Pick<PodNote, 'ended' | 'resizePending' | 'resizing'>;
}

/** Those that this kubelet writes; all others are somebody else's and pass through. */
export const OWN_CONDITIONS: ReadonlySet<string> = new Set([
  'PodReadyToStartContainers',
  'Initialized',
  'Ready',
  'ContainersReady',
  'PodScheduled',
  'AllContainersRestarting',
  'PodResizePending',
  'PodResizeInProgress',
]);

type Answer = Pick<PodCondition, 'status' | 'reason' | 'message'>;
const yes: Answer = { status: 'True' };
const no = (reason: string, message?: string): Answer => ({ status: 'False', reason, ...(message && { message }) });

export function podConditions(inputs: ConditionInputs): PodCondition[] {
  const { pod, hasSandbox } = inputs;
  const containersReady = containersReadyOf(inputs);
  const generation = pod.metadata.generation;
  const restarting = restartingAllCondition(pod, inputs);
  const condition = (type: string, answer: Answer): PodCondition => ({
    type,
    ...(generation !== undefined && { observedGeneration: generation }),
    ...answer,
  });
  return [
    condition('PodReadyToStartContainers', { status: hasSandbox ? 'True' : 'False' }),
    condition('Initialized', initializedOf(inputs)),
    condition('Ready', readyOf(inputs, containersReady)),
    condition('ContainersReady', containersReady),
    condition('PodScheduled', yes),
    ...(restarting ? [restarting] : []),
    ...resizeConditions(inputs),
    ...disruptionConditions(inputs),
  ];
}

function disruptionConditions({ pod, note }: ConditionInputs): PodCondition[] {
  const message = note.ended?.disruption;
  if (message === undefined) return [];
  const { generation } = pod.metadata;
  const what = { type: 'DisruptionTarget', status: 'True', reason: 'TerminationByKubelet', message } as const;
  return [{ ...what, ...(generation !== undefined && { observedGeneration: generation }) }];
}

function resizeConditions({ note: { resizePending, resizing } }: ConditionInputs): PodCondition[] {
  const condition = (type: string, { generation, ...why }: NonNullable<PodNote['resizing']>): PodCondition => ({
    type,
    observedGeneration: generation,
    status: 'True',
    ...why,
  });
  return [
    ...(resizePending ? [condition('PodResizePending', resizePending)] : []),
    ...(resizing ? [condition('PodResizeInProgress', resizing)] : []),
  ];
}

const names = (list: { name: string }[]): string => `[${list.map(({ name }) => name).join(' ')}]`;

function initializedOf({ pod, phase, init, regular }: ConditionInputs): Answer {
  if (initContainers(pod).length === 0) return yes;
  const statusOf = (name: string) => init.find((status) => status.name === name);
  const incomplete = initContainers(pod).filter((container) => {
    const status = statusOf(container.name);
    return isSidecar(container) ? !status?.started : !status?.ready;
  });
  if (phase === 'Succeeded') return { ...yes, reason: 'PodCompleted' };
  const mainEverRan = regular.some(
    ({ state, lastState }) => state?.running || state?.terminated || lastState?.terminated,
  );
  if (incomplete.length === 0 || mainEverRan) return yes;
  return no('ContainersNotInitialized', `containers with incomplete status: ${names(incomplete)}`);
}

function containersReadyOf({ pod, phase, init, regular }: ConditionInputs): Answer {
  if (phase === 'Succeeded') return no('PodCompleted');
  const needed = [...sidecars(pod), ...pod.spec.containers];
  const unready = needed.filter(
    ({ name }) => ![...init, ...regular].some((status) => status.name === name && status.ready),
  );
  if (phase === 'Failed') return no('PodFailed');
  return unready.length === 0 ? yes : no('ContainersNotReady', `containers with unready status: ${names(unready)}`);
}

function readyOf({ pod }: ConditionInputs, containersReady: Answer): Answer {
  if (containersReady.status !== 'True') return containersReady;
  const messages = (pod.spec.readinessGates ?? []).flatMap(({ conditionType }) => {
    const condition = pod.status?.conditions?.find(({ type }) => type === conditionType);
    if (!condition) return [`corresponding condition of pod readiness gate "${conditionType}" does not exist.`];
    if (condition.status === 'True') return [];
    return [`the status of pod readiness gate "${conditionType}" is not "True", but ${condition.status}`];
  });
  return messages.length === 0 ? yes : no('ReadinessGatesNotReady', messages.join(', '));
}
