/** Starts the controllers that are wanted, each under its own user, on one set of informers. */
import type { KindRegistry } from '#api/machinery/kind.ts';
import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import { throwOutOfPromises } from '#base/out-of-promises.ts';
import { PlainSignal } from '#base/plain-signal.ts';
import type { Random } from '#base/random.ts';
import { Client } from '#client/client.ts';
import { EventRecorder } from '#client/event-recorder.ts';
import { SharedInformers } from '#client/informers.ts';
import type { Transport, UserInfo } from '#client/transport.ts';
import { runAnyKindController } from './any-kind.ts';
import { userOf } from './controller-roles.ts';
import { runController } from './controller-runtime.ts';
import type { Controller } from './define-controller.ts';
import type { ControllerStats, KeyRunner, RunEnvironment } from './key-runner.ts';

export interface ControllersOptions {
  controllers: readonly Controller[];
  /** Names of those that are not to run. */
  without?: readonly string[];
  transportFor(user: UserInfo): Transport;
  kinds: KindRegistry;
  clock: Clock;
  random: Random;
  log: Log;
  /** A bug in a controller. Default: thrown out of every promise, so that the process ends. */
  onBug?(error: unknown): void;
  /** Shared with other components of the process; else their own, as `system:kube-controller-manager`. */
  informers?: SharedInformers;
}

export interface RunningControllers {
  /** Keys in queues and at work, Events not written yet. */
  readonly busy: number;
  readonly informers: SharedInformers;
  stats(): ({ name: string } & ControllerStats)[];
  /** Those of `all` that do not run yet are started; none after `stop`. */
  startMissing(all: readonly Controller[]): void;
  /** What is at work ends by itself; nothing new begins. */
  stop(): void;
}

const MANAGER: UserInfo = { name: 'system:kube-controller-manager', groups: ['system:authenticated'] };

/** As which a controller speaks; see `userOf`. */
export const serviceAccountUser = (name: string): UserInfo => ({
  name,
  groups: ['system:serviceaccounts', 'system:serviceaccounts:kube-system', 'system:authenticated'],
});

/** Keys gather at once; work begins for each controller when the informers have listed. */
export const startControllers = (options: ControllersOptions): RunningControllers => new StartedControllers(options);

class StartedControllers implements RunningControllers {
  readonly informers: SharedInformers;
  readonly #options: ControllersOptions;
  readonly #signal = new PlainSignal();
  readonly #runners = new Map<string, KeyRunner>();
  readonly #recorders: EventRecorder[] = [];

  constructor(options: ControllersOptions) {
    this.#options = options;
    this.informers = options.informers ?? this.#ownInformers();
    this.startMissing(options.controllers);
  }

  get busy(): number {
    let busy = 0;
    for (const runner of this.#runners.values()) busy += runner.busy;
    for (const recorder of this.#recorders) busy += recorder.pending;
    return busy;
  }

  stats(): ({ name: string } & ControllerStats)[] {
    return [...this.#runners.values()].map((runner) => ({ name: runner.name, ...runner.stats }));
  }

  startMissing(all: readonly Controller[]): void {
    if (this.#signal.aborted) return;
    const { without = [] } = this.#options;
    const wanted = all.filter(({ name }) => !without.includes(name) && !this.#runners.has(name));
    // Who follows every kind comes last: of kinds that others follow whole it needs no informers of its own.
    const inOrder = [...wanted.filter(({ form }) => form === 'kind'), ...wanted.filter(({ form }) => form !== 'kind')];
    for (const controller of inOrder) this.#runners.set(controller.name, this.#runnerOf(controller));
  }

  stop(): void {
    this.#signal.abort(new Error('the controllers are stopped'));
    for (const runner of this.#runners.values()) runner.stop();
  }

  #ownInformers(): SharedInformers {
    const { transportFor, clock, random, log } = this.#options;
    return new SharedInformers({ client: new Client(transportFor(MANAGER)), clock, random, log, signal: this.#signal });
  }

  #runnerOf(controller: Controller): KeyRunner {
    const { transportFor, kinds, clock, random, log, onBug = throwOutOfPromises } = this.#options;
    const client = new Client(transportFor(serviceAccountUser(userOf(controller))));
    const component = (controller.form === 'kind' && controller.spec.eventSource) || controller.name;
    const events = new EventRecorder({ client, clock, random, component, log, signal: this.#signal });
    this.#recorders.push(events);
    const env: RunEnvironment = {
      informers: this.informers,
      client,
      kinds,
      events,
      clock,
      random,
      log: log.child({ controller: controller.name }),
      onBug,
    };
    return controller.form === 'kind' ? runController(controller, env) : runAnyKindController(controller, env);
  }
}
