/**
 * Tries the probes of running containers, each in its own rhythm, and tells when an answer changes. Liveness and readiness
 * wait for startup; what failed its liveness or startup waits for the container to be made anew.
 */
import type { Container, Pod, Probe } from '#api/generated/schema.ts';
import type { Timer } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { ContainerStatus } from '#node/runtime/container.ts';
import type { PodEvents } from '../pod-events.ts';
import { type ProbeTools, probeOnce } from './probe-once.ts';
import { after, initialState, type ProbeState, type ProbeType } from './probe-state.ts';

export interface ProbesOptions extends ProbeTools {
  events: PodEvents;
  log: Log;
  /** An answer about this pod changed. */
  onChange(podUid: string): void;
}

interface Prober {
  type: ProbeType;
  probe: Probe;
  pod: Pod;
  container: Container;
  containerId: string;
  podIP: string;
  startedAt: number;
  state: ProbeState;
  counts: Map<string, number>;
  /** No answer has counted yet. */
  isFirst: boolean;
  isRunning: boolean;
  isStopped: boolean;
  timer?: Timer;
}

/** The waits between eager tries double from here. */
const EAGER_LEAST_MS = 25;

const TYPES: ProbeType[] = ['startup', 'liveness', 'readiness'];
const TITLES: Record<ProbeType, string> = { startup: 'Startup', liveness: 'Liveness', readiness: 'Readiness' };
const probeOf = (container: Container, type: ProbeType): Probe | undefined =>
  type === 'startup'
    ? container.startupProbe
    : type === 'liveness'
      ? container.livenessProbe
      : container.readinessProbe;

export class Probes {
  readonly #options: ProbesOptions;
  /** Pod uid → `container id/type`. */
  readonly #probers = new Map<string, Map<string, Prober>>();

  constructor(options: ProbesOptions) {
    this.#options = options;
  }

  /** Brings the probers of a pod in line with its running containers. Idempotent. */
  follow(pod: Pod, running: readonly { container: Container; status: ContainerStatus }[], podIP: string): void {
    const mine = this.#probers.get(pod.metadata.uid) ?? new Map<string, Prober>();
    const wanted = new Set<string>();
    for (const { container, status } of running)
      for (const type of TYPES) {
        const probe = probeOf(container, type);
        if (!probe) continue;
        const id = `${status.id}/${type}`;
        wanted.add(id);
        const known = mine.get(id);
        if (known) Object.assign(known, { pod, container, probe, podIP });
        else mine.set(id, this.#begin({ type, probe, pod, container, podIP }, status));
      }
    for (const [id, prober] of mine) {
      if (wanted.has(id)) continue;
      this.#stop(prober);
      mine.delete(id);
    }
    if (mine.size > 0) this.#probers.set(pod.metadata.uid, mine);
    else this.#probers.delete(pod.metadata.uid);
  }

  /** A pod on its way out is only asked whether it is ready. */
  stopHealth(podUid: string): void {
    for (const [id, prober] of this.#probers.get(podUid) ?? []) {
      if (prober.type === 'readiness') continue;
      this.#stop(prober);
      this.#probers.get(podUid)?.delete(id);
    }
  }

  forget(podUid: string): void {
    for (const prober of this.#probers.get(podUid)?.values() ?? []) this.#stop(prober);
    this.#probers.delete(podUid);
  }

  close(): void {
    for (const uid of [...this.#probers.keys()]) this.forget(uid);
  }

  /** Since the container began; of what is probed now. */
  counts(): { labels: Record<string, string>; value: number }[] {
    const probers = [...this.#probers.values()].flatMap((mine) => [...mine.values()]);
    return probers.flatMap(({ pod: { metadata }, container, type, counts }) =>
      [...counts].map(([result, value]) => ({
        labels: {
          container: container.name,
          namespace: metadata.namespace ?? '',
          pod: metadata.name,
          pod_uid: metadata.uid,
          probe_type: TITLES[type],
          result,
        },
        value,
      })),
    );
  }

  /** undefined: this probe does not exist, or was not answered since this kubelet began. */
  resultOf(podUid: string, containerId: string, type: ProbeType): ProbeState | undefined {
    return this.#probers.get(podUid)?.get(`${containerId}/${type}`)?.state;
  }

  #begin(subject: Pick<Prober, 'type' | 'probe' | 'pod' | 'container' | 'podIP'>, status: ContainerStatus): Prober {
    const { clock } = this.#options;
    const startedAt = status.startedAt ?? clock.now();
    const prober: Prober = {
      ...subject,
      containerId: status.id,
      startedAt,
      state: initialState(subject.type),
      counts: new Map(),
      isFirst: true,
      isRunning: false,
      isStopped: false,
    };
    const delayMs = (subject.probe.initialDelaySeconds ?? 0) * 1000;
    this.#schedule(prober, Math.max(0, startedAt + delayMs - clock.now()));
    return prober;
  }

  #stop(prober: Prober): void {
    prober.isStopped = true;
    prober.timer?.cancel();
  }

  #schedule(prober: Prober, afterMs: number): void {
    prober.timer?.cancel();
    prober.timer = this.#options.clock.timer(afterMs, () => {
      this.#turn(prober).catch((error: Error) => this.#options.log.error('probe', { error: error.message }));
    });
  }

  async #turn(prober: Prober): Promise<void> {
    if (prober.isStopped || prober.isRunning) return;
    const periodMs = (prober.probe.periodSeconds || 10) * 1000;
    const began = this.#options.clock.monotonicMs();
    let soonerMs: number | undefined;
    if (!this.#mustWait(prober)) {
      prober.isRunning = true;
      try {
        soonerMs = await this.#try(prober);
      } finally {
        prober.isRunning = false;
      }
    }
    if (prober.isStopped || isSettled(prober)) return;
    this.#schedule(prober, soonerMs ?? Math.max(0, periodMs - (this.#options.clock.monotonicMs() - began)));
  }

  #mustWait({ type, container, containerId, pod }: Prober): boolean {
    if (type === 'startup' || !container.startupProbe) return false;
    return this.resultOf(pod.metadata.uid, containerId, 'startup')?.result !== 'success';
  }

  /** @returns when to try again, if that is sooner than the period */
  async #try(prober: Prober): Promise<number | undefined> {
    const { events } = this.#options;
    const { pod, container, type, probe } = prober;
    const eagerMs = this.#eagerMs(prober);
    const outcome = await probeOnce(probe, prober, this.#options);
    if (prober.isStopped) return undefined;
    if (outcome.result !== 'success' && eagerMs !== undefined) return eagerMs;
    prober.isFirst = false;
    const { result } = outcome;
    const counted = result === 'success' ? 'successful' : result === 'failure' ? 'failed' : 'unknown';
    prober.counts.set(counted, (prober.counts.get(counted) ?? 0) + 1);
    const title = TITLES[type];
    if (outcome.result === 'unknown')
      events.warning(
        pod,
        container,
        'Unhealthy',
        `${title} probe errored and resulted in unknown state: ${outcome.output}`,
      );
    if (outcome.result === 'failure')
      events.warning(pod, container, 'Unhealthy', `${title} probe failed: ${outcome.output}`);
    if (outcome.isDoubtful) events.warning(pod, container, 'ProbeWarning', `${title} probe warning: ${outcome.output}`);
    const before = prober.state.result;
    prober.state = after(prober.state, outcome.result, probe);
    if (prober.state.result === before) return undefined;
    if (type === 'startup' && prober.state.result === 'success') this.#wakeWaiting(prober);
    this.#options.onChange(pod.metadata.uid);
    return undefined;
  }

  /**
   * While a container is just starting, nobody counts on it: until its first period is over it is asked again and again,
   * and only a yes counts. So a server is ready when it listens, not a period later. Commands are too dear for that.
   */
  #eagerMs({ type, probe, startedAt, isFirst }: Prober): number | undefined {
    if (!isFirst || type === 'liveness' || probe.exec) return undefined;
    const dueAt = startedAt + (probe.initialDelaySeconds ?? 0) * 1000;
    const passedMs = this.#options.clock.now() - dueAt;
    const nextMs = Math.max(EAGER_LEAST_MS, passedMs);
    return passedMs + nextMs < (probe.periodSeconds || 10) * 1000 ? nextMs : undefined;
  }

  /** What waited for startup need not wait for its next turn. */
  #wakeWaiting({ pod, containerId }: Prober): void {
    for (const type of ['liveness', 'readiness'] as const) {
      const waiting = this.#probers.get(pod.metadata.uid)?.get(`${containerId}/${type}`);
      if (!waiting) continue;
      const dueAt = waiting.startedAt + (waiting.probe.initialDelaySeconds ?? 0) * 1000;
      this.#schedule(waiting, Math.max(0, dueAt - this.#options.clock.now()));
    }
  }
}

/** Nothing more can come of it for this container. */
const isSettled = ({ type, state }: Prober): boolean =>
  (type === 'startup' && state.result !== 'unknown') || (type === 'liveness' && state.result === 'failure');
