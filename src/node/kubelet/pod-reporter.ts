/** Puts what runtime, probes and notes say of a pod together and hands it to the status writer. */
import type { ContainerStatus as ApiContainerStatus, Container, Pod, PodStatus } from '#api/generated/schema.ts';
import type { Clock } from '#base/clock.ts';
import type { ContainerStatus } from '#node/runtime/container.ts';
import type { Devices } from './devices/devices.ts';
import type { Health } from './pod-actions.ts';
import { OWN_CONDITIONS } from './pod-conditions.ts';
import { initContainers } from './pod-containers.ts';
import type { PodNotes } from './pod-notes.ts';
import type { PodStarts } from './pod-starts.ts';
import { podStatusOf } from './pod-status.ts';
import type { Probes } from './probes/probes.ts';
import type { Allocations } from './resize/allocations.ts';
import type { ResourceClaims } from './resource-claims/resource-claims.ts';
import type { RuntimePod } from './runtime-pods.ts';
import type { StatusWriter } from './status-writer.ts';
import { terminationMessage } from './termination-message.ts';

export interface PodReporterOptions {
  clock: Clock;
  hostIPs: readonly string[];
  probes: Probes;
  notes: PodNotes;
  podStarts: PodStarts;
  writer: StatusWriter;
  allocations: Allocations;
  devices: Pick<Devices, 'healthOf'>;
  claims: Pick<ResourceClaims, 'healthOf'>;
  /** The pod as the API has it now. */
  latest(pod: Pod): Pod;
}

export class PodReporter {
  readonly #options: PodReporterOptions;

  constructor(options: PodReporterOptions) {
    this.#options = options;
  }

  report(pod: Pod, now: RuntimePod, { isTerminal = false }: { isTerminal?: boolean } = {}): PodStatus {
    const { clock, hostIPs, notes, writer, devices, claims } = this.#options;
    const known = this.asLastSaid(pod);
    const health = this.healthOf(known);
    const note = notes.of(pod.metadata.uid);
    const status = podStatusOf({
      pod: known,
      now,
      nowMs: clock.now(),
      hostIPs,
      waiting: note.waiting,
      isTerminal,
      terminationMessage,
      hasStarted: health.hasStarted,
      isReady: (container, containerStatus) => this.#isReady(known, container, containerStatus),
      note,
      actuated: this.#options.allocations.actuated(pod.metadata.uid),
      devicesOf: (container) => [
        ...devices.healthOf(pod.metadata.uid, container.name),
        ...claims.healthOf(known, container),
      ],
    });
    writer.set(known, status);
    this.#options.podStarts.reported(pod.metadata.uid, status.phase);
    return status;
  }

  healthOf(pod: Pod): Health {
    const { probes } = this.#options;
    const { uid } = pod.metadata;
    return {
      verdict: ({ id }) => {
        if (probes.resultOf(uid, id, 'startup')?.result === 'failure') return 'startup failed';
        return probes.resultOf(uid, id, 'liveness')?.result === 'failure' ? 'liveness failed' : undefined;
      },
      hasStarted: (container, status) => {
        if (status.state !== 'CONTAINER_RUNNING') return false;
        if (!container.startupProbe) return true;
        const known = probes.resultOf(uid, status.id, 'startup');
        if (known?.last !== undefined) return known.result === 'success';
        return saidBefore(pod, container, status)?.started === true;
      },
    };
  }

  /** What was ready before this kubelet began stays ready until its probe says otherwise. */
  #isReady(pod: Pod, container: Container, status: ContainerStatus): boolean {
    if (!this.healthOf(pod).hasStarted(container, status)) return false;
    if (!container.readinessProbe) return true;
    const known = this.#options.probes.resultOf(pod.metadata.uid, status.id, 'readiness');
    if (known?.last !== undefined) return known.result === 'success';
    return saidBefore(pod, container, status)?.ready === true;
  }

  /** With the newest status: what this kubelet has said, or is about to, and others' conditions. */
  asLastSaid(pod: Pod): Pod {
    const latest = this.#options.latest(pod);
    const own = this.#options.writer.statusOf(pod.metadata.uid);
    if (!own) return { ...pod, ...(latest.status && { status: latest.status }) };
    const mine = (own.conditions ?? []).filter(({ type }) => OWN_CONDITIONS.has(type));
    const others = (latest.status?.conditions ?? []).filter(({ type }) => !OWN_CONDITIONS.has(type));
    return { ...pod, status: { ...own, conditions: [...mine, ...others] } };
  }
}

/** The API's word about this very run of the container. */
function saidBefore(pod: Pod, container: Container, status: ContainerStatus): ApiContainerStatus | undefined {
  const isInit = initContainers(pod).includes(container);
  const list = isInit ? pod.status?.initContainerStatuses : pod.status?.containerStatuses;
  return list?.find(({ name, containerID }) => name === container.name && containerID === `containerd://${status.id}`);
}
