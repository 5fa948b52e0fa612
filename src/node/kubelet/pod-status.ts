/**
 * A pod's status from what the runtime has of it. Pure. Phases, reasons and texts are upstream's: clients match them.
 * Source: API reference, PodStatus; "Pod Lifecycle".
 */
import { qosClassOf } from '#api/core/v1/pod-qos.ts';
import { podRequests } from '#api/core/v1/pod-resources.ts';
import type { Container, ContainerStatus, PodCondition, PodStatus, ResourceStatus } from '#api/generated/schema.ts';
import { timestampOf } from '#api/machinery/timestamp.ts';
import { containerStatusOf, type ContainerStatusInputs } from './container-status.ts';
import { OWN_CONDITIONS, podConditions } from './pod-conditions.ts';
import { ephemeralContainers, initContainers } from './pod-containers.ts';
import type { PodNote } from './pod-notes.ts';
import { phaseOf } from './pod-phase.ts';
import { isRestartingAll } from './restart-all.ts';

export interface StatusInputs extends ContainerStatusInputs {
  nowMs: number;
  hostIPs: readonly string[];
  /** `ended` is set when the kubelet itself ended the pod: `Evicted`, `DeadlineExceeded`, … */
  note: Pick<PodNote, 'ended' | 'resizePending' | 'resizing'>;
  /** How well the devices of a container are. */
  devicesOf(container: Container): readonly ResourceStatus[];
}

export function podStatusOf(inputs: StatusInputs): PodStatus {
  const { pod, now, nowMs, hostIPs } = inputs;
  const old = pod.status;
  const before = (name: string, list: ContainerStatus[] | undefined) => list?.find((status) => status.name === name);
  const init = initContainers(pod).map((container) =>
    containerStatusOf(container, before(container.name, old?.initContainerStatuses), inputs),
  );
  const regular = pod.spec.containers.map((container) => {
    const status = containerStatusOf(container, before(container.name, old?.containerStatuses), inputs);
    const devices = inputs.devicesOf(container);
    return devices.length > 0 ? { ...status, allocatedResourcesStatus: [...devices] } : status;
  });
  const ephemeral = ephemeralContainers(pod).map((container) =>
    containerStatusOf(container, before(container.name, old?.ephemeralContainerStatuses), inputs),
  );
  const { ended } = inputs.note;
  const phase = ended ? 'Failed' : phaseOf(pod, { init, regular, isTerminal: inputs.isTerminal });
  const ips = pod.spec.hostNetwork ? [...hostIPs] : (now.sandboxes[0]?.ips ?? []);
  const hasSandbox = now.sandboxes[0]?.state === 'SANDBOX_READY' && ips.length > 0;
  const isRestarting = now.containers.length > 0 && isRestartingAll(pod, now);
  const own: PodCondition[] = podConditions({ pod, phase, init, regular, hasSandbox, isRestarting, note: inputs.note });
  return {
    ...(pod.metadata.generation !== undefined && { observedGeneration: pod.metadata.generation }),
    phase,
    conditions: mergeConditions(old?.conditions ?? [], own, timestampOf(nowMs)),
    ...(ended ? { reason: ended.reason, message: ended.message } : endedBefore(old)),
    ...(hostIPs[0] && { hostIP: hostIPs[0], hostIPs: hostIPs.map((ip) => ({ ip })) }),
    ...(ips[0] ? { podIP: ips[0], podIPs: ips.map((ip) => ({ ip })) } : keptIPs(old)),
    startTime: old?.startTime ?? timestampOf(nowMs),
    ...(init.length > 0 && { initContainerStatuses: init }),
    containerStatuses: regular,
    ...(ephemeral.length > 0 && { ephemeralContainerStatuses: ephemeral }),
    qosClass: old?.qosClass ?? qosClassOf(pod),
    ...(pod.spec.resources && {
      allocatedResources: podRequests(pod.spec),
      resources: inputs.actuated?.pod ?? pod.spec.resources,
    }),
  };
}

/** Addresses stay readable after the sandbox has gone. */
const keptIPs = (old: PodStatus | undefined): Partial<PodStatus> =>
  old?.podIP ? { podIP: old.podIP, podIPs: old.podIPs } : {};
const endedBefore = (old: PodStatus | undefined): Partial<PodStatus> =>
  old?.phase === 'Failed' && old.reason ? { reason: old.reason, message: old.message } : {};

function mergeConditions(old: PodCondition[], own: PodCondition[], now: string): PodCondition[] {
  const dated = own.map((condition) => {
    const before = old.find(({ type }) => type === condition.type);
    const changed = before?.status !== condition.status;
    const at = changed ? now : before?.lastTransitionTime;
    return { ...condition, ...(at && { lastTransitionTime: at }) };
  });
  return [
    ...dated,
    ...old.filter(({ type }) => !OWN_CONDITIONS.has(type) && !own.some((condition) => condition.type === type)),
  ];
}
