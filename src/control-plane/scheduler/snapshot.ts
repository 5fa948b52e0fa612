/**
 * What runs where, as the scheduler believes: the pods that the API says are placed, and those that it has just placed itself
 * (assumed) until the API says so too. Kept current change by change; a cycle works on one immutable list.
 */
import type { Node } from '#api/core/v1/node.ts';
import type { Pod } from '#api/core/v1/pod.ts';
import type { NodeInfo } from './node-info.ts';
import { nodeInfoOf, withPod } from './node-info.ts';

interface Placed {
  pod: Pod;
  nodeName: string;
  isAssumed: boolean;
}

export class Snapshot {
  /** In the order in which nodes came. */
  readonly #nodes = new Map<string, NodeInfo>();
  readonly #placed = new Map<string, Placed>();
  /** Pods on nodes that are not known (yet). */
  readonly #homeless = new Map<string, Map<string, Pod>>();
  #list: readonly NodeInfo[] | undefined;

  /** Immutable; another list after each change. */
  get nodes(): readonly NodeInfo[] {
    this.#list ??= [...this.#nodes.values()];
    return this.#list;
  }

  putNode(node: Node): void {
    const { name } = node.metadata;
    const known = this.#nodes.get(name);
    const waiting = this.#homeless.get(name);
    this.#homeless.delete(name);
    this.#set(name, nodeInfoOf(node, known?.pods ?? [...(waiting?.values() ?? [])]));
  }

  removeNode(name: string): void {
    const known = this.#nodes.get(name);
    if (!known) return;
    if (known.pods.length > 0) this.#homeless.set(name, new Map(known.pods.map((pod) => [pod.metadata.uid, pod])));
    this.#nodes.delete(name);
    this.#list = undefined;
  }

  /** The pod is placed, says the API. */
  putPod(pod: Pod): void {
    this.#place(pod, pod.spec.nodeName ?? '', false);
  }

  /** The pod will be placed: it counts from now on. */
  assume(pod: Pod, nodeName: string): void {
    this.#place(pod, nodeName, true);
  }

  /** It could not be placed after all. What the API says of it stays. */
  forget(pod: Pod): void {
    if (this.#placed.get(pod.metadata.uid)?.isAssumed) this.removePod(pod);
  }

  isAssumed({ metadata }: Pod): boolean {
    return this.#placed.get(metadata.uid)?.isAssumed ?? false;
  }

  removePod({ metadata: { uid } }: Pod): void {
    const placed = this.#placed.get(uid);
    if (!placed) return;
    this.#placed.delete(uid);
    const info = this.#nodes.get(placed.nodeName);
    if (info)
      this.#set(
        placed.nodeName,
        nodeInfoOf(
          info.node,
          info.pods.filter((pod) => pod.metadata.uid !== uid),
        ),
      );
    else this.#homeless.get(placed.nodeName)?.delete(uid);
  }

  #place(pod: Pod, nodeName: string, isAssumed: boolean): void {
    const before = this.#placed.get(pod.metadata.uid);
    if (before && before.nodeName === nodeName && before.pod.spec === pod.spec) {
      this.#replace(pod, nodeName); // only its status or metadata changed
    } else {
      if (before) this.removePod(before.pod);
      const info = this.#nodes.get(nodeName);
      if (info) this.#set(nodeName, withPod(info, pod));
      else this.#homeless.set(nodeName, (this.#homeless.get(nodeName) ?? new Map()).set(pod.metadata.uid, pod));
    }
    this.#placed.set(pod.metadata.uid, { pod, nodeName, isAssumed });
  }

  #replace(pod: Pod, nodeName: string): void {
    const { uid } = pod.metadata;
    const info = this.#nodes.get(nodeName);
    if (!info) return void this.#homeless.get(nodeName)?.set(uid, pod);
    const swap = (pods: readonly Pod[]) => pods.map((each) => (each.metadata.uid === uid ? pod : each));
    this.#set(nodeName, {
      ...info,
      pods: swap(info.pods),
      podsWithAffinity: swap(info.podsWithAffinity),
      podsWithRequiredAntiAffinity: swap(info.podsWithRequiredAntiAffinity),
    });
  }

  #set(name: string, info: NodeInfo): void {
    this.#nodes.set(name, info);
    this.#list = undefined;
  }
}
