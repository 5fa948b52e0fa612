/** Starts a scheduler as `system:kube-scheduler`. */
import type { SchedulingExplanation } from '#api/kedge/v1alpha1/scheduling-explanation.ts';
import type { ObjectKey } from '#api/machinery/object.ts';
import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import { throwOutOfPromises } from '#base/out-of-promises.ts';
import type { Random } from '#base/random.ts';
import { Client } from '#client/client.ts';
import { SharedInformers } from '#client/informers.ts';
import { SeriesRecorder } from '#client/series-recorder.ts';
import type { Transport, UserInfo } from '#client/transport.ts';
import type { Profile } from './profile.ts';
import { defaultProfile } from './profile.ts';
import type { BackOffTimes } from './queue.ts';
import type { SchedulerStats } from './scheduler.ts';
import { Scheduler } from './scheduler.ts';

export interface SchedulerOptions {
  profiles?: readonly Profile[];
  backOff?: BackOffTimes;
  transportFor(user: UserInfo): Transport;
  clock: Clock;
  random: Random;
  log: Log;
  /** A turn of the event loop. */
  breathe(): Promise<void>;
  onBug?(error: unknown): void;
  /** Of the machine, as its Events name it. */
  hostname?: string;
  /** Shared with other components of the process; else its own. */
  informers?: SharedInformers;
}

export interface RunningScheduler {
  /** Pods to decide on or being placed, and Events not written yet. */
  readonly busy: number;
  readonly informers: SharedInformers;
  readonly stats: SchedulerStats;
  /** See `Scheduler.explain`. */
  explain(key: ObjectKey): Promise<SchedulingExplanation | undefined>;
  stop(): void;
}

const USER: UserInfo = { name: 'system:kube-scheduler', groups: ['system:authenticated'] };

export function startScheduler(options: SchedulerOptions): RunningScheduler {
  const {
    profiles = [defaultProfile()],
    transportFor,
    clock,
    random,
    log,
    breathe,
    hostname = 'localhost',
    onBug = throwOutOfPromises,
  } = options;
  const stopping = new AbortController();
  const { signal } = stopping;
  const client = new Client(transportFor(USER));
  const informers = options.informers ?? new SharedInformers({ client, clock, random, log, signal });
  const events = new SeriesRecorder({ client, clock, random, hostname, log, signal });
  const scheduler = new Scheduler(profiles, {
    client,
    informers,
    events,
    clock,
    random,
    log,
    breathe,
    onBug,
    backOff: options.backOff,
  });
  scheduler.start(signal).catch((error: unknown) => {
    if (!signal.aborted) onBug(error);
  });
  return new StartedScheduler(scheduler, { informers, events, stopping });
}

interface StartedParts {
  informers: SharedInformers;
  events: SeriesRecorder;
  stopping: AbortController;
}

class StartedScheduler implements RunningScheduler {
  readonly informers: SharedInformers;
  readonly #scheduler: Scheduler;
  readonly #events: SeriesRecorder;
  readonly #stopping: AbortController;

  constructor(scheduler: Scheduler, { informers, events, stopping }: StartedParts) {
    this.#scheduler = scheduler;
    this.informers = informers;
    this.#events = events;
    this.#stopping = stopping;
  }

  get busy(): number {
    return this.#scheduler.busy + this.#events.pending;
  }

  get stats(): SchedulerStats {
    return this.#scheduler.stats;
  }

  explain(key: ObjectKey): Promise<SchedulingExplanation | undefined> {
    return this.#scheduler.explain(key);
  }

  stop(): void {
    this.#stopping.abort(new Error('the scheduler is stopped'));
    this.#scheduler.stop();
  }
}
