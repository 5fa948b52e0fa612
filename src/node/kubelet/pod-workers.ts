/**
 * One worker for each pod: it looks again whenever it is told to, one step at a time, and moves the pod's work only
 * downwards (`pod-work.ts`). Steps of different pods run side by side; what is dear in them is limited where it is done.
 */
import { isTerminal } from '#api/core/v1/pod-conditions.ts';
import type { Pod } from '#api/generated/schema.ts';
import { isEqual } from '#api/machinery/equal.ts';
import type { Clock, Timer } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { Random } from '#base/random.ts';
import { podText } from './pod-containers.ts';
import type { PodEnd } from './pod-end.ts';
import { isWorthRetrying, type PodSync } from './pod-sync.ts';
import type { PodStarts } from './pod-starts.ts';
import { type PodWork, step } from './pod-work.ts';
import type { StatusWriter } from './status-writer.ts';

export interface PodWorkersOptions {
  sync: PodSync;
  end: PodEnd;
  writer: StatusWriter;
  podStarts: PodStarts;
  clock: Clock;
  random: Random;
  log: Log;
  /** A pod has ended: what it held is free. */
  onRoom(): void;
  /** It is not in the API, and nothing of it is left here. */
  onForgotten(pod: Pod): void;
}

interface Worker {
  work: PodWork;
  /** The API has it no more. */
  isGone: boolean;
  isBusy: boolean;
  /** Told to look again. */
  isDirty: boolean;
  /** Nobody has told: its ordinary time has come. */
  isRoutine: boolean;
  /** How it ends is being said, and whether something has happened since that began. */
  refresh: 'none' | 'under way' | 'under way, and due';
  /** Nothing is left to do unless it is deleted. */
  isReleased: boolean;
  failures: number;
  step: AbortController;
  timer?: Timer;
}

/** When to look again by itself. */
interface Again {
  afterMs: number;
  isRoutine?: boolean;
}

const RESYNC_MS = 60_000; // and up to half as much again, so that pods do not keep step
const RETRY_MS = { least: 1_000, most: 10_000 };

export class PodWorkers {
  readonly #options: PodWorkersOptions;
  readonly #workers = new Map<string, Worker>();
  #isClosed = false;

  constructor(options: PodWorkersOptions) {
    this.#options = options;
  }

  /** All pods that are being worked on, the terminated ones included until they are gone from the API. */
  knows(podUid: string): boolean {
    return this.#workers.has(podUid);
  }

  /** How many pods are being acted on right now. */
  get busy(): number {
    return [...this.#workers.values()].filter(({ isBusy }) => isBusy).length;
  }

  /** The pod is new, or has changed. */
  configure(pod: Pod): void {
    const { uid } = pod.metadata;
    let worker = this.#workers.get(uid);
    if (!worker) {
      worker = begin({ phase: 'syncing', pod });
      this.#workers.set(uid, worker);
      this.#options.podStarts.seen(pod);
      this.#wake(worker);
    } else {
      const before = worker.work.pod;
      worker.work = step(worker.work, { type: 'configured', pod });
      if (concernsUs(before, pod)) this.#wake(worker);
    }
    if (pod.metadata.deletionTimestamp) this.#tellToStop(worker, graceOf(pod));
    else if (isTerminal(pod)) this.#tellToStop(worker, pod.spec.terminationGracePeriodSeconds);
  }

  /** The API has it no more: it must go from here, too. */
  gone(pod: Pod): void {
    const worker = this.#workers.get(pod.metadata.uid);
    if (!worker) return;
    worker.isGone = true;
    worker.work = step(worker.work, { type: 'configured', pod });
    this.#tellToStop(worker, graceOf(pod));
    this.#wake(worker);
  }

  /** Something happened to its containers, its probes, or what it names. */
  wake(podUid: string): void {
    const worker = this.#workers.get(podUid);
    if (!worker) return;
    if (worker.isBusy && worker.work.phase === 'terminating') void this.#refresh(worker);
    else this.#wake(worker);
  }

  /** The kubelet itself ends it, for good. */
  end(pod: Pod, graceSeconds: number): void {
    const worker = this.#workers.get(pod.metadata.uid);
    if (worker) this.#tellToStop(worker, graceSeconds);
  }

  /** Nothing of it is left on the node but dead containers and logs. */
  isReleased(podUid: string): boolean {
    return this.#workers.get(podUid)?.isReleased ?? true;
  }

  isRunning(podUid: string): boolean {
    return this.#workers.get(podUid)?.work.phase === 'syncing';
  }

  get all(): Pod[] {
    return [...this.#workers.values()].map(({ work }) => work.pod);
  }

  /** Pods that run, or are about to. */
  get active(): Pod[] {
    return [...this.#workers.values()].flatMap(({ work }) => (work.phase === 'syncing' ? [work.pod] : []));
  }

  close(): void {
    this.#isClosed = true;
    for (const { timer, step: current } of this.#workers.values()) {
      timer?.cancel();
      current.abort();
    }
  }

  /** A stop in progress takes long; users see each container end meanwhile. What comes together is said together. */
  async #refresh(worker: Worker): Promise<void> {
    if (worker.refresh !== 'none') worker.refresh = 'under way, and due';
    else
      do {
        worker.refresh = 'under way';
        const { pod } = worker.work;
        const isOver = () => worker.work.phase !== 'terminating'; // then it has been said for good
        await this.#options.sync.refresh(pod, isOver).catch((error: unknown) => this.#note(pod, error));
      } while (this.#isRefreshDue(worker));
  }

  /** When the stop is over it says itself how the pod is. */
  #isRefreshDue(worker: Worker): boolean {
    const isDue = worker.refresh === 'under way, and due' && worker.work.phase === 'terminating' && !this.#isClosed;
    if (!isDue) worker.refresh = 'none';
    return isDue;
  }

  #tellToStop(worker: Worker, graceSeconds: number): void {
    const before = worker.work;
    worker.work = step(worker.work, { type: 'told to stop', graceSeconds });
    if (isEqual({ ...before, pod: 0 }, { ...worker.work, pod: 0 })) return;
    worker.failures = 0;
    worker.step.abort();
    this.#wake(worker);
  }

  #wake(worker: Worker, isRoutine = false): void {
    worker.isRoutine = isRoutine && (worker.isRoutine || !worker.isDirty);
    worker.isDirty = true;
    worker.timer?.cancel();
    if (!worker.isBusy && !this.#isClosed) void this.#run(worker);
  }

  async #run(worker: Worker): Promise<void> {
    worker.isBusy = true;
    while (worker.isDirty && !this.#isClosed) {
      const { isRoutine } = worker;
      worker.isDirty = false;
      worker.isRoutine = false;
      worker.step = new AbortController();
      try {
        const again = await this.#turn(worker, { isRoutine, signal: worker.step.signal });
        worker.failures = 0;
        this.#schedule(worker, again);
      } catch (error) {
        if (worker.step.signal.aborted) worker.isDirty = true;
        else this.#failed(worker, error);
      }
    }
    worker.isBusy = false;
  }

  #failed(worker: Worker, error: unknown): void {
    this.#note(worker.work.pod, error);
    const waitMs = Math.min(RETRY_MS.least * 2 ** worker.failures, RETRY_MS.most);
    worker.failures += 1;
    this.#schedule(worker, { afterMs: waitMs });
  }

  #note(pod: Pod, error: unknown): void {
    const fields = { pod: podText(pod), error: error instanceof Error ? error.message : String(error) };
    if (isWorthRetrying(error)) this.#options.log.warn('pod not synced', fields);
    else this.#options.log.error('pod not synced', { ...fields, stack: error instanceof Error ? error.stack : '' });
  }

  #schedule(worker: Worker, again: Again | undefined): void {
    worker.timer?.cancel();
    if (this.#isClosed || !again) return;
    const { afterMs, isRoutine } = again;
    if (afterMs === 0) worker.isDirty = true;
    else worker.timer = this.#options.clock.timer(afterMs, () => this.#wake(worker, isRoutine));
  }

  async #turn(
    worker: Worker,
    { isRoutine, signal }: { isRoutine: boolean; signal: AbortSignal },
  ): Promise<Again | undefined> {
    const { work } = worker;
    switch (work.phase) {
      case 'syncing': {
        const { finished, againAfterMs } = await this.#options.sync.sync(work.pod, signal, isRoutine);
        if (finished) this.#tellToStop(worker, work.pod.spec.terminationGracePeriodSeconds);
        const ordinary = RESYNC_MS * (1 + this.#options.random.next() / 2);
        return againAfterMs !== undefined && againAfterMs < ordinary
          ? { afterMs: againAfterMs }
          : { afterMs: ordinary, isRoutine: true };
      }
      case 'terminating': {
        const stopped = await this.#options.end.stop(work.pod, { graceSeconds: work.graceSeconds, signal });
        if (stopped) worker.work = step(worker.work, { type: 'containers stopped' });
        return { afterMs: 0 };
      }
      case 'terminated':
        return this.#finish(worker);
    }
  }

  async #finish(worker: Worker): Promise<undefined> {
    const { end, writer } = this.#options;
    const { pod } = worker.work;
    if (!worker.isReleased) {
      await end.release(pod);
      worker.isReleased = true;
      this.#options.onRoom();
    }
    if (!worker.isGone && !pod.metadata.deletionTimestamp) return undefined;
    if (!worker.isGone) await writer.deleteForGood(pod);
    await end.erase(pod);
    // Finalizers may keep the object: then the worker stays, so that the pod does not begin again.
    if (worker.isGone && this.#workers.delete(pod.metadata.uid)) {
      this.#options.podStarts.forget(pod.metadata.uid);
      this.#options.onForgotten(pod);
    }
    return undefined;
  }
}

const begin = (work: PodWork): Worker => ({
  work,
  isGone: false,
  isBusy: false,
  isDirty: false,
  isRoutine: false,
  refresh: 'none',
  isReleased: false,
  failures: 0,
  step: new AbortController(),
});

/** At least a second: containers are told before they are killed. */
const graceOf = ({ metadata, spec }: Pod): number =>
  Math.max(1, metadata.deletionGracePeriodSeconds ?? spec.terminationGracePeriodSeconds);

/** Our own writes come back as changes; only what others changed is worth a look. */
function concernsUs(before: Pod, now: Pod): boolean {
  const gates = (pod: Pod) => {
    const types = (pod.spec.readinessGates ?? []).map(({ conditionType }) => conditionType);
    return (pod.status?.conditions ?? []).filter(({ type }) => types.includes(type));
  };
  const view = (pod: Pod) => ({
    spec: pod.spec,
    labels: pod.metadata.labels,
    annotations: pod.metadata.annotations,
    deletionTimestamp: pod.metadata.deletionTimestamp,
    gates: gates(pod),
  });
  return !isEqual(view(before), view(now));
}
