/**
 * What runs where, as the scheduler believes: the pods that the API says are placed, and those that it has just placed itself
 * (assumed) until the API says so too. Kept current change by change; nothing may change it while a pod is being decided on.
 */
import type { Node } from '#api/core/v1/node.ts';
import type { Pod } from '#api/core/v1/pod.ts';
import { isInResize } from '#api/core/v1/pod-resources.ts';
import { isEqual } from '#api/machinery/equal.ts';
import type { Tally } from './define-plugin.ts';
import { type Domains, DomainsByKey } from './domains.ts';
import { NodeInfo } from './node-info.ts';
import { shareAmounts } from './resources.ts';
import { Tallies } from './tallies.ts';
import { inTurnByZone } from './zones.ts';

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
  readonly #tallies = new Tallies();
  /** The nodes with those of different zones in turn, and where each stands. Made when nodes came or went since. */
  #list: NodeInfo[] | undefined;
  readonly #places = new Map<string, number>();
  #versions = new Uint32Array();
  #domains: DomainsByKey | undefined;

  /** The list itself is changed when a pod comes or goes. */
  get nodes(): readonly NodeInfo[] {
    if (!this.#list) {
      this.#list = inTurnByZone([...this.#nodes.values()]);
      this.#versions = new Uint32Array(this.#list.length).fill(1);
      this.#places.clear();
      this.#domains = undefined;
      for (const [place, { node }] of this.#list.entries()) this.#places.set(node.metadata.name, place);
    }
    return this.#list;
  }

  /** See `ClusterView`. */
  get versions(): Readonly<Uint32Array> {
    void this.nodes; // may make another list
    return this.#versions;
  }

  node(name: string): NodeInfo | undefined {
    return this.#nodes.get(name);
  }

  domains(topologyKey: string): Domains {
    const { nodes } = this; // may make another list
    this.#domains ??= new DomainsByKey(nodes);
    return this.#domains.of(topologyKey);
  }

  tally<T extends Tally>(key: string, make: () => T): T {
    return this.#tallies.of(key, this.nodes, make);
  }

  putNode(node: Node): void {
    const { name } = node.metadata;
    const before = this.#nodes.get(name);
    const waiting = this.#homeless.get(name);
    this.#homeless.delete(name);
    const now = before ? before.withNode(node) : NodeInfo.of(node, [...(waiting?.values() ?? [])]);
    if (before && !isOtherwise(before.node, node)) {
      this.#set(name, now);
      return;
    }
    if (before) this.#tallies.tell({ what: 'node went', node: before });
    this.#tallies.tell({ what: 'node came', node: now });
    this.#nodes.set(name, now);
    this.#list = undefined;
  }

  removeNode(name: string): void {
    const before = this.#nodes.get(name);
    if (!before) return;
    if (before.podCount > 0) this.#homeless.set(name, new Map(before.pods.map((pod) => [pod.metadata.uid, pod])));
    this.#nodes.delete(name);
    this.#tallies.tell({ what: 'node went', node: before });
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
    const { nodeName, pod } = placed;
    const info = this.#nodes.get(nodeName);
    if (info) {
      const now = info.withoutPod(pod);
      this.#set(nodeName, now);
      this.#tallies.tell({ what: 'pod went', node: now, pod });
      return;
    }
    const others = this.#homeless.get(nodeName);
    others?.delete(uid);
    if (others?.size === 0) this.#homeless.delete(nodeName);
  }

  #place(pod: Pod, nodeName: string, isAssumed: boolean): void {
    const { uid } = pod.metadata;
    const before = this.#placed.get(uid);
    if (before && before.nodeName === nodeName && addsUpToTheSame(before.pod, pod)) {
      shareAmounts(before.pod, pod);
      this.#replace(before.pod, pod, nodeName);
    } else {
      if (before) this.removePod(before.pod);
      const info = this.#nodes.get(nodeName);
      if (info) {
        const now = info.withPod(pod);
        this.#set(nodeName, now);
        this.#tallies.tell({ what: 'pod came', node: now, pod });
      } else this.#homeless.set(nodeName, (this.#homeless.get(nodeName) ?? new Map()).set(uid, pod));
    }
    this.#placed.set(uid, { pod, nodeName, isAssumed });
  }

  #replace(before: Pod, now: Pod, nodeName: string): void {
    const info = this.#nodes.get(nodeName);
    if (!info) return void this.#homeless.get(nodeName)?.set(now.metadata.uid, now);
    const isAlike = isCountedTheSame(before, now);
    const node = info.withPodReplaced(before, now, { isAlike });
    this.#set(nodeName, node);
    if (isAlike) return;
    this.#tallies.tell({ what: 'pod went', node, pod: before });
    this.#tallies.tell({ what: 'pod came', node, pod: now });
  }

  #set(name: string, info: NodeInfo): void {
    this.#nodes.set(name, info);
    if (!this.#list) return;
    const place = this.#places.get(name) as number;
    this.#list[place] = info;
    this.#versions[place] = (this.#versions[place] as number) + 1;
  }
}

/** In more than what it reports of itself every few seconds. */
const isOtherwise = (before: Node, now: Node): boolean =>
  !isEqual(before.metadata.labels, now.metadata.labels) ||
  !isEqual(before.spec, now.spec) ||
  !isEqual(before.status?.images, now.status?.images);

/** It asks for the same, so that the sums of its node stay. An assumed pod that has been bound is the usual case. */
function addsUpToTheSame(beforePod: Pod, nowPod: Pod): boolean {
  const [before, now] = [beforePod.spec, nowPod.spec];
  if (isInResize(beforePod) || isInResize(nowPod)) return false;
  return (
    before === now ||
    (isEqual(before.containers, now.containers) &&
      isEqual(before.initContainers, now.initContainers) &&
      isEqual(before.resources, now.resources) &&
      isEqual(before.overhead, now.overhead) &&
      isEqual(before.affinity, now.affinity))
  );
}

/** Those who count pods look at labels, at the namespace and at whether they are going. */
const isCountedTheSame = ({ metadata: before }: Pod, { metadata: now }: Pod): boolean =>
  isEqual(before.labels, now.labels) && before.deletionTimestamp === now.deletionTimestamp;
