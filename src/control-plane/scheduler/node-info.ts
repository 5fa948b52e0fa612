/** A node with the pods that are placed on it, and what they add up to. Immutable: a change makes another one. */
import { type HostPort, hostPortsOf } from '#api/core/v1/host-ports.ts';
import type { Node } from '#api/core/v1/node.ts';
import type { Pod } from '#api/core/v1/pod.ts';
import type { Amounts } from './resources.ts';
import { allocatableOf, assumedRequestsOf, minus, NOTHING, plus, requestsOf } from './resources.ts';

export interface NodeInfo {
  node: Node;
  pods: readonly Pod[];
  /** Those of `pods` with affinity or anti-affinity of any sort, and with required anti-affinity. */
  podsWithAffinity: readonly Pod[];
  podsWithRequiredAntiAffinity: readonly Pod[];
  allocatable: Amounts;
  requested: Amounts;
  /** For scoring; see `assumedRequestsOf`. */
  assumed: Amounts;
  hostPorts: readonly HostPort[];
}

const NONE: readonly never[] = [];

export const nodeInfoOf = (node: Node, pods: readonly Pod[]): NodeInfo =>
  pods.reduce(withPod, {
    node,
    pods: NONE,
    podsWithAffinity: NONE,
    podsWithRequiredAntiAffinity: NONE,
    allocatable: allocatableOf(node),
    requested: NOTHING,
    assumed: NOTHING,
    hostPorts: NONE,
  });

/** The same pods on what the node is now. */
export const withNode = (info: NodeInfo, node: Node): NodeInfo => ({ ...info, node, allocatable: allocatableOf(node) });

/** Only what the pod brings is added. */
export function withPod(info: NodeInfo, pod: Pod): NodeInfo {
  const ports = hostPortsOf(pod);
  return {
    node: info.node,
    pods: [...info.pods, pod],
    podsWithAffinity: hasAffinity(pod) ? [...info.podsWithAffinity, pod] : info.podsWithAffinity,
    podsWithRequiredAntiAffinity: hasRequiredAntiAffinity(pod)
      ? [...info.podsWithRequiredAntiAffinity, pod]
      : info.podsWithRequiredAntiAffinity,
    allocatable: info.allocatable,
    requested: plus(info.requested, requestsOf(pod)),
    assumed: plus(info.assumed, assumedRequestsOf(pod)),
    hostPorts: ports.length > 0 ? [...info.hostPorts, ...ports] : info.hostPorts,
  };
}

/** `pod` is one of `info.pods`. */
export function withoutPod(info: NodeInfo, pod: Pod): NodeInfo {
  const pods = info.pods.filter((each) => each !== pod);
  return {
    node: info.node,
    pods,
    podsWithAffinity: hasAffinity(pod) ? pods.filter(hasAffinity) : info.podsWithAffinity,
    podsWithRequiredAntiAffinity: hasRequiredAntiAffinity(pod)
      ? pods.filter(hasRequiredAntiAffinity)
      : info.podsWithRequiredAntiAffinity,
    allocatable: info.allocatable,
    requested: minus(info.requested, requestsOf(pod)),
    assumed: minus(info.assumed, assumedRequestsOf(pod)),
    hostPorts: info.hostPorts.length > 0 && hostPortsOf(pod).length > 0 ? pods.flatMap(hostPortsOf) : info.hostPorts,
  };
}

/** Counted anew where that is less to do. */
export function withoutPods(info: NodeInfo, gone: readonly Pod[]): NodeInfo {
  if (gone.length * 2 < info.pods.length) return gone.reduce(withoutPod, info);
  return nodeInfoOf(
    info.node,
    info.pods.filter((pod) => !gone.includes(pod)),
  );
}

/** Another state of a pod of which nothing has changed that is added up. */
export function withPodReplaced(info: NodeInfo, before: Pod, now: Pod): NodeInfo {
  const swap = (pods: readonly Pod[]) => pods.map((each) => (each === before ? now : each));
  return {
    ...info,
    pods: swap(info.pods),
    podsWithAffinity: hasAffinity(now) ? swap(info.podsWithAffinity) : info.podsWithAffinity,
    podsWithRequiredAntiAffinity: hasRequiredAntiAffinity(now)
      ? swap(info.podsWithRequiredAntiAffinity)
      : info.podsWithRequiredAntiAffinity,
  };
}

const hasAffinity = ({ spec: { affinity } }: Pod): boolean =>
  Boolean(affinity?.podAffinity || affinity?.podAntiAffinity);

const hasRequiredAntiAffinity = ({ spec }: Pod): boolean =>
  (spec.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.length ?? 0) > 0;
