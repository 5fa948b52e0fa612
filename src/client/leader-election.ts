/**
 * One of several at a time, by a Lease. Whoever holds it renews it; others take it when it has not moved for its duration, by
 * their own clock, so that clocks need not agree. Source: client-go, tools/leaderelection.
 */
import { Lease } from '#api/coordination/v1/lease.ts';
import { hasReason, StatusError } from '#api/machinery/status.ts';
import { microTimestampOf } from '#api/machinery/timestamp.ts';
import type { Clock } from '#base/clock.ts';
import { sleep } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import { silentLog } from '#base/log.ts';
import type { Random } from '#base/random.ts';
import type { Client } from './client.ts';
import { Unreachable } from './transport.ts';

export interface LeaderElectionOptions {
  client: Client;
  clock: Clock;
  random: Random;
  lease: { name: string; namespace: string };
  /** Unique among those who want to lead. */
  identity: string;
  signal: AbortSignal;
  leaseDurationMs?: number;
  /** A leader that could not renew for so long stops leading. Less than the duration. */
  renewDeadlineMs?: number;
  retryPeriodMs?: number;
  log?: Log;
}

const JITTER = 1.2;

/**
 * Waits to be the leader, then runs `work` until it ends or leadership is lost (its signal aborts). Resolves true when work
 * ended by itself, false when leadership was lost; when `signal` aborts the Lease is given back. What `work` throws is thrown.
 */
export async function lead(
  options: LeaderElectionOptions,
  work: (signal: AbortSignal) => Promise<void>,
): Promise<boolean> {
  const candidate = new Candidate(options);
  await candidate.acquire();
  const losing = new AbortController();
  const stop = () => losing.abort(options.signal.reason);
  options.signal.addEventListener('abort', stop, { once: true });
  if (options.signal.aborted) stop();
  const kept = candidate.keep(losing);
  let isDone = false;
  try {
    await work(losing.signal);
    isDone = !losing.signal.aborted;
  } finally {
    options.signal.removeEventListener('abort', stop);
    losing.abort(new Error('the work has ended'));
    await kept;
    await candidate.release();
  }
  return isDone;
}

class Candidate {
  readonly #options: Required<LeaderElectionOptions>;
  /** As it was last seen; and when it was first seen so, by our clock. */
  #seen: Lease | undefined;
  #seenMs = 0;
  #holds = false;

  constructor(options: LeaderElectionOptions) {
    const defaults = { leaseDurationMs: 15_000, renewDeadlineMs: 10_000, retryPeriodMs: 2_000, log: silentLog };
    this.#options = { ...defaults, ...options };
  }

  /** Throws the signal's reason when it aborts. */
  async acquire(): Promise<void> {
    const { clock, random, retryPeriodMs, signal } = this.#options;
    while (!(await this.#tried())) await sleep(clock, retryPeriodMs * (1 + JITTER * random.next()), signal);
    this.#options.log.info('leading', { lease: this.#options.lease.name });
  }

  /** Renews until `losing` aborts, or aborts it when renewing failed for too long. */
  async keep(losing: AbortController): Promise<void> {
    const { clock, retryPeriodMs, renewDeadlineMs } = this.#options;
    let renewedMs = clock.monotonicMs();
    while (!losing.signal.aborted) {
      await sleep(clock, retryPeriodMs, losing.signal).catch(() => undefined); // aborted: the loop ends
      if (losing.signal.aborted) return;
      const triedMs = clock.monotonicMs();
      if (await this.#triedWithin(renewedMs + renewDeadlineMs - triedMs)) renewedMs = triedMs;
      else if (clock.monotonicMs() - renewedMs >= renewDeadlineMs || this.#isHeldByOther()) {
        this.#holds = false;
        losing.abort(new Error('leadership was lost'));
      }
    }
  }

  /** Lets others lead at once. */
  async release(): Promise<void> {
    if (!this.#holds || !this.#seen) return;
    this.#holds = false;
    const { client, clock } = this.#options;
    const time = microTimestampOf(clock.now());
    const spec = {
      ...this.#seen.spec,
      holderIdentity: '',
      leaseDurationSeconds: 1,
      renewTime: time,
      acquireTime: time,
    };
    await client.update(Lease, { ...this.#seen, spec }).catch(expected);
  }

  /** Who hears nothing in time has not renewed, whatever becomes of the request. */
  async #triedWithin(ms: number): Promise<boolean> {
    const heard = new AbortController();
    const late = sleep(this.#options.clock, Math.max(0, ms), heard.signal).catch(noMatter);
    try {
      return await Promise.race([this.#tried(), late.then(() => false)]);
    } finally {
      heard.abort();
    }
  }

  async #tried(): Promise<boolean> {
    try {
      const lease = await this.#taken();
      this.#holds = lease !== undefined;
      if (lease) this.#see(lease);
      return this.#holds;
    } catch (error) {
      expected(error);
      this.#options.log.debug('the lease could not be taken', { error: (error as Error).message });
      return false;
    }
  }

  async #taken(): Promise<Lease | undefined> {
    const { client, lease: at, identity, clock, leaseDurationMs } = this.#options;
    const time = microTimestampOf(clock.now());
    const mine = { holderIdentity: identity, leaseDurationSeconds: leaseDurationMs / 1000, renewTime: time };
    const current = await this.#current();
    if (!current)
      return client.create(Lease, { metadata: at, spec: { ...mine, acquireTime: time, leaseTransitions: 0 } });
    this.#see(current);
    const isMine = current.spec.holderIdentity === identity;
    if (!isMine && this.#isHeldByOther()) return undefined;
    const taken = { acquireTime: time, leaseTransitions: (current.spec.leaseTransitions ?? 0) + 1 };
    return client.update(Lease, { ...current, spec: { ...current.spec, ...mine, ...(!isMine && taken) } });
  }

  async #current(): Promise<Lease | undefined> {
    const { client, lease } = this.#options;
    try {
      return await client.get(Lease, lease);
    } catch (error) {
      if (hasReason(error, 'NotFound')) return undefined;
      throw error;
    }
  }

  #see(lease: Lease): void {
    if (this.#seen?.metadata.resourceVersion === lease.metadata.resourceVersion) return;
    this.#seen = lease;
    this.#seenMs = this.#options.clock.monotonicMs();
  }

  #isHeldByOther(): boolean {
    const { identity, clock } = this.#options;
    const { holderIdentity, leaseDurationSeconds = 0 } = this.#seen?.spec ?? {};
    if (!holderIdentity || holderIdentity === identity) return false;
    return clock.monotonicMs() < this.#seenMs + leaseDurationSeconds * 1000;
  }
}

const noMatter = (): void => undefined;

/** What a server may answer, or that it does not. Anything else is a bug. */
function expected(error: unknown): void {
  if (!(error instanceof StatusError) && !(error instanceof Unreachable)) throw error;
}
