/**
 * The machine is about to go down: the node says so, takes no more pods, and ends those it has in the order of their
 * importance. Source: "Graceful node shutdown"; texts are upstream's.
 */
import type { Pod } from '#api/generated/schema.ts';
import type { KubeletConfiguration } from '#api/kubelet-config/kubelet-configuration.ts';
import { type Clock, sleep } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { EventSink } from '#client/event-recorder.ts';
import type { Refusal } from '../pod-admission.ts';
import type { Ending } from '../pod-notes.ts';
import { shutdownGroups } from './shutdown-groups.ts';

export interface NodeShutdownOptions {
  configuration: KubeletConfiguration;
  clock: Clock;
  log: Log;
  events: EventSink;
  nodeName: string;
  signal: AbortSignal;
  pods(): readonly Pod[];
  isReleased(podUid: string): boolean;
  end(pod: Pod, ending: Ending, graceSeconds: number): void;
  /** Whether the node goes down has changed. */
  onChange(): void;
}

const MESSAGE = 'Pod was terminated in response to imminent node shutdown.';
const LOOK_EVERY_MS = 100;

export class NodeShutdown {
  readonly #options: NodeShutdownOptions;
  #running: Promise<void> | undefined;

  constructor(options: NodeShutdownOptions) {
    this.#options = options;
  }

  get isUnderWay(): boolean {
    return this.#running !== undefined;
  }

  refusalOf(): Refusal | undefined {
    if (!this.isUnderWay) return undefined;
    return { reason: 'NodeShutdown', message: 'Pod was rejected as the node is shutting down.' };
  }

  /** Resolves when all pods have ended, or their time is over. Called again, it is the same shutdown. */
  begin(): Promise<void> {
    this.#running ??= this.#run();
    return this.#running;
  }

  async #run(): Promise<void> {
    const { configuration, clock, log, events, nodeName, pods, isReleased, onChange, signal } = this.#options;
    const about = { apiVersion: 'v1', kind: 'Node', name: nodeName, uid: nodeName };
    events.normal(about, 'NodeShutdown', 'Shutdown manager detected shutdown event');
    await Promise.resolve(); // from here on it is under way
    onChange();
    for (const { priority, graceSeconds, pods: group } of shutdownGroups(configuration, pods())) {
      log.info('pods end because the node goes down', { priority, graceSeconds, pods: group.length });
      for (const pod of group) {
        const own = pod.spec.terminationGracePeriodSeconds;
        const ending = { reason: 'Terminated', message: MESSAGE, disruption: MESSAGE };
        this.#options.end(pod, ending, Math.min(own, graceSeconds));
      }
      const deadlineMs = clock.monotonicMs() + graceSeconds * 1000;
      const haveEnded = () => group.every(({ metadata }) => isReleased(metadata.uid));
      while (!haveEnded() && clock.monotonicMs() < deadlineMs && !signal.aborted)
        await sleep(clock, LOOK_EVERY_MS, signal).catch(() => undefined); // aborted: the loop ends
    }
  }
}
