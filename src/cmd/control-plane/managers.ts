/**
 * The controllers and the scheduler of one control plane. Where others share the store, one control plane at a time runs each
 * of them; on a store of its own nobody else could, and nothing is waited for.
 */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { SchedulingExplanation } from '#api/kedge/v1alpha1/scheduling-explanation.ts';
import type { KindRegistry } from '#api/machinery/kind.ts';
import type { ObjectKey } from '#api/machinery/object.ts';
import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { Random } from '#base/random.ts';
import { Client } from '#client/client.ts';
import { SharedInformers } from '#client/informers.ts';
import type { Transport, UserInfo } from '#client/transport.ts';
import { type Electable, whileLeading } from '#client/while-leading.ts';
import type { Controller } from '#control-plane/controllers/define-controller.ts';
import { type RunningControllers, startControllers } from '#control-plane/controllers/start-controllers.ts';
import { type RunningScheduler, startScheduler } from '#control-plane/scheduler/start-scheduler.ts';
import { type ApiServerFlags, FlagError } from './api-server-flags.ts';
import type { SchedulerSettings } from './scheduler-profiles.ts';

export interface ManagersOptions {
  flags: ApiServerFlags;
  /** Others may run controllers on the same store: they are elected unless `--leader-elect=false`. */
  isShared: boolean;
  /** Those that there are now: asked for each term, and by `startMissing`. */
  controllers(): readonly Controller[];
  scheduler?: SchedulerSettings | undefined;
  transportFor(user: UserInfo): Transport;
  kinds: KindRegistry;
  clock: Clock;
  random: Random;
  log: Log;
  breathe(): Promise<void>;
}

export interface Managers {
  /** For what else in this process follows objects, whoever leads. */
  readonly informers: SharedInformers;
  /** Of the controllers and of the scheduler here; those of the last term while others lead. */
  stats(): ReturnType<RunningControllers['stats']>;
  explain(key: ObjectKey): Promise<SchedulingExplanation | undefined> | undefined;
  /** For what else one control plane at a time does; undefined where nobody else could. */
  readonly whileLeading: ((component: string, start: () => Electable) => { stop(): Promise<void> }) | undefined;
  /** There are more controllers than before: those that do not run yet are started, if this process leads. */
  startMissing(): void;
  /** Gives Leases back, for others to lead at once. */
  stop(): Promise<void>;
}

const CONTROLLERS = 'kube-controller-manager';
const SCHEDULER = 'kube-scheduler';
/** Source: client-go, leaderelection.JitterFactor. */
const RETRY_JITTER = 1.2;

/** Throws FlagError. */
export function startManagers(options: ManagersOptions): Managers {
  const { flags, isShared, transportFor, kinds, clock, random, log, breathe } = options;
  const services = { transportFor, kinds, clock, random };
  const isElected = flags.boolean('leader-elect', isShared);
  const times = electionTimes(flags);
  const stopping = new AbortController();
  const client = new Client(transportFor(userOf(CONTROLLERS)));
  const informers = new SharedInformers({ client, clock, random, log, signal: stopping.signal });
  // Who leads for a term follows objects for that term: nothing of an earlier one may be in its caches.
  const followed = isElected ? {} : { informers };
  let running: RunningControllers | undefined;
  let scheduler: RunningScheduler | undefined;
  const start = {
    [CONTROLLERS]() {
      const ownLog = log.child({ component: 'controllers' });
      running = startControllers({ controllers: options.controllers(), ...services, ...followed, log: ownLog });
      return running;
    },
    [SCHEDULER]() {
      const ownLog = log.child({ component: 'scheduler' });
      const { profiles, ...told } = options.scheduler ?? {};
      const own = { ...told, ...(profiles && { profiles: profiles() }), log: ownLog, breathe, hostname: hostname() };
      scheduler = startScheduler({ ...services, ...followed, ...own });
      return scheduler;
    },
  };

  const identity = `${hostname()}_${randomUUID()}`;
  const elected = (component: string, user: UserInfo, part: () => Electable) => {
    const lease = { name: component, namespace: 'kube-system' };
    const asComponent = new Client(transportFor(user));
    return whileLeading({ client: asComponent, clock, random, log, identity, component, lease, ...times }, part);
  };
  const parts = ([CONTROLLERS, SCHEDULER] as const).map((component) =>
    isElected ? elected(component, userOf(component), start[component]) : alwaysRunning(start[component]()),
  );
  return {
    informers,
    whileLeading: isElected ? (component, part) => elected(component, OURSELVES, part) : undefined,
    stats: () => running?.stats() ?? [],
    startMissing: () => running?.startMissing(options.controllers()),
    explain: (key) => scheduler?.explain(key),
    async stop() {
      await Promise.all(parts.map((part) => part.stop()));
      stopping.abort(new Error('the control plane ends'));
    },
  };
}

/** Upstream's roles know nothing of what only this control plane does. */
const OURSELVES: UserInfo = { name: 'system:apiserver', groups: ['system:masters', 'system:authenticated'] };

const userOf = (component: string): UserInfo => ({ name: `system:${component}`, groups: ['system:authenticated'] });

const alwaysRunning = (part: Electable): { stop(): Promise<void> } => ({
  async stop() {
    part.stop();
  },
});

/** Upstream's defaults and rules. */
function electionTimes(flags: ApiServerFlags) {
  const leaseDurationMs = flags.milliseconds('leader-elect-lease-duration', 15_000);
  const renewDeadlineMs = flags.milliseconds('leader-elect-renew-deadline', 10_000);
  const retryPeriodMs = flags.milliseconds('leader-elect-retry-period', 2_000);
  if (leaseDurationMs <= renewDeadlineMs)
    throw new FlagError('--leader-elect-lease-duration: it must be more than --leader-elect-renew-deadline');
  if (retryPeriodMs < 1 || renewDeadlineMs <= retryPeriodMs * RETRY_JITTER)
    throw new FlagError(
      `--leader-elect-renew-deadline: it must be more than ${RETRY_JITTER} --leader-elect-retry-period`,
    );
  return { leaseDurationMs, renewDeadlineMs, retryPeriodMs };
}
