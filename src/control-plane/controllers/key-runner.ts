/** One controller at work: its queue, what became of each step, and when a key is looked at again. */
import type { KindRegistry } from '#api/machinery/kind.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { hasReason, StatusError } from '#api/machinery/status.ts';
import { KeyedBackOff } from '#base/back-off.ts';
import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { Random } from '#base/random.ts';
import { WorkQueue } from '#base/work-queue.ts';
import type { Client } from '#client/client.ts';
import type { EventSink } from '#client/event-recorder.ts';
import type { Informer } from '#client/informer.ts';
import type { SharedInformers } from '#client/informers.ts';
import { Unreachable } from '#client/transport.ts';
import type { Outcome } from './define-controller.ts';
import { NotYet } from './errors.ts';
import type { WriteBarrier } from './write-barrier.ts';

/** What a controller is given to run with. */
export interface RunEnvironment {
  informers: SharedInformers;
  client: Client;
  kinds: KindRegistry;
  events: EventSink;
  clock: Clock;
  random: Random;
  log: Log;
  /** For what is no answer of a server: a bug. The composition root ends the component. */
  onBug(error: unknown): void;
}

export interface Work {
  workers: number;
  barrier: WriteBarrier;
  step(key: string): Promise<Outcome>;
}

/** Source: client-go, workqueue: the default of controllers. */
const BACK_OFF = { firstMs: 5, mostMs: 1_000_000 };

/**
 * A step that goes through many objects is not taken for each change of one of them: changes gather for a while, or 5,000
 * pods that become ready would cost 5,000 times 5,000 looks. So many objects a ms, none below the first number.
 */
const LIGHT = 300;
const OBJECTS_PER_MS = 20;
const LONGEST_GATHERING_MS = 1_000;

export interface ControllerStats {
  reconciled: number;
  failed: number;
  /** See WriteBarrier. */
  longBarrierWaits: number;
  depth: number;
}

export class KeyRunner {
  readonly name: string;
  readonly #env: RunEnvironment;
  readonly #work: Work;
  readonly #queue: WorkQueue;
  readonly #backOff: KeyedBackOff;
  readonly #stops: (() => void)[] = [];
  /** How many objects the last step of a key went through; only those that are not light. */
  readonly #weights = new Map<string, number>();
  #reconciled = 0;
  #failed = 0;
  #hasBegun = false;
  #isStopped = false;

  constructor(name: string, env: RunEnvironment, work: Work) {
    this.name = name;
    this.#env = env;
    this.#work = work;
    this.#backOff = new KeyedBackOff(env.random, BACK_OFF);
    this.#queue = new WorkQueue({ clock: env.clock, workers: work.workers, work: (key) => this.#run(key) });
  }

  /**
   * Keys that are queued or worked on; those that wait for a time, or for a cache to see their own writes, are not counted, and none
   * before work has begun: it is the informers that are waited for then.
   */
  get busy(): number {
    return this.#hasBegun ? this.#queue.busy : 0;
  }

  get stats(): ControllerStats {
    const { waiting: depth } = this.#queue;
    return {
      reconciled: this.#reconciled,
      failed: this.#failed,
      longBarrierWaits: this.#work.barrier.longWaits,
      depth,
    };
  }

  add(key: string): void {
    this.#queue.add(key);
  }

  /** For a change of what the key's object owns or watches. */
  addForOthers(key: string): void {
    const weight = this.#weights.get(key);
    if (weight === undefined) this.#queue.add(key);
    else this.#queue.addAfter(key, Math.min(LONGEST_GATHERING_MS, weight / OBJECTS_PER_MS));
  }

  postpone(key: string, afterMs: number): void {
    this.#queue.postpone(key, afterMs);
  }

  isHeavy(key: string): boolean {
    return this.#weights.has(key);
  }

  /** Something of it would be left behind, were it not looked at when its object is gone. */
  remembers(key: string): boolean {
    return this.#queue.has(key) || this.#weights.has(key) || this.#work.barrier.expects(key);
  }

  weigh(key: string, objects: number): void {
    if (objects > LIGHT) this.#weights.set(key, objects);
    else this.#weights.delete(key);
  }

  /** Begins when all of these have listed once. */
  startAfter(informers: Iterable<Informer<KubeObject>>): void {
    const waiting = new Set([...informers].filter(({ hasSynced }) => !hasSynced));
    if (waiting.size === 0) this.#begin();
    for (const informer of waiting) {
      const stop = informer.onProgress(() => {
        if (!informer.hasSynced) return;
        stop();
        waiting.delete(informer);
        if (waiting.size === 0) this.#begin();
      });
      this.onStop(stop);
    }
  }

  #begin(): void {
    this.#hasBegun = true;
    this.#queue.start();
  }

  onStop(stop: () => void): void {
    this.#stops.push(stop);
  }

  stop(): void {
    this.#isStopped = true;
    for (const stop of this.#stops) stop();
    this.#queue.stop();
    this.#work.barrier.stop();
  }

  async #run(key: string): Promise<void> {
    if (!this.#work.barrier.isClear(key, () => this.#queue.add(key))) return;
    try {
      const outcome = await this.#work.step(key);
      this.#reconciled++;
      this.#backOff.forget(key);
      if (this.#isStopped) return;
      if (outcome.type === 'again') this.#queue.addAfter(key, outcome.afterMs);
      if (outcome.type === 'given up') this.#env.log.info('gave up', { key, reason: outcome.reason });
    } catch (error) {
      this.#failed++;
      if (!isExpected(error)) this.#env.onBug(error);
      if (this.#isStopped) return;
      const afterMs = this.#backOff.nextMs(key);
      const level = hasReason(error, 'InternalError') ? 'warn' : 'debug';
      this.#env.log[level]('will try again', { key, afterMs, error: (error as Error).message });
      this.#queue.addAfter(key, afterMs);
    }
  }
}

/** What a server answered, that it did not answer, or what a step says is not right yet. */
const isExpected = (error: unknown): boolean =>
  error instanceof StatusError || error instanceof Unreachable || error instanceof NotYet;
