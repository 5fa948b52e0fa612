/**
 * The pods that wait for a node. Those that can be tried are active, in order; one that was refused waits for a change that
 * could help it, then for its back-off; one that may not be tried at all is gated. Source: "Scheduling queue", KEP-4247.
 */
import type { Pod } from '#api/core/v1/pod.ts';
import { isEqual } from '#api/machinery/equal.ts';
import type { ObjectKey } from '#api/machinery/object.ts';
import { keyOf } from '#api/machinery/object.ts';
import type { Clock, Timer } from '#base/clock.ts';
import { Heap } from '#base/heap.ts';
import type { ClusterChange, Plugin, QueuedPod, RetryHint } from './define-plugin.ts';

interface Entry extends QueuedPod {
  key: ObjectKey;
  /** The how manieth it is: where the order says nothing, as of pods that came in one millisecond, the first comes first. */
  arrival: number;
  state: 'active' | 'backing off' | 'unschedulable' | 'gated' | 'in flight';
  /** Room is being made for it: it is not tried before that is over. */
  isHeld: boolean;
  /** Something happened meanwhile that could help it. */
  isHelped: boolean;
  /** Plugins that refused it: their hints say what could help. */
  refusedBy: readonly Plugin[];
  /** How often it was refused, and how often in a row something went wrong: its back-off grows with them. */
  refusals: number;
  failures: number;
  /** Changes up to this one were known when it was last tried. */
  triedAtChange: number;
  backOffUntilMs: number;
  timer?: Timer;
}

export interface QueueOptions {
  clock: Clock;
  order(a: QueuedPod, b: QueuedPod): number;
  /** The plugin that does not let it be tried, if any. */
  gateOf(pod: Pod): Plugin | undefined;
  /** There is something to take. */
  onReady(): void;
  backOff?: BackOffTimes | undefined;
}

/** Doubled with each try. Source: KubeSchedulerConfiguration, podInitialBackoffSeconds and podMaxBackoffSeconds. */
export interface BackOffTimes {
  firstMs: number;
  mostMs: number;
}

const BACK_OFF: BackOffTimes = { firstMs: 1_000, mostMs: 10_000 };
/** Upstream's flush. */
const MOST_WAIT_MS = 300_000;
/** Pods whose back-off ends in the same span stand in the order of the active ones. Source: backoffQOrderingWindowDuration. */
const BACK_OFF_SPAN_MS = 1_000;
const spanOf = ({ backOffUntilMs }: Entry): number => Math.floor(backOffUntilMs / BACK_OFF_SPAN_MS);

export class SchedulingQueue {
  readonly #options: QueueOptions;
  readonly #entries = new Map<ObjectKey, Entry>();
  readonly #active: Heap<Entry>;
  /** Of those that back off the ones that were refused: when nothing else is to be tried their time is not waited for. */
  readonly #refused: Heap<Entry>;
  /** Pods that wait for a change, by the plugins that could be helped by one. */
  readonly #waiting = new Map<Plugin, Set<Entry>>();
  /** In the order in which they were taken. */
  readonly #inFlight = new Set<Entry>();
  readonly #recent = new RecentChanges();
  #arrivals = 0;

  constructor(options: QueueOptions) {
    this.#options = options;
    const order = (a: Entry, b: Entry) => options.order(a, b) || a.arrival - b.arrival;
    this.#active = new Heap(order);
    this.#refused = new Heap((a, b) => spanOf(a) - spanOf(b) || order(a, b));
  }

  /** What `take` would give. */
  get readyCount(): number {
    return this.#active.size + this.#refused.size;
  }

  /** By state. */
  counts(): Record<Entry['state'], number> {
    const counts = { active: 0, 'backing off': 0, unschedulable: 0, gated: 0, 'in flight': 0 };
    for (const { state } of this.#entries.values()) counts[state]++;
    return counts;
  }

  /** A new pod, or a pod that waits already and has changed. */
  put(pod: Pod): void {
    const key = keyOf(pod);
    const known = this.#entries.get(key);
    if (!known || known.pod.metadata.uid !== pod.metadata.uid) {
      if (known) this.remove(known.pod);
      this.#add(key, pod);
      return;
    }
    const hasChanged = !isEqual(askedOf(known.pod), askedOf(pod));
    known.pod = pod;
    if (!hasChanged || known.state === 'active') return;
    if (known.state === 'in flight') {
      known.isHelped = true;
      return;
    }
    if (known.state === 'gated' && this.#options.gateOf(pod)) return;
    this.#retry(known);
  }

  remove(pod: Pod): void {
    const entry = this.#entries.get(keyOf(pod));
    if (!entry || entry.pod.metadata.uid !== pod.metadata.uid) return;
    this.#leave(entry);
    this.#entries.delete(entry.key);
  }

  /** The next to try; it stays known until `done` or `refused`. Source: SchedulerPopFromBackoffQ, for those that back off. */
  take(): QueuedPod | undefined {
    const entry = this.#active.pop() ?? this.#refused.pop();
    if (!entry) return undefined;
    this.#enter(entry, 'in flight');
    entry.attempts++;
    entry.isHelped = false;
    entry.triedAtChange = this.#recent.end;
    return entry;
  }

  /** It has a node, or is not ours any more. */
  done(pod: Pod): void {
    const entry = this.#entries.get(keyOf(pod));
    if (entry?.pod.metadata.uid === pod.metadata.uid) {
      this.#leave(entry);
      this.#entries.delete(entry.key);
    }
    this.#trimRecent();
  }

  /** `plugins` empty: nobody refused it, something went wrong; it is tried again after its back-off. */
  refused(pod: Pod, plugins: readonly Plugin[]): void {
    const entry = this.#entries.get(keyOf(pod));
    if (entry?.state !== 'in flight' || entry.pod.metadata.uid !== pod.metadata.uid) return; // removed meanwhile
    const { backOff = BACK_OFF, clock } = this.#options;
    entry.refusedBy = plugins;
    if (plugins.length > 0) entry.refusals++;
    entry.failures = plugins.length > 0 ? 0 : entry.failures + 1;
    const count = entry.failures || entry.refusals;
    entry.backOffUntilMs = clock.now() + Math.min(backOff.mostMs, backOff.firstMs * 2 ** (count - 1));
    const isHelped = () => this.#recent.some(entry.triedAtChange, (change) => couldHelp(entry, change));
    if (plugins.length === 0 || entry.isHelped || isHelped()) this.#retry(entry);
    else this.#wait(entry);
    this.#trimRecent();
  }

  /** Until `release` it is not tried, whatever changes. */
  hold(pod: Pod): void {
    const entry = this.#entries.get(keyOf(pod));
    if (entry?.pod.metadata.uid === pod.metadata.uid) entry.isHeld = true;
  }

  /** If no room was made after all, or something could have helped it meanwhile, it is tried after its back-off. */
  release(pod: Pod, { hasFailed = false } = {}): void {
    const entry = this.#entries.get(keyOf(pod));
    if (!entry?.isHeld || entry.pod.metadata.uid !== pod.metadata.uid) return;
    entry.isHeld = false;
    if ((hasFailed || entry.isHelped) && entry.state === 'unschedulable') this.#retry(entry, { isEarly: !hasFailed });
  }

  /** Something in the cluster is different now. */
  changed(change: ClusterChange): void {
    if (this.#waiting.size > 0) {
      const helped = new Set<Entry>();
      for (const [plugin, entries] of this.#waiting)
        for (const hint of hintsFor(plugin, change))
          for (const entry of entries)
            if (!isOwn(change, entry) && (!hint || hint(change, entry.pod))) helped.add(entry);
      for (const entry of helped) this.#retry(entry);
    }
    if (this.#inFlight.size > 0) this.#recent.add(change);
  }

  stop(): void {
    for (const { timer } of this.#entries.values()) timer?.cancel();
    this.#entries.clear();
  }

  #add(key: ObjectKey, pod: Pod): void {
    const nowMs = this.#options.clock.now();
    const entry: Entry = {
      key,
      arrival: this.#arrivals++,
      pod,
      sinceMs: nowMs,
      attempts: 0,
      state: 'gated',
      isHeld: false,
      isHelped: false,
      refusedBy: [],
      refusals: 0,
      failures: 0,
      triedAtChange: 0,
      backOffUntilMs: 0,
    };
    this.#entries.set(key, entry);
    if (!this.#options.gateOf(pod)) this.#retry(entry);
  }

  /** `isEarly`: before its time, when nothing else is to be tried. */
  #retry(entry: Entry, { isEarly = true } = {}): void {
    const { clock, onReady } = this.#options;
    if (entry.isHeld) {
      entry.isHelped = true;
      if (entry.state !== 'unschedulable') this.#wait(entry);
      return;
    }
    const leftMs = entry.backOffUntilMs - clock.now();
    this.#enter(entry, leftMs > 0 ? 'backing off' : 'active');
    if (leftMs > 0) {
      entry.timer = clock.timer(leftMs, () => this.#retry(entry));
      if (!isEarly || entry.refusedBy.length === 0) return;
      this.#refused.push(entry);
      onReady();
      return;
    }
    this.#active.push(entry);
    onReady();
  }

  /** For a change; after five minutes it is tried in any case. */
  #wait(entry: Entry): void {
    const { clock } = this.#options;
    this.#enter(entry, 'unschedulable');
    entry.timer = clock.timer(MOST_WAIT_MS, () => this.#retry(entry));
  }

  #enter(entry: Entry, state: Entry['state']): void {
    this.#leave(entry);
    entry.state = state;
    if (state === 'in flight') this.#inFlight.add(entry);
    if (state !== 'unschedulable') return;
    for (const plugin of entry.refusedBy) {
      const entries = this.#waiting.get(plugin);
      if (entries) entries.add(entry);
      else this.#waiting.set(plugin, new Set([entry]));
    }
  }

  #leave(entry: Entry): void {
    entry.timer?.cancel();
    if (entry.state === 'active') this.#active.remove(entry);
    if (entry.state === 'backing off') this.#refused.remove(entry);
    if (entry.state === 'in flight') this.#inFlight.delete(entry);
    if (entry.state !== 'unschedulable') return;
    for (const plugin of entry.refusedBy) {
      const entries = this.#waiting.get(plugin);
      entries?.delete(entry);
      if (entries?.size === 0) this.#waiting.delete(plugin);
    }
  }

  #trimRecent(): void {
    const oldest: Entry | undefined = this.#inFlight.values().next().value;
    this.#recent.forgetBefore(oldest?.triedAtChange ?? this.#recent.end);
  }
}

/** Changes since the oldest pod in flight was taken: one of them may help a pod that is refused after it. */
class RecentChanges {
  #changes: ClusterChange[] = [];
  /** The number of the first of them. */
  #first = 0;
  /** Changes at the front that nobody needs; taken away when they are many. */
  #forgotten = 0;

  get end(): number {
    return this.#first + this.#changes.length;
  }

  add(change: ClusterChange): void {
    this.#changes.push(change);
  }

  some(from: number, test: (change: ClusterChange) => boolean): boolean {
    for (let i = from - this.#first; i < this.#changes.length; i++)
      if (test(this.#changes[i] as ClusterChange)) return true;
    return false;
  }

  forgetBefore(number: number): void {
    this.#forgotten = number - this.#first;
    if (this.#forgotten * 2 < this.#changes.length) return;
    this.#changes = this.#changes.slice(this.#forgotten);
    this.#first = number;
    this.#forgotten = 0;
  }
}

const EVERY_CHANGE = [undefined];
const NO_CHANGE: readonly RetryHint[] = [];

/** Of a plugin's hints those that this change concerns; undefined stands for any pod. */
function hintsFor({ retryWhen }: Plugin, change: ClusterChange): readonly (RetryHint | undefined)[] {
  if (!retryWhen) return EVERY_CHANGE;
  let hints = NO_CHANGE;
  for (const hint of retryWhen) if (hint.concerns?.(change) ?? true) hints = [...hints, hint];
  return hints;
}

const couldHelp = (entry: Entry, change: ClusterChange): boolean =>
  !isOwn(change, entry) &&
  entry.refusedBy.some((plugin) => hintsFor(plugin, change).some((hint) => !hint || hint(change, entry.pod)));

/** The place that it gives up itself is no help to it: it would be tried on and on. */
const isOwn = ({ now, before }: ClusterChange, { pod }: Entry): boolean =>
  !now && before?.metadata.uid === pod.metadata.uid;

/** What of a pod its scheduling depends on. */
const askedOf = ({ spec, metadata, status }: Pod): unknown => [spec, metadata.labels, status?.resourceClaimStatuses];
