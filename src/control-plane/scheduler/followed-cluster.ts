/**
 * What the scheduler knows of the cluster, kept in step with its informers: nodes and what is placed on them, pods that wait,
 * and places that are kept for some of them. While a pod is being decided on it stands still: changes wait.
 */
import { Node } from '#api/core/v1/node.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { isTerminal } from '#api/core/v1/pod-conditions.ts';
import type { Kind } from '#api/machinery/kind.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { keyOf } from '#api/machinery/object.ts';
import type { Clock } from '#base/clock.ts';
import type { Informer, Informers } from '#client/informer.ts';
import type { ClusterView, Tally } from './define-plugin.ts';
import type { Domains } from './domains.ts';
import type { NodeInfo } from './node-info.ts';
import { Nominations } from './nominations.ts';
import type { SchedulingQueue } from './queue.ts';
import { shareAmounts } from './resources.ts';
import { Snapshot } from './snapshot.ts';

export interface FollowedClusterOptions {
  informers: Informers;
  clock: Clock;
  queue: SchedulingQueue;
  /** What plugins read besides nodes and pods. */
  reads: ReadonlySet<Kind>;
  /** Some profile is for it. */
  isOurs(pod: Pod): boolean;
  /** A pod is gone. */
  onGone(pod: Pod): void;
}

export class FollowedCluster {
  readonly nominations = new Nominations();
  readonly #snapshot = new Snapshot();
  readonly #options: FollowedClusterOptions;
  readonly #stops: (() => void)[] = [];
  readonly #waiting: (() => void)[] = [];
  #isStill = false;
  /** The same one always: it shows what is. */
  readonly view: ClusterView;

  constructor(options: FollowedClusterOptions) {
    this.#options = options;
    this.view = new FollowedView(this.#snapshot, options);
  }

  async follow(signal: AbortSignal): Promise<void> {
    const { informers, queue, reads } = this.#options;
    const others = [...reads].filter((kind) => kind !== (Node as Kind) && kind !== (Pod as Kind));
    this.#stops.push(
      informers.for(Node).onChange(({ now, before }) => this.#change(() => this.#nodeChanged(now, before))),
      informers.for(Pod).onChange(({ now, before }) => this.#change(() => this.#podChanged(now, before))),
      ...others.map((kind) =>
        informers.for(kind).onChange((change) => this.#change(() => queue.changed({ kind, ...change }))),
      ),
    );
    for (const node of informers.for(Node).list()) this.#nodeChanged(node, undefined);
    for (const pod of informers.for(Pod).list()) this.#podChanged(pod, undefined);
    await informers.synced(signal);
  }

  stop(): void {
    for (const stop of this.#stops) stop();
  }

  /** Changes wait until `goOn`. */
  holdStill(): void {
    this.#isStill = true;
  }

  goOn(): void {
    this.#isStill = false;
    for (let next = this.#waiting.shift(); next; next = this.#waiting.shift()) next();
  }

  isAssumed(pod: Pod): boolean {
    return this.#snapshot.isAssumed(pod);
  }

  /** The pod counts as placed from now on. */
  assume(pod: Pod, nodeName: string): void {
    const assumed = { ...pod, spec: { ...pod.spec, nodeName } };
    shareAmounts(pod, assumed);
    this.#snapshot.assume(assumed, nodeName);
    this.nominations.remove(pod); // it would be counted twice
  }

  /** It could not be placed: what it would have taken is free again. */
  forget(pod: Pod): void {
    this.#change(() => {
      this.#snapshot.forget(pod);
      const now = this.#options.informers.for(Pod).get(keyOf(pod));
      const nominated = now?.metadata.uid === pod.metadata.uid ? now.status?.nominatedNodeName : undefined;
      if (now && nominated && this.#waitsForUs(now)) this.nominations.put(now, nominated);
      this.#options.queue.changed({ kind: Pod, now: undefined, before: pod });
    });
  }

  #change(change: () => void): void {
    if (this.#isStill) this.#waiting.push(change);
    else change();
  }

  #nodeChanged(now: Node | undefined, before: Node | undefined): void {
    if (now) this.#snapshot.putNode(now);
    else if (before) this.#snapshot.removeNode(before.metadata.name);
    this.#options.queue.changed({ kind: Node, now, before });
  }

  #podChanged(now: Pod | undefined, before: Pod | undefined): void {
    const { queue } = this.#options;
    const wasPlaced = isPlaced(before);
    const keptOn = before && this.#keptOn(before);
    this.#noteNomination(now, before);
    if (now && isPlaced(now)) {
      this.#snapshot.putPod(now);
      queue.remove(now);
      queue.changed({ kind: Pod, now, before: wasPlaced ? before : undefined });
      return;
    }
    if (before && (wasPlaced || this.#snapshot.isAssumed(before)) && (!now || wasPlaced)) {
      this.#snapshot.removePod(before);
      queue.changed({ kind: Pod, now: undefined, before });
    } else if (keptOn && this.#keptOn(now) !== keptOn) queue.changed({ kind: Pod, now: undefined, before }); // what was kept for it is anybody's
    if (!now || now.metadata.deletionTimestamp) this.#options.onGone((now ?? before) as Pod);
    if (now && this.#waitsForUs(now)) queue.put(now);
    else if (before) queue.remove(before);
  }

  #noteNomination(now: Pod | undefined, before: Pod | undefined): void {
    const { nominations } = this;
    if (!now || isPlaced(now) || !this.#waitsForUs(now)) {
      nominations.remove((now ?? before) as Pod);
      return;
    }
    const nominated = now.status?.nominatedNodeName;
    const told = before?.status?.nominatedNodeName;
    if (nominated) {
      if (!this.#snapshot.isAssumed(now)) nominations.put(now, nominated);
    } else if (told && nominations.nodeOf(now) === told) nominations.remove(now); // else it is one of which the API has not heard
  }

  /** The node on which there is a place for the pod, as we or the API know; one that is on its way there has none. */
  #keptOn(pod: Pod | undefined): string | undefined {
    if (!pod || this.#snapshot.isAssumed(pod)) return undefined;
    return this.nominations.nodeOf(pod) ?? (this.#waitsForUs(pod) ? pod.status?.nominatedNodeName : undefined);
  }

  #waitsForUs(pod: Pod): boolean {
    return !pod.spec.nodeName && !pod.metadata.deletionTimestamp && !isTerminal(pod) && this.#options.isOurs(pod);
  }
}

class FollowedView implements ClusterView {
  readonly #snapshot: Snapshot;
  readonly #informers: Informers;
  readonly #clock: Clock;
  // Plugins take these out of the view.
  readonly nodeNamed = (name: string): NodeInfo | undefined => this.#snapshot.node(name);
  readonly cached = <T extends KubeObject>(kind: Kind<T>): Informer<T> => this.#informers.for(kind);
  readonly tally = <T extends Tally>(key: string, make: () => T): T => this.#snapshot.tally(key, make);
  readonly domains = (topologyKey: string): Domains => this.#snapshot.domains(topologyKey);

  constructor(snapshot: Snapshot, { informers, clock }: Pick<FollowedClusterOptions, 'informers' | 'clock'>) {
    this.#snapshot = snapshot;
    this.#informers = informers;
    this.#clock = clock;
  }

  get nodes(): readonly NodeInfo[] {
    return this.#snapshot.nodes;
  }

  get versions(): Readonly<Uint32Array> {
    return this.#snapshot.versions;
  }

  get nowMs(): number {
    return this.#clock.now();
  }
}

const isPlaced = (pod: Pod | undefined): boolean => Boolean(pod?.spec.nodeName) && !isTerminal(pod as Pod);
