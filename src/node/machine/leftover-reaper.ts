/** Looks now and then for what a node's containerd has left, and takes away what is still nobody's at a later look. */
import type { Log } from '#base/log.ts';
import { type RemovalContext, removeLeftover } from './remove-leftover.ts';
import { type Leftover, RuntimeLeftovers } from './runtime-leftovers.ts';

export interface ReaperOptions extends RemovalContext {
  log: Log;
  /** Wall time when the node's containerd was started; undefined: it was there before us. */
  startedMs?: number | undefined;
  /** How long something must have been nobody's. */
  ageMs?: number;
}

/** A look reads all processes: seldom, but for when there is something, or soon may be. */
const EVERY_MS = 30_000;
const AGAIN_MS = 2_000;
/** What a killed containerd has a record of is nobody's when the kubelet has given it up. */
const WAKEFUL_MS = 60_000;
/** What containerd is just taking away itself is gone by then. */
const AGE_MS = 5_000;
/** A network is made a moment before it is written down whose it is, and a machine with much to do writes late. */
const AGES_OF_NETWORK = 4;

export class LeftoverReaper {
  readonly #options: ReaperOptions;
  readonly #finder: RuntimeLeftovers;
  /** By what it is, when it was first seen without an owner. In monotonic ms. */
  #since = new Map<string, number>();
  #leases: readonly Leftover[] | undefined;
  #dueMs = 0;
  readonly #sleepyMs: number;
  #looking: Promise<void> | undefined;

  constructor(options: ReaperOptions) {
    this.#options = options;
    this.#finder = new RuntimeLeftovers(options);
    this.#sleepyMs = options.clock.monotonicMs() + (options.startedMs === undefined ? 0 : WAKEFUL_MS);
  }

  /** To be called often: it is up to the reaper when it looks. A failure is told in the log. */
  async lookWhenDue(): Promise<void> {
    if (this.#options.clock.monotonicMs() < this.#dueMs) return;
    await this.look().catch((error: unknown) => this.#tell('what the container runtime has left is not known', error));
  }

  /** Looks at once, and takes away what was nobody's for long enough. Calls that come together share one look. */
  look(): Promise<void> {
    this.#looking ??= this.#look().finally(() => {
      const now = this.#options.clock.monotonicMs();
      this.#dueMs = now + (this.#since.size > 0 || now < this.#sleepyMs ? AGAIN_MS : EVERY_MS);
      this.#looking = undefined;
    });
    return this.#looking;
  }

  /** Resolves when nothing is being taken away. */
  async settled(): Promise<void> {
    await this.#looking?.catch(() => undefined); // told by whoever asked for the look
  }

  async #look(): Promise<void> {
    const { clock, startedMs, ageMs = AGE_MS } = this.#options;
    this.#leases ??= startedMs === undefined ? [] : await this.#finder.leasesBefore(startedMs);
    const found = [...this.#leases, ...(await this.#finder.find())];
    const now = clock.monotonicMs();
    this.#since = new Map(found.map((each) => [nameOf(each), this.#since.get(nameOf(each)) ?? now]));
    for (const each of found) {
      const least = each.sort === 'network namespace' ? AGES_OF_NETWORK * ageMs : ageMs;
      if (now - (this.#since.get(nameOf(each)) ?? now) < least) continue;
      await this.#remove(each);
    }
  }

  async #remove(leftover: Leftover): Promise<void> {
    const name = nameOf(leftover);
    try {
      await removeLeftover(leftover, this.#options);
      this.#options.log.warn('removed what the container runtime had forgotten', { what: name });
      this.#since.delete(name);
      this.#leases = this.#leases?.filter((each) => each !== leftover);
    } catch (error) {
      this.#tell('what the container runtime has forgotten cannot be removed', error, { what: name });
    }
  }

  /** It is tried again. */
  #tell(message: string, error: unknown, about: object = {}): void {
    if (!(error instanceof Error && 'code' in error)) throw error;
    this.#options.log.warn(message, { ...about, error: error.message });
  }
}

const nameOf = (leftover: Leftover): string =>
  `${leftover.sort} ${'path' in leftover ? leftover.path : ''}${'id' in leftover ? leftover.id : ''}`;
