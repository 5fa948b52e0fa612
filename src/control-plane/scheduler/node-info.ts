/** A node with the pods that are placed on it, and what they add up to. Immutable: a change makes another one. */
import type { Node } from '#api/core/v1/node.ts';
import { type HostPort, hostPortsOf } from '#api/core/v1/host-ports.ts';
import type { Pod } from '#api/core/v1/pod.ts';
import type { Amounts } from './resources.ts';
import { allocatableOf, assumedRequestsOf, plus, requestsOf } from './resources.ts';

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

const NOTHING: Amounts = new Map();

export function nodeInfoOf(node: Node, pods: readonly Pod[]): NodeInfo {
  return {
    node,
    pods,
    podsWithAffinity: pods.filter(hasAffinity),
    podsWithRequiredAntiAffinity: pods.filter(hasRequiredAntiAffinity),
    allocatable: allocatableOf(node),
    requested: pods.map(requestsOf).reduce(plus, NOTHING),
    assumed: pods.map(assumedRequestsOf).reduce(plus, NOTHING),
    hostPorts: pods.flatMap(hostPortsOf),
  };
}

/** Cheaper than making it anew: only what the pod brings is added. */
export function withPod(info: NodeInfo, pod: Pod): NodeInfo {
  const ports = hostPortsOf(pod);
  return {
    ...info,
    pods: [...info.pods, pod],
    podsWithAffinity: hasAffinity(pod) ? [...info.podsWithAffinity, pod] : info.podsWithAffinity,
    podsWithRequiredAntiAffinity: hasRequiredAntiAffinity(pod)
      ? [...info.podsWithRequiredAntiAffinity, pod]
      : info.podsWithRequiredAntiAffinity,
    requested: plus(info.requested, requestsOf(pod)),
    assumed: plus(info.assumed, assumedRequestsOf(pod)),
    hostPorts: ports.length > 0 ? [...info.hostPorts, ...ports] : info.hostPorts,
  };
}

const hasAffinity = ({ spec: { affinity } }: Pod): boolean =>
  Boolean(affinity?.podAffinity || affinity?.podAntiAffinity);

const hasRequiredAntiAffinity = ({ spec }: Pod): boolean =>
  (spec.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.length ?? 0) > 0;
