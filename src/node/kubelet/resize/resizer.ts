/**
 * Makes what runs equal to what it was given: the pod's group first where it grows, its containers, then the group where it
 * shrinks, so that no child is ever larger than its parent. A limit below what is in use is refused, and tried again.
 */
import type { Pod } from '#api/generated/schema.ts';
import { quantityValue } from '#api/machinery/quantity.ts';
import type { CgroupLimits, Cgroups } from '#node/runtime/cgroups/cgroups.ts';
import type { ContainerRuntime } from '#node/runtime/runtime.ts';
import { RuntimeError } from '#node/runtime/runtime-error.ts';
import type { PodEvents } from '../pod-events.ts';
import type { PodNotes } from '../pod-notes.ts';
import { linuxResources, podCgroupLimits, podCgroupPath } from '../quality-of-service.ts';
import type { Allocations } from './allocations.ts';
import type { ResizeActions } from './resize-actions.ts';
import { eventText } from './resizes.ts';

export interface ResizerOptions {
  allocations: Allocations;
  runtime: ContainerRuntime;
  cgroups: Cgroups | undefined;
  cgroupRoot: string;
  machine: { memoryBytes: number; mayLowerOomScore: boolean };
  events: PodEvents;
  notes: PodNotes;
  /** What was given up is free for others. */
  onCompleted(): void;
}

/** How soon a resize that failed is tried again. */
const RETRY_MS = 10_000;

export class Resizer {
  readonly #options: ResizerOptions;

  constructor(options: ResizerOptions) {
    this.#options = options;
  }

  /** @returns when to try again, if it could not be done */
  async resize(pod: Pod, actions: ResizeActions): Promise<number | undefined> {
    const { notes, events } = this.#options;
    const note = notes.of(pod.metadata.uid);
    const { generation = 0 } = pod.metadata;
    const error = (await this.#lackOfMemory(pod, actions)) ?? (await this.#act(pod, actions));
    if (error === undefined) return undefined;
    if (note.resizing?.message !== error)
      events.warning(pod, undefined, 'ResizeError', eventText('Pod resize error', pod, { error }));
    note.resizing = { generation, reason: 'Error', message: error };
    return RETRY_MS;
  }

  /** Everything that runs has what it was given. */
  completed(pod: Pod): void {
    const note = this.#options.notes.of(pod.metadata.uid);
    if (!note.resizing) return;
    delete note.resizing;
    this.#options.events.normal(pod, undefined, 'ResizeCompleted', eventText('Pod resize completed', pod));
    this.#options.onCompleted();
  }

  async #act(pod: Pod, { update }: ResizeActions): Promise<string | undefined> {
    const { allocations, runtime, cgroups, cgroupRoot, machine } = this.#options;
    const path = podCgroupPath(cgroupRoot, pod);
    const next = podCgroupLimits(pod);
    try {
      await cgroups?.ensure(path, largerLimits(podCgroupLimits(allocations.actuatedPod(pod)), next));
      for (const { container, status } of update) {
        await runtime.updateContainerResources(status.id, linuxResources(pod, container, machine));
        allocations.actuate(pod.metadata.uid, container);
      }
      await cgroups?.ensure(path, next);
      allocations.actuatePod(pod);
      return undefined;
    } catch (error) {
      if (!(error instanceof RuntimeError) && !(error instanceof Error && 'code' in error)) throw error;
      return error.message;
    }
  }

  /** Why limits may not be lowered: more is in use. */
  async #lackOfMemory(pod: Pod, { update }: ResizeActions): Promise<string | undefined> {
    const { allocations, runtime, cgroups, cgroupRoot } = this.#options;
    const told = allocations.actuated(pod.metadata.uid);
    const complaints: string[] = [];
    const podLimit = podCgroupLimits(pod).memoryBytes ?? 0;
    const podLimitNow = podCgroupLimits(allocations.actuatedPod(pod)).memoryBytes ?? 0;
    if (podLimit > 0 && podLimit < podLimitNow) {
      const used = (await cgroups?.usage(podCgroupPath(cgroupRoot, pod)))?.memoryUsageBytes ?? 0;
      if (used > podLimit)
        complaints.push(`attempting to set pod memory limit (${podLimit}) below current usage (${used})`);
    }
    for (const { container, status } of update) {
      const limit = quantityValue(container.resources?.limits?.['memory']);
      const before = quantityValue(told?.containers[container.name]?.limits?.['memory']);
      if (limit === 0 || (before > 0 && limit >= before)) continue;
      const [stats] = await runtime.listContainerStats({ id: status.id });
      const used = stats?.memoryUsageBytes ?? 0;
      const name = JSON.stringify(container.name);
      if (used > limit)
        complaints.push(`attempting to set container ${name} memory limit (${limit}) below current usage (${used})`);
    }
    if (complaints.length === 0) return undefined;
    return `cannot decrease memory limits: ${complaints.length === 1 ? complaints[0] : `[${complaints.join(', ')}]`}`;
  }
}

/** 0 is no limit, which is more than any. */
export function largerLimits(a: CgroupLimits, b: CgroupLimits): CgroupLimits {
  const most = (x = 0, y = 0) => (x === 0 || y === 0 ? 0 : Math.max(x, y));
  return {
    ...b,
    cpuQuotaUs: most(a.cpuQuotaUs, b.cpuQuotaUs),
    memoryBytes: most(a.memoryBytes, b.memoryBytes),
  };
}
