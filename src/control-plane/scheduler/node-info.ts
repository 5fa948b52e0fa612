/** A node with the pods that are placed on it, and what they add up to. Immutable: a change makes another one. */
import { type HostPort, hostPortsOf } from '#api/core/v1/host-ports.ts';
import type { Node } from '#api/core/v1/node.ts';
import type { Pod } from '#api/core/v1/pod.ts';
import { PodList } from './pod-list.ts';
import type { Amounts } from './resources.ts';
import { allocatableOf, assumedRequestsOf, minus, NOTHING, plus, requestsOf } from './resources.ts';

interface Parts {
  node: Node;
  pods: PodList;
  affine: PodList;
  shy: PodList;
  requested: Amounts;
  assumed: Amounts;
  hostPorts: readonly HostPort[];
}

export class NodeInfo {
  readonly node: Node;
  readonly allocatable: Amounts;
  readonly requested: Amounts;
  /** For scoring; see `assumedRequestsOf`. */
  readonly assumed: Amounts;
  readonly hostPorts: readonly HostPort[];
  readonly podCount: number;
  readonly #parts: Parts;

  private constructor(parts: Parts) {
    this.node = parts.node;
    this.allocatable = allocatableOf(parts.node);
    this.requested = parts.requested;
    this.assumed = parts.assumed;
    this.hostPorts = parts.hostPorts;
    this.podCount = parts.pods.length;
    this.#parts = parts;
  }

  static of(node: Node, pods: readonly Pod[]): NodeInfo {
    const { empty } = PodList;
    const parts = {
      node,
      pods: empty,
      affine: empty,
      shy: empty,
      requested: NOTHING,
      assumed: NOTHING,
      hostPorts: NONE,
    };
    return pods.reduce((info, pod) => info.withPod(pod), new NodeInfo(parts));
  }

  get pods(): readonly Pod[] {
    return this.#parts.pods.toArray();
  }

  /** Those of `pods` with affinity or anti-affinity of any sort. */
  get podsWithAffinity(): readonly Pod[] {
    return this.#parts.affine.toArray();
  }

  get podsWithRequiredAntiAffinity(): readonly Pod[] {
    return this.#parts.shy.toArray();
  }

  /** The same pods on what the node is now. */
  withNode(node: Node): NodeInfo {
    return new NodeInfo({ ...this.#parts, node });
  }

  /** Only what the pod brings is added. */
  withPod(pod: Pod): NodeInfo {
    const { node, pods, affine, shy, hostPorts } = this.#parts;
    const ports = hostPortsOf(pod);
    return new NodeInfo({
      node,
      pods: pods.with(pod),
      affine: hasAffinity(pod) ? affine.with(pod) : affine,
      shy: hasRequiredAntiAffinity(pod) ? shy.with(pod) : shy,
      requested: plus(this.requested, requestsOf(pod)),
      assumed: plus(this.assumed, assumedRequestsOf(pod)),
      hostPorts: ports.length > 0 ? [...hostPorts, ...ports] : hostPorts,
    });
  }

  /** `pod` is one of `pods`. */
  withoutPod(pod: Pod): NodeInfo {
    const { node, affine, shy, hostPorts } = this.#parts;
    const pods = this.#parts.pods.without(pod);
    const tookPorts = hostPorts.length > 0 && hostPortsOf(pod).length > 0;
    return new NodeInfo({
      node,
      pods,
      affine: hasAffinity(pod) ? affine.without(pod) : affine,
      shy: hasRequiredAntiAffinity(pod) ? shy.without(pod) : shy,
      requested: minus(this.requested, requestsOf(pod)),
      assumed: minus(this.assumed, assumedRequestsOf(pod)),
      hostPorts: tookPorts ? pods.toArray().flatMap(hostPortsOf) : hostPorts,
    });
  }

  /** Counted anew where that is less to do. */
  withoutPods(gone: readonly Pod[]): NodeInfo {
    if (gone.length * 2 < this.podCount) return gone.reduce((info: NodeInfo, pod) => info.withoutPod(pod), this);
    const left = this.pods.filter((pod) => !gone.includes(pod));
    return NodeInfo.of(this.node, left);
  }

  /** Another state of a pod of which nothing has changed that is added up; `isAlike`: nor anything that is counted. */
  withPodReplaced(before: Pod, now: Pod, how: { isAlike: boolean }): NodeInfo {
    const { pods, affine, shy } = this.#parts;
    return new NodeInfo({
      ...this.#parts,
      pods: pods.withReplaced(before, now, how),
      affine: hasAffinity(now) ? affine.withReplaced(before, now, how) : affine,
      shy: hasRequiredAntiAffinity(now) ? shy.withReplaced(before, now, how) : shy,
    });
  }
}

const NONE: readonly never[] = [];

const hasAffinity = ({ spec: { affinity } }: Pod): boolean =>
  Boolean(affinity?.podAffinity || affinity?.podAntiAffinity);

const hasRequiredAntiAffinity = ({ spec }: Pod): boolean =>
  (spec.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.length ?? 0) > 0;
