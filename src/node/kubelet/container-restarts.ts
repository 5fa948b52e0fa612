/** How often a container has run, and how long it waits before it runs again. Source: "Pod Lifecycle", container restarts. */
import type { Container, Pod } from '#api/generated/schema.ts';
import type { BackOff } from './back-off.ts';
import { durationText } from './go-text.ts';
import { podText } from './pod-containers.ts';
import type { PodEvents } from './pod-events.ts';
import type { PodNotes } from './pod-notes.ts';
import type { PodReporter } from './pod-reporter.ts';
import { wasRemovedForAll } from './restart-all.ts';
import { hashOf, restartCountOf } from './runtime-labels.ts';
import { newestOf, type RuntimePod } from './runtime-pods.ts';

export interface ContainerRestartsOptions {
  crashes: BackOff;
  events: PodEvents;
  notes: PodNotes;
  reporter: PodReporter;
}

export class ContainerRestarts {
  readonly #options: ContainerRestartsOptions;

  constructor(options: ContainerRestartsOptions) {
    this.#options = options;
  }

  /** Of the run that is to begin. */
  countOf(pod: Pod, container: Container, before: RuntimePod): number {
    const last = newestOf(before, container.name);
    if (last) return restartCountOf(last) + (last.state === 'CONTAINER_CREATED' ? 0 : 1);
    // The runtime has forgotten its earlier runs; the API has not.
    const { status } = this.#options.reporter.asLastSaid(pod);
    const statuses = [...(status?.containerStatuses ?? []), ...(status?.initContainerStatuses ?? [])];
    const said = statuses.find(({ name }) => name === container.name);
    if (said && wasRemovedForAll(said.lastState)) return said.restartCount; // counted when it was removed
    return said?.containerID ? said.restartCount + 1 : 0;
  }

  /** Notes the crash. @returns how long it must still wait in ms; 0: it may start. */
  backOff(pod: Pod, container: Container, before: RuntimePod): number {
    const { crashes, events, notes } = this.#options;
    const last = newestOf(before, container.name);
    if (last?.state !== 'CONTAINER_EXITED') return 0;
    const key = `${pod.metadata.uid}/${container.name}/${hashOf(container)}`;
    const leftMs = crashes.leftMs(key, last.finishedAt);
    if (leftMs <= 0) {
      crashes.next(key, last.finishedAt);
      return 0;
    }
    const where = podText(pod);
    const { waiting } = notes.of(pod.metadata.uid);
    const message = `back-off ${durationText(crashes.waitMs(key))} restarting failed container=${container.name} pod=${where}`;
    if (waiting.get(container.name)?.message !== message || leftMs < 1000)
      events.warning(
        pod,
        container,
        'BackOff',
        `Back-off restarting failed container ${container.name} in pod ${where}`,
      );
    waiting.set(container.name, { reason: 'CrashLoopBackOff', message });
    return leftMs;
  }
}
