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
import type { ClusterChange, Plugin, QueuedPod } from './define-plugin.ts';

interface Entry extends QueuedPod {
  key: ObjectKey;
  state: 'active' | 'backing off' | 'unschedulable' | 'gated' | 'in flight';
  /** Plugins that refused it: their hints say what could help. */
  refusedBy: readonly Plugin[];
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
}

// Source: KubeSchedulerConfiguration, podInitialBackoffSeconds and podMaxBackoffSeconds; the flush after five minutes.
const FIRST_BACK_OFF_MS = 1_000;
const MOST_BACK_OFF_MS = 10_000;
const MOST_WAIT_MS = 300_000;

export class SchedulingQueue {
  readonly #options: QueueOptions;
  readonly #entries = new Map<ObjectKey, Entry>();
  readonly #active: Heap<Entry>;
  readonly #unschedulable = new Set<Entry>();
  readonly #inFlight = new Set<Entry>();
  /** Changes since the oldest pod in flight was taken. */
  #recent: { number: number; change: ClusterChange }[] = [];
  #changes = 0;

  constructor(options: QueueOptions) {
    this.#options = options;
    this.#active = new Heap((a, b) => options.order(a, b));
  }

  get activeCount(): number {
    return this.#active.size;
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
    if (!hasChanged || known.state === 'in flight' || known.state === 'active') return;
    if (known.state === 'gated' && this.#options.gateOf(pod)) return;
    this.#retry(known);
  }

  remove(pod: Pod): void {
    const entry = this.#entries.get(keyOf(pod));
    if (!entry || entry.pod.metadata.uid !== pod.metadata.uid) return;
    this.#leave(entry);
    this.#entries.delete(entry.key);
  }

  /** The next to try; it stays known until `done` or `refused`. */
  take(): QueuedPod | undefined {
    const entry = this.#active.pop();
    if (!entry) return undefined;
    this.#enter(entry, 'in flight');
    entry.attempts++;
    entry.triedAtChange = this.#changes;
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
    if (entry?.state !== 'in flight') return; // removed meanwhile
    const { clock } = this.#options;
    entry.refusedBy = plugins;
    entry.backOffUntilMs = clock.now() + Math.min(MOST_BACK_OFF_MS, FIRST_BACK_OFF_MS * 2 ** (entry.attempts - 1));
    const missed = this.#recent.filter(({ number }) => number > entry.triedAtChange);
    if (plugins.length === 0 || missed.some(({ change }) => couldHelp(entry, change))) this.#retry(entry);
    else this.#wait(entry);
    this.#trimRecent();
  }

  /** Something in the cluster is different now. */
  changed(change: ClusterChange): void {
    this.#changes++;
    for (const entry of this.#unschedulable) if (couldHelp(entry, change)) this.#retry(entry);
    if (this.#inFlight.size > 0) this.#recent.push({ number: this.#changes, change });
  }

  stop(): void {
    for (const { timer } of this.#entries.values()) timer?.cancel();
    this.#entries.clear();
  }

  #add(key: ObjectKey, pod: Pod): void {
    const nowMs = this.#options.clock.now();
    const entry: Entry = {
      key,
      pod,
      sinceMs: nowMs,
      attempts: 0,
      state: 'gated',
      refusedBy: [],
      triedAtChange: 0,
      backOffUntilMs: 0,
    };
    this.#entries.set(key, entry);
    if (!this.#options.gateOf(pod)) this.#retry(entry);
  }

  #retry(entry: Entry): void {
    const { clock, onReady } = this.#options;
    const leftMs = entry.backOffUntilMs - clock.now();
    this.#enter(entry, leftMs > 0 ? 'backing off' : 'active');
    if (leftMs > 0) {
      entry.timer = clock.timer(leftMs, () => this.#retry(entry));
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
    if (state === 'unschedulable') this.#unschedulable.add(entry);
    if (state === 'in flight') this.#inFlight.add(entry);
  }

  #leave(entry: Entry): void {
    entry.timer?.cancel();
    this.#active.remove(entry);
    this.#unschedulable.delete(entry);
    this.#inFlight.delete(entry);
  }

  #trimRecent(): void {
    const oldest = Math.min(...[...this.#inFlight].map(({ triedAtChange }) => triedAtChange));
    const behind = this.#recent.findIndex(({ number }) => number > oldest);
    this.#recent = behind < 0 ? [] : this.#recent.slice(behind);
  }
}

const couldHelp = ({ refusedBy, pod }: Entry, change: ClusterChange): boolean =>
  refusedBy.some(({ retryWhen }) => !retryWhen || retryWhen.some((hint) => hint(change, pod)));

/** What of a pod its scheduling depends on. */
const askedOf = ({ spec, metadata }: Pod): unknown => [spec, metadata.labels];
