/**
 * Gives every pod that has none a node. One pod at a time is decided on, against what is believed to run where; binding goes
 * on beside the next decision. Source: "Kubernetes Scheduler", "Scheduling Framework".
 */
import { Pod } from '#api/core/v1/pod.ts';
import type { SchedulingExplanation } from '#api/kedge/v1alpha1/scheduling-explanation.ts';
import type { ObjectKey } from '#api/machinery/object.ts';
import { hasReason } from '#api/machinery/status.ts';
import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { Random } from '#base/random.ts';
import type { Client } from '#client/client.ts';
import type { Informers } from '#client/informer.ts';
import type { OccurrenceSink } from '#client/series-recorder.ts';
import { Unreachable } from '#client/transport.ts';
import { Background } from './background.ts';
import type { Refusal } from './cycle.ts';
import { decide } from './cycle.ts';
import type { Plugin } from './define-plugin.ts';
import { PluginFailed } from './define-plugin.ts';
import { FollowedCluster } from './followed-cluster.ts';
import { NotPlaced } from './not-placed.ts';
import { Outcomes, type RefusalNote } from './outcomes.ts';
import { BindFailed, Placing } from './placing.ts';
import { pointsOf } from './points.ts';
import type { Profile } from './profile.ts';
import { Questions } from './questions.ts';
import { type BackOffTimes, SchedulingQueue } from './queue.ts';
import { NO_NODES, refusalMessage } from './refusal-message.ts';
import { RememberedAnswers } from './remembered-answers.ts';
import { roomFor } from './room-for.ts';
import { RoomMaker } from './room-maker.ts';
import type { States } from './trial.ts';
import { explain } from './why/explanation.ts';

export interface SchedulerServices {
  client: Client;
  informers: Informers;
  events: OccurrenceSink;
  clock: Clock;
  random: Random;
  log: Log;
  backOff?: BackOffTimes | undefined;
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

const NO_PLUGINS: readonly Plugin[] = [];

export class Scheduler {
  readonly #services: SchedulerServices;
  readonly #profiles: ReadonlyMap<string, Profile>;
  readonly #queue: SchedulingQueue;
  readonly #cluster: FollowedCluster;
  readonly #remembered = new RememberedAnswers();
  /** By the pod's uid. */
  readonly #placing = new Map<string, Placing>();
  readonly #roomMaker: RoomMaker;
  readonly #background: Background;
  readonly #questions: Questions;
  readonly #outcomes: Outcomes;
  #isRunning = false;
  #isDeciding = false;
  #holdingSinceMs = 0;
  #startAt = 0;
  #decided = 0;
  #decidingMs = 0;

  constructor(profiles: readonly Profile[], services: SchedulerServices) {
    const { clock, informers } = services;
    this.#services = services;
    this.#background = new Background(services);
    this.#profiles = new Map(profiles.map((profile) => [profile.schedulerName, profile]));
    const plugins = profiles.flatMap((profile) => profile.plugins);
    const sorting = plugins.find(({ queueSort }) => queueSort);
    this.#queue = new SchedulingQueue({
      clock,
      order: (a, b) => sorting?.queueSort?.(a, b) ?? a.sinceMs - b.sinceMs,
      gateOf: (pod) => pointsOf(this.#pluginsFor(pod)).preEnqueue.find((plugin) => !plugin.preEnqueue(pod).fits),
      onReady: () => this.#wake(),
      backOff: services.backOff,
    });
    this.#cluster = new FollowedCluster({
      informers,
      clock,
      queue: this.#queue,
      reads: new Set(plugins.flatMap(({ reads = [] }) => reads)),
      isOurs: ({ spec }) => this.#profiles.has(spec.schedulerName),
      onGone: ({ metadata }) => this.#placing.get(metadata.uid)?.end('removed'),
    });
    this.#questions = new Questions(this.#cluster);
    this.#outcomes = new Outcomes({ ...services, queue: this.#queue, background: this.#background });
    this.#roomMaker = new RoomMaker({
      nominations: this.#cluster.nominations,
      queue: this.#queue,
      placing: this.#placing,
      services,
      inBackground: this.#background.run,
    });
  }

  /** Pods to decide on, or being placed. */
  get busy(): number {
    return (this.#isRunning ? this.#queue.readyCount : 0) + (this.#isDeciding ? 1 : 0) + this.#background.underWay;
  }

  get stats(): SchedulerStats {
    return {
      decided: this.#decided,
      decidingMs: this.#decidingMs,
      ...this.#outcomes.counts,
      queue: this.#queue.counts(),
    };
  }

  /**
   * Why the pod is where it is, or nowhere, as of now; undefined: there is no such pod. Between two decisions: what it looks at
   * must hold still, though others run meanwhile.
   */
  explain(key: ObjectKey): Promise<SchedulingExplanation | undefined> {
    const answer = this.#questions.ask(() => this.#explain(key));
    if (this.#isRunning) this.#wake();
    else void this.#questions.answerAll(); // nothing decides yet, or any more
    return answer;
  }

  async #explain(key: ObjectKey): Promise<SchedulingExplanation | undefined> {
    const pod = this.#services.informers.for(Pod).get(key);
    const known = pod && { cluster: this.#cluster.view, profile: this.#profileOf(pod), breathe: () => this.#breathe() };
    return known && explain(pod, known);
  }

  /** Follows the cluster; decides once everything has been listed. */
  async start(signal: AbortSignal): Promise<void> {
    await this.#cluster.follow(signal);
    this.#isRunning = true;
    this.#wake();
  }

  stop(): void {
    this.#isRunning = false;
    this.#cluster.stop();
    this.#queue.stop();
    if (!this.#isDeciding) void this.#questions.answerAll();
    for (const placing of this.#placing.values()) placing.end('the end of the scheduler');
  }

  #profileOf({ spec }: Pod): Profile | undefined {
    return this.#profiles.get(spec.schedulerName);
  }

  #pluginsFor(pod: Pod): readonly Plugin[] {
    return this.#profileOf(pod)?.plugins ?? NO_PLUGINS;
  }

  #wake(): void {
    if (!this.#isRunning || this.#isDeciding) return;
    this.#isDeciding = true;
    queueMicrotask(() => void this.#decideAll());
  }

  async #decideAll(): Promise<void> {
    const { clock, onBug } = this.#services;
    try {
      this.#holdingSinceMs = clock.monotonicMs();
      await this.#questions.answerAll();
      for (let next = this.#queue.take(); next && this.#isRunning; next = this.#queue.take()) {
        const beganMs = clock.monotonicMs();
        this.#cluster.holdStill();
        try {
          await this.#decide(next.pod);
        } finally {
          this.#cluster.goOn();
        }
        this.#decidingMs += clock.monotonicMs() - beganMs;
        const pause = this.#breathe();
        if (pause) await pause;
        if (this.#questions.areWaiting) await this.#questions.answerAll();
      }
    } catch (error) {
      onBug(error);
    } finally {
      this.#isDeciding = false;
    }
    if (!this.#isRunning) void this.#questions.answerAll();
    else if (this.#queue.readyCount > 0 || this.#questions.areWaiting) this.#wake();
  }

  #breathe(): Promise<void> | undefined {
    const { clock, breathe } = this.#services;
    if (clock.monotonicMs() - this.#holdingSinceMs < LONGEST_HOLD_MS) return undefined;
    return breathe().then(() => {
      this.#holdingSinceMs = clock.monotonicMs();
    });
  }

  async #decide(pod: Pod): Promise<void> {
    const profile = this.#profileOf(pod);
    if (!profile || this.#cluster.isAssumed(pod)) {
      this.#queue.done(pod);
      return;
    }
    const { nominations, view } = this.#cluster;
    this.#decided++;
    const { plugins } = profile;
    if (view.nodes.length === 0) {
      this.#refuse(pod, { message: NO_NODES, refusedBy: plugins });
      return;
    }
    const decision = await decide(pod, view, {
      remembered: this.#remembered,
      random: this.#services.random,
      breathe: () => this.#breathe(),
      startAt: this.#startAt,
      nominatedOn: nominations.isEmpty ? undefined : (nodeName) => nominations.on(nodeName),
      ...profile,
    }).catch((error: unknown) => this.#notDecided(pod, error));
    if (!decision || !this.#isRunning) return;
    this.#startAt = (this.#startAt + decision.looked) % view.nodes.length;
    if ('refusal' in decision) {
      await this.#fitsNowhere(pod, decision.refusal, profile);
      return;
    }
    this.#cluster.assume(pod, decision.nodeName);
    this.#background.run(this.#place(pod, { profile, ...decision }), 'a pod could not be placed');
  }

  async #fitsNowhere(pod: Pod, refusal: Refusal, profile: Profile): Promise<void> {
    const { view: cluster, nominations } = this.#cluster;
    const nominatedTo = nominations.nodeOf(pod);
    const { client, random } = this.#services;
    const room = await roomFor(pod, refusal, { cluster, profile, nominatedTo, client, random });
    if (!this.#isRunning) return;
    const { refusedBy } = refusal;
    if ('victims' in room) {
      this.#roomMaker.keep(pod, room);
      this.#refuse(pod, { message: refusalMessage(refusal, ''), refusedBy, nominatedNodeName: room.nodeName });
      this.#roomMaker.sendAway(pod, room);
      return;
    }
    if (!room.keepsPlace) nominations.remove(pod);
    const place = room.keepsPlace ? {} : { nominatedNodeName: '' };
    this.#refuse(pod, { message: refusalMessage(refusal, room.said), refusedBy, ...place });
  }

  #notDecided(pod: Pod, error: unknown): undefined {
    if (!(error instanceof PluginFailed)) throw error;
    this.#refuse(pod, { message: error.message, refusedBy: NO_PLUGINS, reason: 'SchedulerError' });
  }

  async #place(
    pod: Pod,
    { profile, ...decision }: { nodeName: string; states: States; profile: Profile },
  ): Promise<void> {
    const { client, clock, informers, events } = this.#services;
    const { uid } = pod.metadata;
    const services = { client, clock, informers, events, whileOthers: this.#background.whileOthers };
    const placing = new Placing(pod, { plugins: profile.plugins, ...decision }, services);
    this.#placing.set(uid, placing);
    try {
      await placing.run(profile.extenders);
      this.#outcomes.placed(pod, { nodeName: decision.nodeName, schedulerName: profile.schedulerName });
    } catch (error) {
      this.#cluster.forget(pod);
      this.#notPlaced(pod, error);
    } finally {
      this.#placing.delete(uid);
    }
  }

  #notPlaced(pod: Pod, error: unknown): void {
    if (error instanceof NotPlaced) {
      const { refusedBy, message } = error;
      this.#refuse(pod, { message: `0/1 nodes are available: 1 ${message}.`, refusedBy });
    } else if (error instanceof BindFailed && hasReason(error.cause, 'NotFound')) this.#queue.done(pod);
    else if (error instanceof BindFailed || error instanceof PluginFailed || error instanceof Unreachable)
      this.#refuse(pod, { message: error.message, refusedBy: NO_PLUGINS, reason: 'SchedulerError' });
    else this.#services.onBug(error);
  }

  #refuse(pod: Pod, note: RefusalNote): void {
    if (this.#isRunning) this.#outcomes.refused(pod, note); // else whoever leads now may have found it a place
  }
}
