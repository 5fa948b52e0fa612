/**
 * Gives every pod that has none a node. One pod at a time is decided on, against what is believed to run where; binding goes
 * on beside the next decision. Source: "Kubernetes Scheduler", "Scheduling Framework".
 */
import { Node } from '#api/core/v1/node.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { isTerminal } from '#api/core/v1/pod-conditions.ts';
import type { Kind } from '#api/machinery/kind.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { hasReason, StatusError } from '#api/machinery/status.ts';
import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { Random } from '#base/random.ts';
import type { Client } from '#client/client.ts';
import type { EventSink } from '#client/event-recorder.ts';
import type { Informers } from '#client/informer.ts';
import { Unreachable } from '#client/transport.ts';
import type { Refusal, States } from './cycle.ts';
import { decide } from './cycle.ts';
import type { ClusterView, MadeRoom, Plugin, QueuedPod } from './define-plugin.ts';
import { PluginFailed } from './define-plugin.ts';
import { Nominations } from './nominations.ts';
import { NotPlaced, place } from './placing.ts';
import { preempt } from './preempting.ts';
import type { Profile } from './profile.ts';
import { SchedulingQueue } from './queue.ts';
import { NO_NODES, refusalMessage } from './refusal-message.ts';
import { Snapshot } from './snapshot.ts';
import { noteUnscheduled } from './unscheduled.ts';

export interface SchedulerServices {
  client: Client;
  informers: Informers;
  events: EventSink;
  clock: Clock;
  random: Random;
  log: Log;
  /** Lets others run: a turn of the event loop. */
  breathe(): Promise<void>;
  /** A bug: neither an answer of a server nor a lost one. */
  onBug(error: unknown): void;
}

/** The thread is held no longer than this. */
const LONGEST_HOLD_MS = 4;

export interface SchedulerStats {
  decided: number;
  /** How long that took, all in all. */
  decidingMs: number;
  placed: number;
  refused: number;
  queue: ReturnType<SchedulingQueue['counts']>;
}

export class Scheduler {
  readonly #services: SchedulerServices;
  readonly #profiles: ReadonlyMap<string, Profile>;
  readonly #queue: SchedulingQueue;
  readonly #snapshot = new Snapshot();
  readonly #nominations = new Nominations();
  readonly #stops: (() => void)[] = [];
  #isRunning = false;
  #isDeciding = false;
  /** Placing pods, and writing down why others have no place. */
  #placing = 0;
  #holdingSinceMs = 0;
  #startAt = 0;
  #decided = 0;
  #decidingMs = 0;
  #placed = 0;
  #refused = 0;

  constructor(profiles: readonly Profile[], services: SchedulerServices) {
    this.#services = services;
    this.#profiles = new Map(profiles.map((profile) => [profile.schedulerName, profile]));
    const sorting = profiles.flatMap(({ plugins }) => plugins).find(({ queueSort }) => queueSort);
    this.#queue = new SchedulingQueue({
      clock: services.clock,
      order: (a, b) => sorting?.queueSort?.(a, b) ?? a.sinceMs - b.sinceMs,
      gateOf: (pod) => this.#pluginsFor(pod).find(({ preEnqueue }) => preEnqueue && !preEnqueue(pod).fits),
      onReady: () => this.#wake(),
    });
  }

  /** Pods to decide on, or being placed. */
  get busy(): number {
    return (this.#isRunning ? this.#queue.activeCount : 0) + (this.#isDeciding ? 1 : 0) + this.#placing;
  }

  get stats(): SchedulerStats {
    return {
      decided: this.#decided,
      decidingMs: this.#decidingMs,
      placed: this.#placed,
      refused: this.#refused,
      queue: this.#queue.counts(),
    };
  }

  /** Follows the cluster; decides once everything has been listed. */
  async start(signal: AbortSignal): Promise<void> {
    const { informers } = this.#services;
    const reads = new Set(
      [...this.#profiles.values()].flatMap(({ plugins }) => plugins.flatMap((plugin) => plugin.reads ?? [])),
    );
    this.#stops.push(
      informers.for(Node).onChange(({ now, before }) => this.#nodeChanged(now, before)),
      informers.for(Pod).onChange(({ now, before }) => this.#podChanged(now, before)),
      ...[...reads].map((kind) => informers.for(kind).onChange((change) => this.#queue.changed({ kind, ...change }))),
    );
    for (const node of informers.for(Node).list()) this.#nodeChanged(node, undefined);
    for (const pod of informers.for(Pod).list()) this.#podChanged(pod, undefined);
    await informers.synced(signal);
    this.#isRunning = true;
    this.#wake();
  }

  stop(): void {
    this.#isRunning = false;
    for (const stop of this.#stops) stop();
    this.#queue.stop();
  }

  #pluginsFor({ spec }: Pod): readonly Plugin[] {
    return this.#profiles.get(spec.schedulerName)?.plugins ?? [];
  }

  #nodeChanged(now: Node | undefined, before: Node | undefined): void {
    if (now) this.#snapshot.putNode(now);
    else if (before) this.#snapshot.removeNode(before.metadata.name);
    this.#queue.changed({ kind: Node, now, before });
  }

  #podChanged(now: Pod | undefined, before: Pod | undefined): void {
    const placed = (pod: Pod | undefined) => pod?.spec.nodeName && !isTerminal(pod);
    const wasPlaced = placed(before);
    const nominated = now && !placed(now) ? now.status?.nominatedNodeName : undefined;
    if (now && nominated && this.#isOurs(now)) this.#nominations.put(now, nominated);
    else if (!now || placed(now)) this.#nominations.remove((now ?? before) as Pod);
    if (now && placed(now)) {
      this.#snapshot.putPod(now);
      this.#queue.remove(now);
      this.#queue.changed({ kind: Pod, now, before: wasPlaced ? before : undefined });
      return;
    }
    if (before && (wasPlaced || this.#snapshot.isAssumed(before)) && (!now || wasPlaced)) {
      this.#snapshot.removePod(before);
      this.#queue.changed({ kind: Pod, now: undefined, before });
    }
    if (now && this.#isOurs(now)) this.#queue.put(now);
    else if (before) this.#queue.remove(before);
  }

  #isOurs(pod: Pod): boolean {
    const { spec, metadata } = pod;
    return !spec.nodeName && !metadata.deletionTimestamp && !isTerminal(pod) && this.#profiles.has(spec.schedulerName);
  }

  #wake(): void {
    if (!this.#isRunning || this.#isDeciding) return;
    this.#isDeciding = true;
    queueMicrotask(() => void this.#decideAll());
  }

  async #decideAll(): Promise<void> {
    try {
      this.#holdingSinceMs = this.#services.clock.monotonicMs();
      for (let next = this.#queue.take(); next && this.#isRunning; next = this.#queue.take()) {
        const beganMs = this.#services.clock.monotonicMs();
        await this.#decide(next);
        this.#decidingMs += this.#services.clock.monotonicMs() - beganMs;
        const pause = this.#breathe();
        if (pause) await pause;
      }
    } catch (error) {
      this.#services.onBug(error);
    } finally {
      this.#isDeciding = false;
    }
    if (this.#queue.activeCount > 0) this.#wake();
  }

  #breathe(): Promise<void> | undefined {
    const { clock, breathe } = this.#services;
    if (clock.monotonicMs() - this.#holdingSinceMs < LONGEST_HOLD_MS) return undefined;
    return breathe().then(() => {
      this.#holdingSinceMs = clock.monotonicMs();
    });
  }

  async #decide(queued: QueuedPod): Promise<void> {
    const { pod } = queued;
    if (this.#snapshot.isAssumed(pod)) {
      this.#queue.done(pod);
      return;
    }
    this.#decided++;
    const cluster = this.#view();
    const plugins = this.#pluginsFor(pod);
    if (cluster.nodes.length === 0) {
      this.#refuse(pod, { message: NO_NODES, refusedBy: plugins });
      return;
    }
    const { random } = this.#services;
    const decision = await decide(pod, cluster, {
      plugins,
      random,
      breathe: () => this.#breathe(),
      startAt: this.#startAt,
      nominatedOn: (nodeName) => this.#nominations.on(nodeName),
    });
    this.#startAt = (this.#startAt + 1) % cluster.nodes.length;
    if ('refusal' in decision) {
      await this.#fitsNowhere(pod, decision.refusal, cluster);
      return;
    }
    this.#snapshot.assume({ ...pod, spec: { ...pod.spec, nodeName: decision.nodeName } }, decision.nodeName);
    this.#nominations.remove(pod); // it would be counted twice
    this.#placing++;
    void this.#place(pod, decision).finally(() => {
      this.#placing--;
    });
  }

  async #fitsNowhere(pod: Pod, refusal: Refusal, cluster: ClusterView): Promise<void> {
    const plugins = this.#pluginsFor(pod);
    const nominatedOn = (nodeName: string) => this.#nominations.on(nodeName);
    let room: MadeRoom;
    for (const plugin of plugins) {
      if (!plugin.makeRoom || (room && 'victims' in room)) continue;
      room = (await plugin.makeRoom(pod, { cluster, plugins, verdicts: refusal.verdicts, nominatedOn })) ?? room;
    }
    const { refusedBy } = refusal;
    if (!room || 'message' in room) {
      this.#nominations.remove(pod);
      this.#refuse(pod, { message: refusalMessage(refusal, room?.message ?? ''), refusedBy });
      return;
    }
    const { nodeName: nominatedNodeName } = room;
    this.#nominations.put(pod, nominatedNodeName);
    this.#refuse(pod, { message: refusalMessage(refusal, ''), refusedBy, nominatedNodeName });
    this.#placing++;
    void preempt(pod, room, this.#services)
      .catch((error: unknown) => this.#serverSaid(error, 'a pod could not be preempted'))
      .finally(() => {
        this.#placing--;
      });
  }

  #serverSaid(error: unknown, what: string): void {
    if (!(error instanceof StatusError) && !(error instanceof Unreachable)) this.#services.onBug(error);
    else this.#services.log.debug(what, { error: error.message });
  }

  #view(): ClusterView {
    const { informers } = this.#services;
    return {
      nodes: this.#snapshot.nodes,
      nodeNamed: (name) => this.#snapshot.node(name),
      cached: <T extends KubeObject>(kind: Kind<T>) => informers.for(kind),
      tally: (key, make) => this.#snapshot.tally(key, make),
    };
  }

  async #place(pod: Pod, { nodeName, states }: { nodeName: string; states: States }): Promise<void> {
    const { client, clock, events, informers } = this.#services;
    const { namespace, name } = pod.metadata;
    try {
      const { signal } = new AbortController();
      const cached = <T extends KubeObject>(kind: Kind<T>) => informers.for(kind);
      const whileOthers = <T>(act: Promise<T>) => this.#whileOthers(act);
      const services = { client, clock, cached, signal, whileOthers };
      await place(pod, nodeName, { plugins: this.#pluginsFor(pod), states, services, signal });
      this.#placed++;
      this.#queue.done(pod);
      events.normal(pod, 'Scheduled', `Successfully assigned ${namespace}/${name} to ${nodeName}`);
    } catch (error) {
      this.#snapshot.forget(pod);
      if (pod.status?.nominatedNodeName) this.#nominations.put(pod, pod.status.nominatedNodeName);
      this.#queue.changed({ kind: Pod, now: undefined, before: pod }); // what it would have taken is free again
      this.#notPlaced(pod, error);
    }
  }

  async #whileOthers<T>(act: Promise<T>): Promise<T> {
    this.#placing--;
    try {
      return await act;
    } finally {
      this.#placing++;
    }
  }

  #notPlaced(pod: Pod, error: unknown): void {
    if (error instanceof NotPlaced) this.#refuse(pod, { message: error.message, refusedBy: error.refusedBy });
    else if (hasReason(error, 'NotFound')) this.#queue.done(pod);
    else if (error instanceof StatusError || error instanceof Unreachable)
      this.#refuse(pod, { message: `binding rejected: ${error.message}`, refusedBy: [], reason: 'SchedulerError' });
    else if (error instanceof PluginFailed)
      this.#refuse(pod, { message: error.message, refusedBy: [], reason: 'SchedulerError' });
    else this.#services.onBug(error);
  }

  #refuse(pod: Pod, { message, refusedBy, reason = 'Unschedulable', nominatedNodeName }: RefusalNote): void {
    this.#refused++;
    this.#services.events.warning(pod, 'FailedScheduling', message);
    this.#queue.refused(pod, refusedBy);
    this.#placing++;
    const { client, clock } = this.#services;
    void noteUnscheduled(pod, { reason, message, ...(nominatedNodeName && { nominatedNodeName }) }, { client, clock })
      .catch((error: unknown) => this.#serverSaid(error, 'the condition was not written'))
      .finally(() => {
        this.#placing--;
      });
  }
}

interface RefusalNote {
  message: string;
  refusedBy: readonly Plugin[];
  reason?: string;
  nominatedNodeName?: string;
}
