/**
 * What goes wrong on purpose: requests that are refused, late or lost, watches that break off, nodes that die. Every client of
 * the cluster is concerned, in the process or over HTTPS, but not the API server's own reading of its objects.
 */
import { expired, StatusError, type StatusReason, serviceUnavailable } from '#api/machinery/status.ts';
import type { Clock } from '#base/clock.ts';
import { sleep } from '#base/clock.ts';
import type { Soon } from '#base/soon.ts';
import { Unreachable, type UserInfo } from '#client/transport.ts';
import type { RequestInfo } from '#control-plane/apiserver/request-info.ts';
import { type Duration, millisecondsOf } from './test-clock.ts';

/** Which requests: what is left out may be anything. */
export interface Which {
  /**
   * `create`, `update`, `patch`, `delete`, `deletecollection`, `get`, `list`, `watch`. Informers within the process list by their
   * watch: that is the one to meet them by.
   */
  verb?: string;
  /** Plural, with its group where there is one, and its subresource: `pods`, `deployments.apps`, `pods/status`. */
  resource?: string;
  namespace?: string;
  name?: string;
  /** `system:serviceaccount:kube-system:deployment-controller` */
  user?: string;
  /** After so many it is over. Default: when it is ended. */
  times?: number;
}

export interface Fault {
  /** How many requests it has met. */
  readonly hits: number;
  end(): void;
}

export interface Refusal {
  /** Default: ServiceUnavailable. */
  reason?: StatusReason;
  message?: string;
}

type Effect =
  | { kind: 'fail'; refusal: Refusal }
  | { kind: 'delay'; ms: number }
  | { kind: 'drop'; carriedOut: boolean };

interface Planned {
  which: Which;
  effect: Effect;
  hits: number;
}

export interface NodeSwitch {
  stopNode(name: string): Promise<void>;
  startNode(name: string): Promise<void>;
}

/** A watch that is open, or about to be. */
export interface FollowedWatch {
  /** Read from the path only when it is asked for. */
  info: () => RequestInfo;
  user: UserInfo;
  /** Set when the watch was dropped: with the error that its client gets, or undefined for an orderly end. */
  dropped?: { reason: Error | undefined };
  /** Called when it is dropped. */
  onDrop?(): void;
}

export class Faults {
  readonly #clock: Clock;
  readonly #nodes: NodeSwitch;
  readonly #planned = new Set<Planned>();
  readonly #watches = new Set<FollowedWatch>();
  #delayed = 0;
  #delayedWatches = 0;
  readonly #meetWatches: () => void;

  /** `meetWatches` opens those that the cluster has left for later: watches are to be met as if it had not. */
  constructor({ clock, nodes, meetWatches }: { clock: Clock; nodes: NodeSwitch; meetWatches(): void }) {
    this.#clock = clock;
    this.#nodes = nodes;
    this.#meetWatches = meetWatches;
  }

  /** Such requests are refused, and change nothing. */
  fail(which: Which, refusal: Refusal = {}): Fault {
    return this.#plan(which, { kind: 'fail', refusal });
  }

  /** Such requests begin so much later, on the cluster's clock. Until then the cluster settles without them, and without who waits for them. */
  delay(which: Which, duration: Duration): Fault {
    return this.#plan(which, { kind: 'delay', ms: millisecondsOf(duration) });
  }

  /** Such requests are never answered: their connection breaks, after they took effect or (`carriedOut: false`) before. */
  drop(which: Which, { carriedOut = true }: { carriedOut?: boolean } = {}): Fault {
    return this.#plan(which, { kind: 'drop', carriedOut });
  }

  /**
   * Ends the open watches of these: `closed` in order, `lost` as when a connection breaks, `expired` with 410, after which a
   * client has to begin anew. Gives how many they were.
   */
  dropWatch(which: Omit<Which, 'verb' | 'times'> = {}, how: 'closed' | 'lost' | 'expired' = 'lost'): number {
    this.#meetWatches();
    const met = [...this.#watches].filter(({ info, user }) => matches(which, info(), user));
    for (const watch of met) {
      this.#watches.delete(watch);
      watch.dropped = { reason: how === 'closed' ? undefined : endOf(how) };
      watch.onDrop?.();
    }
    return met.length;
  }

  /** A simulated node dies: no lease is renewed, nothing is reported, its pods stay as they were. */
  stopNode(name: string): Promise<void> {
    return this.#nodes.stopNode(name);
  }

  startNode(name: string): Promise<void> {
    return this.#nodes.startNode(name);
  }

  /** Ends all of them; nodes that were stopped stay so. */
  clear(): void {
    this.#planned.clear();
  }

  /** Whether a request has anything to fear: asked for each. */
  get isQuiet(): boolean {
    return this.#planned.size === 0;
  }

  /** Requests that wait for a time, without watches. */
  get delayed(): number {
    return this.#delayed;
  }

  /** Watches that wait for a time to be opened. */
  get delayedWatches(): number {
    return this.#delayedWatches;
  }

  /** Carries a request out, or not. */
  async around<T>(info: RequestInfo, user: UserInfo, request: () => Soon<T>): Promise<T> {
    const planned = this.#met(info, user);
    if (!planned) return request();
    const { effect } = planned;
    if (effect.kind === 'fail') throw refusalOf(effect.refusal);
    if (effect.kind === 'delay') {
      await this.#waits(effect.ms, info);
      return request();
    }
    if (effect.carriedOut) await request();
    throw new Unreachable('the answer was lost (a fault of the test)');
  }

  /** Like `around`, for the opening of a watch, which can be dropped until it is `over`. */
  async openWatch<T>(
    info: () => RequestInfo,
    user: UserInfo,
    open: () => Promise<T>,
  ): Promise<{ opened: T; watch: FollowedWatch; over(): void }> {
    const watch: FollowedWatch = { info, user };
    const over = () => void this.#watches.delete(watch);
    this.#watches.add(watch);
    try {
      return { opened: await (this.isQuiet ? open() : this.around(info(), user, open)), watch, over };
    } catch (error) {
      over();
      throw error;
    }
  }

  async #waits(ms: number, { verb }: RequestInfo): Promise<void> {
    const count = (by: 1 | -1) => {
      if (verb === 'watch') this.#delayedWatches += by;
      else this.#delayed += by;
    };
    count(1);
    try {
      await sleep(this.#clock, ms);
    } finally {
      count(-1);
    }
  }

  #plan(which: Which, effect: Effect): Fault {
    if (which.verb === undefined || which.verb === 'watch') this.#meetWatches(); // they are open: it is not for them
    const planned: Planned = { which, effect, hits: 0 };
    this.#planned.add(planned);
    return new PlannedFault(planned, () => void this.#planned.delete(planned));
  }

  #met(info: RequestInfo, user: UserInfo): Planned | undefined {
    for (const planned of this.#planned) {
      if (!matches(planned.which, info, user)) continue;
      planned.hits++;
      if (planned.hits >= (planned.which.times ?? Number.POSITIVE_INFINITY)) this.#planned.delete(planned);
      return planned;
    }
    return undefined;
  }
}

class PlannedFault implements Fault {
  readonly #planned: Planned;
  readonly end: () => void;

  constructor(planned: Planned, end: () => void) {
    this.#planned = planned;
    this.end = end;
  }

  get hits(): number {
    return this.#planned.hits;
  }
}

function matches({ verb, resource, namespace, name, user }: Which, info: RequestInfo, by: UserInfo): boolean {
  if (user !== undefined && user !== by.name) return false;
  if (verb !== undefined && verb !== info.verb) return false;
  if (!info.isResource) return resource === undefined && namespace === undefined && name === undefined;
  return (
    (resource === undefined || resource === resourceOf(info)) &&
    (namespace === undefined || namespace === info.namespace) &&
    (name === undefined || name === info.name)
  );
}

const resourceOf = ({ resource, group, subresource }: RequestInfo & { isResource: true }): string =>
  `${resource}${group ? `.${group}` : ''}${subresource ? `/${subresource}` : ''}`;

const refusalOf = ({ reason, message = 'a fault of the test' }: Refusal): StatusError =>
  reason ? new StatusError(reason, message) : serviceUnavailable(message);

const endOf = (how: 'lost' | 'expired'): Error =>
  how === 'expired'
    ? expired('The resourceVersion for the provided watch is too old.')
    : new Unreachable('the watch was lost (a fault of the test)');
