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
export function startControllers(options: ControllersOptions): RunningControllers {
  const { without = [], transportFor, kinds, clock, random, log } = options;
  const signal = new PlainSignal();
  const informers =
    options.informers ?? new SharedInformers({ client: new Client(transportFor(MANAGER)), clock, random, log, signal });
  const recorders: EventRecorder[] = [];

  const runners = new Map<string, KeyRunner>();
  const runnerOf = (controller: Controller): KeyRunner => {
    const client = new Client(transportFor(serviceAccountUser(userOf(controller))));
    const component = (controller.form === 'kind' && controller.spec.eventSource) || controller.name;
    const events = new EventRecorder({ client, clock, random, component, log, signal });
    recorders.push(events);
    const onBug = options.onBug ?? throwOutOfPromises;
    const env: RunEnvironment = {
      informers,
      client,
      kinds,
      events,
      clock,
      random,
      log: log.child({ controller: controller.name }),
      onBug,
    };
    return controller.form === 'kind' ? runController(controller, env) : runAnyKindController(controller, env);
  };
  const startMissing = (all: readonly Controller[]) => {
    if (signal.aborted) return;
    const wanted = all.filter(({ name }) => !without.includes(name) && !runners.has(name));
    // Who follows every kind comes last: of kinds that others follow whole it needs no informers of its own.
    const inOrder = [...wanted.filter(({ form }) => form === 'kind'), ...wanted.filter(({ form }) => form !== 'kind')];
    for (const controller of inOrder) runners.set(controller.name, runnerOf(controller));
  };
  startMissing(options.controllers);

  return {
    informers,
    get busy() {
      let busy = 0;
      for (const runner of runners.values()) busy += runner.busy;
      for (const recorder of recorders) busy += recorder.pending;
      return busy;
    },
    stats: () => [...runners.values()].map((runner) => ({ name: runner.name, ...runner.stats })),
    startMissing,
    stop() {
      signal.abort(new Error('the controllers are stopped'));
      for (const runner of runners.values()) runner.stop();
    },
  };
}
