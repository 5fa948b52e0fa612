/**
 * Keeps a node alive that runs short of memory, disk or processes: says so in its conditions, frees what nobody needs, and
 * if that is not enough ends one pod after the other. Source: "Node-pressure Eviction"; kubelet's eviction manager.
 */

import { qosClassOf } from '#api/core/v1/pod-qos.ts';
import type { Node, Pod } from '#api/generated/schema.ts';
import { configuredMs, type KubeletConfiguration } from '#api/kubelet-config/kubelet-configuration.ts';
import type { Clock, Timer } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { EventSink } from '#client/event-recorder.ts';
import { RuntimeError } from '#node/runtime/runtime-error.ts';
import type { Refusal } from '../pod-admission.ts';
import type { Ending } from '../pod-notes.ts';
import { isCritical } from '../static-pods/static-pod.ts';
import type { DiskReserve } from './disk-reserve.ts';
import { pressureMessage } from './messages.ts';
import { ranked } from './ranking.ts';
import { isLimited, storageExcess } from './storage-limits.ts';
import {
  conditionOf,
  idOf,
  inOrderOfUrgency,
  isMet,
  type PressureCondition,
  resourceOf,
  type Threshold,
  thresholdsOf,
} from './thresholds.ts';
import type { Observations, Usage } from './usage.ts';

export interface EvictionsOptions {
  configuration: KubeletConfiguration;
  usage: Usage;
  clock: Clock;
  log: Log;
  events: EventSink;
  nodeName: string;
  /** Pods that run, or are about to. */
  pods(): readonly Pod[];
  /** Nothing of it is left but its object. */
  isReleased(podUid: string): boolean;
  end(pod: Pod, ending: Ending, graceSeconds: number): void;
  /** Frees disk without ending anybody: dead containers, unused images. */
  reclaimDisk(): Promise<void>;
  /** The node's conditions have changed. */
  onConditions(): void;
  reserve?: Pick<DiskReserve, 'bytes' | 'keep' | 'release'>;
}

const EVERY_MS = 10_000;
/** A pod that was evicted is given so long before the next one goes. */
const CLEAN_UP_MS = 30_000;
/** Upstream's immediateEvictionGracePeriodSeconds. */
const AT_ONCE_SECONDS = 1;

export class Evictions {
  readonly #options: EvictionsOptions;
  readonly #thresholds: Threshold[];
  /** When a threshold was first seen to be met, without a break. By id. */
  #metSince = new Map<string, number>();
  #pressedAtMs = new Map<PressureCondition, number>();
  #conditions: ReadonlySet<PressureCondition> = new Set();
  #leaving: { uid: string; sinceMs: number } | undefined;
  #timer: Timer | undefined;
  #isClosed = false;
  busy = 0;

  constructor(options: EvictionsOptions) {
    this.#options = options;
    this.#thresholds = thresholdsOf(options.configuration);
  }

  get conditions(): ReadonlySet<PressureCondition> {
    return this.#conditions;
  }

  start(): void {
    if (this.#isClosed) return;
    this.#timer = this.#options.clock.timer(EVERY_MS, () => void this.#tick());
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
  }

  /** While it is short of something a node takes no more of the pods that it would end first. */
  refusalOf(pod: Pod): Refusal | undefined {
    if (this.#conditions.size === 0 || isCritical(pod)) return undefined;
    if (this.#conditions.size === 1 && this.#conditions.has('MemoryPressure')) {
      const toleratesIt = (pod.spec.tolerations ?? []).some(
        ({ key, operator, effect }) =>
          (key === 'node.kubernetes.io/memory-pressure' || (!key && operator === 'Exists')) &&
          (!effect || effect === 'NoSchedule'),
      );
      if (qosClassOf(pod) !== 'BestEffort' || toleratesIt) return undefined;
    }
    return { reason: 'Evicted', message: `The node had condition: [${[...this.#conditions].join(' ')}]. ` };
  }

  async #tick(): Promise<void> {
    this.busy += 1;
    try {
      await this.look();
    } catch (error) {
      this.#tell('cannot see what the node uses', error);
    } finally {
      this.busy -= 1;
      this.start();
    }
  }

  #tell(what: string, error: unknown): void {
    if (!(error instanceof RuntimeError) && !(error instanceof Error && 'code' in error)) throw error;
    this.#options.log.warn(what, { error: error.message });
  }

  /** One look, and what follows from it. */
  async look(): Promise<void> {
    const { usage, pods } = this.#options;
    if (await this.#endThoseBeyondTheirLimits()) return;
    const observations = await usage.node();
    const due = this.#judge(observations);
    await this.#keepOrUseReserve(observations);
    if (due.length === 0 || this.#isSomebodyLeaving()) return;
    const [threshold] = [...due].sort(inOrderOfUrgency);
    if (!threshold) return;
    await this.#relieve(threshold, observations, pods());
  }

  /** Brings the conditions up to date. @returns the thresholds that are met and whose grace is over */
  #judge(observations: Observations): Threshold[] {
    const { clock, configuration, onConditions } = this.#options;
    const now = clock.monotonicMs();
    const met = this.#thresholds.filter((each) => isMet(each, observations, this.#metSince.has(idOf(each))));
    this.#metSince = new Map(met.map((each) => [idOf(each), this.#metSince.get(idOf(each)) ?? now]));
    for (const { signal } of met) this.#pressedAtMs.set(conditionOf(signal), now);
    const stayMs = configuredMs(configuration.evictionPressureTransitionPeriod);
    const isNow = new Set(met.map(({ signal }) => conditionOf(signal)));
    for (const [condition, atMs] of this.#pressedAtMs)
      if (!isNow.has(condition) && now - atMs >= stayMs) this.#pressedAtMs.delete(condition);
    const before = [...this.#conditions].sort().join();
    this.#conditions = new Set(this.#pressedAtMs.keys());
    if ([...this.#conditions].sort().join() !== before) onConditions();
    return met.filter((each) => now - (this.#metSince.get(idOf(each)) ?? now) >= each.graceMs);
  }

  /** Who is told to leave a disk that is wholly full cannot. */
  async #keepOrUseReserve(observations: Observations): Promise<void> {
    const { reserve, log } = this.#options;
    if (!reserve) return;
    const { available = 0 } = observations.get('nodefs.available') ?? {};
    // Nobody is saved by what is not there: the look goes on.
    if (!this.#conditions.has('DiskPressure'))
      await reserve.keep().catch((error) => this.#tell('no room for a reserve', error));
    else if (available < reserve.bytes && this.#isSomebodyLeaving()) {
      log.warn('the disk is full: what is kept for that is given back', { bytes: reserve.bytes });
      await reserve.release();
    }
  }

  #isSomebodyLeaving(): boolean {
    const { isReleased, clock } = this.#options;
    if (!this.#leaving) return false;
    const { uid, sinceMs } = this.#leaving;
    if (!isReleased(uid) && clock.monotonicMs() - sinceMs < CLEAN_UP_MS) return true;
    this.#leaving = undefined;
    return false;
  }

  async #relieve(threshold: Threshold, before: Observations, pods: readonly Pod[]): Promise<void> {
    const { events, nodeName, reclaimDisk, usage, configuration, log } = this.#options;
    const resource = resourceOf(threshold.signal);
    const node: Pick<Node, 'apiVersion' | 'kind'> = { apiVersion: 'v1', kind: 'Node' };
    events.warning(
      { ...node, name: nodeName, uid: nodeName },
      'EvictionThresholdMet',
      `Attempting to reclaim ${resource}`,
    );
    let observations = before;
    if (conditionOf(threshold.signal) === 'DiskPressure') {
      // A runtime whose disk is full may be able to remove nothing before somebody has left.
      await reclaimDisk().catch((error) => this.#tell('cannot reclaim disk', error));
      observations = await usage.node();
      if (!isMet(threshold, observations, true)) return;
    }
    const used = await usage.pods(pods);
    const victim = ranked(pods, resource, (pod) => used.get(pod.metadata.uid)).find((pod) => !isCritical(pod));
    if (!victim) {
      log.error('the node is short of a resource, and there is no pod to evict', { resource });
      return;
    }
    const message = pressureMessage(victim, threshold, { observations: before, usage: used.get(victim.metadata.uid) });
    const graceSeconds =
      threshold.graceMs > 0 ? Math.max(AT_ONCE_SECONDS, configuration.evictionMaxPodGracePeriod) : AT_ONCE_SECONDS;
    this.#end(victim, { reason: 'Evicted', message, disruption: message }, graceSeconds);
  }

  async #endThoseBeyondTheirLimits(): Promise<boolean> {
    const { pods, usage } = this.#options;
    const limited = pods().filter(isLimited);
    if (limited.length === 0) return false;
    const used = await usage.pods(limited);
    let hasEnded = false;
    for (const pod of limited) {
      const own = used.get(pod.metadata.uid);
      const message = own && !isCritical(pod) ? storageExcess(pod, own) : undefined;
      if (!message) continue;
      this.#end(pod, { reason: 'Evicted', message }, AT_ONCE_SECONDS);
      hasEnded = true;
    }
    return hasEnded;
  }

  #end(pod: Pod, ending: Ending, graceSeconds: number): void {
    const { end, clock, log } = this.#options;
    log.info('a pod is evicted', { pod: `${pod.metadata.namespace}/${pod.metadata.name}`, why: ending.message });
    this.#leaving = { uid: pod.metadata.uid, sinceMs: clock.monotonicMs() };
    end(pod, ending, graceSeconds);
  }
}
