/**
 * Tells which pods' containers have changed: by the runtime's own events at once, and by looking at the whole list every
 * ten seconds, or every second while there are no events (decision 18 of the design: nothing polls that can be told).
 */
import { type Clock, sleep, type Timer } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { Container } from '#node/runtime/container.ts';
import type { PodSandbox } from '#node/runtime/pod-sandbox.ts';
import type { ContainerRuntime, RuntimeEvent } from '#node/runtime/runtime.ts';
import { RuntimeError } from '#node/runtime/runtime-error.ts';
import { POD_UID } from './runtime-labels.ts';

export interface RuntimeWatcherOptions {
  runtime: ContainerRuntime;
  clock: Clock;
  log: Log;
  onChange(podUid: string): void;
  /** Whose it is, before any list has shown it. */
  podOf(id: string): string | undefined;
  /** All that the runtime has. */
  onRelist(found: RuntimeList): void;
}

export interface RuntimeList {
  sandboxes: readonly PodSandbox[];
  containers: readonly Container[];
}

const RELIST_MS = { withEvents: 10_000, without: 1_000 };
// An exit is told before the runtime shows it: about 30 ms on containerd 1.6. Asked at once, for it may be a sandbox's.
const EXIT_SHOWS = { tries: 20, firstMs: 20, everyMs: 10 };

export class RuntimeWatcher {
  readonly #options: RuntimeWatcherOptions;
  /** Sandbox or container id → pod and state. */
  #known = new Map<string, { podUid: string; state: string }>();
  #hasEvents = false;
  #timer: Timer | undefined;
  #relisting: Promise<void> | undefined;
  readonly #stop = new AbortController();

  constructor(options: RuntimeWatcherOptions) {
    this.#options = options;
  }

  /** The list as it was last read. */
  found: RuntimeList = { sandboxes: [], containers: [] };

  /** When it was last read without failure; undefined before the first time. In monotonic ms. */
  lastRelistMs: number | undefined;

  get isRelisting(): boolean {
    return this.#relisting !== undefined;
  }

  async start(): Promise<void> {
    await this.relist();
    void this.#follow();
  }

  close(): void {
    this.#stop.abort();
    this.#timer?.cancel();
  }

  /** Looks at everything. Calls that come together share one look. */
  relist(): Promise<void> {
    this.#relisting ??= this.#relistOnce().finally(() => {
      this.#relisting = undefined;
      this.#scheduleRelist();
    });
    return this.#relisting;
  }

  #scheduleRelist(): void {
    this.#timer?.cancel();
    if (this.#stop.signal.aborted) return;
    const afterMs = this.#hasEvents ? RELIST_MS.withEvents : RELIST_MS.without;
    this.#timer = this.#options.clock.timer(afterMs, () => void this.relist());
  }

  async #relistOnce(): Promise<void> {
    const { runtime, log, onChange, onRelist, clock } = this.#options;
    try {
      const [sandboxes, containers] = await Promise.all([runtime.listPodSandboxes(), runtime.listContainers()]);
      const next = new Map<string, { podUid: string; state: string }>();
      for (const { id, labels, state } of [...sandboxes, ...containers]) {
        const podUid = labels[POD_UID];
        if (podUid) next.set(id, { podUid, state });
      }
      const changed = new Set<string>();
      for (const [id, { podUid, state }] of next) if (this.#isNews(id, state)) changed.add(podUid);
      for (const [id, { podUid }] of this.#known) if (!next.has(id)) changed.add(podUid);
      this.#known = next;
      this.found = { sandboxes, containers };
      this.lastRelistMs = clock.monotonicMs();
      for (const podUid of changed) onChange(podUid);
      onRelist({ sandboxes, containers });
    } catch (error) {
      if (!(error instanceof RuntimeError)) throw error;
      log.warn('cannot list containers', { error: error.message });
    }
  }

  #isNews(id: string, state: string): boolean {
    const known = this.#known.get(id);
    if (known) return known.state !== state;
    const isAsMade = state === 'SANDBOX_READY' || state === 'CONTAINER_RUNNING';
    return !isAsMade || this.#options.podOf(id) === undefined;
  }

  async #follow(): Promise<void> {
    const { runtime, clock, log } = this.#options;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        for await (const event of runtime.events(signal)) {
          this.#noteEvents(true);
          void this.#handle(event);
        }
      } catch (error) {
        if (!(error instanceof RuntimeError)) throw error;
        log.warn('no events from the container runtime', { error: error.message });
      }
      this.#noteEvents(false);
      await sleep(clock, RELIST_MS.without, signal).catch(() => undefined); // aborted: the loop ends
    }
  }

  #noteEvents(hasEvents: boolean): void {
    if (this.#hasEvents === hasEvents) return;
    this.#hasEvents = hasEvents;
    this.#scheduleRelist();
  }

  async #handle({ type, id }: RuntimeEvent): Promise<void> {
    if (type === 'created' || type === 'started') return; // only this kubelet begins anything, and it looks when it has
    const podUid = this.#known.get(id)?.podUid ?? this.#options.podOf(id);
    if (podUid === undefined) return type === 'exited' ? this.relist() : undefined; // what goes for good was told before
    if (type === 'exited') await this.#untilShown(id);
    this.#options.onChange(podUid);
  }

  async #untilShown(id: string): Promise<void> {
    const { runtime, clock } = this.#options;
    let waitMs = EXIT_SHOWS.firstMs;
    for (let left = EXIT_SHOWS.tries; left > 0 && !this.#stop.signal.aborted; left--) {
      try {
        const status = await runtime.containerStatus(id);
        if (status?.state !== 'CONTAINER_RUNNING') return; // exited, gone, or a sandbox
      } catch (error) {
        if (!(error instanceof RuntimeError)) throw error;
        return;
      }
      await sleep(clock, waitMs, this.#stop.signal).catch(() => undefined); // aborted: the loop ends
      waitMs = EXIT_SHOWS.everyMs;
    }
  }
}
