/**
 * Whether a pod that asks for other resources gets them: at once, later (`Deferred`), or never on this node
 * (`Infeasible`). What was decided stands in the pod's conditions. Source: KEP-1287; texts are upstream's.
 */
import { isTerminal } from '#api/core/v1/pod-conditions.ts';
import { podRequests } from '#api/core/v1/pod-resources.ts';
import { qosClassOf } from '#api/core/v1/pod-qos.ts';
import type { Container, Node, Pod } from '#api/generated/schema.ts';
import { compareQuantities, quantityMilliValue, quantityValue } from '#api/machinery/quantity.ts';
import { resourceRefusal } from '../pod-admission.ts';
import { initContainers } from '../pod-containers.ts';
import type { PodEvents } from '../pod-events.ts';
import type { PodNotes } from '../pod-notes.ts';
import { isStatic } from '../static-pods/static-pod.ts';
import type { Allocations } from './allocations.ts';

export interface ResizesOptions {
  allocations: Allocations;
  events: PodEvents;
  notes: PodNotes;
  /** undefined as long as it is not registered. */
  node(): Node | undefined;
  /** All pods of the node. */
  pods(): readonly Pod[];
  /** The pod's resize, put off before, was accepted. */
  onAccepted(podUid: string): void;
}

interface Verdict {
  reason: 'Infeasible' | 'Deferred';
  message: string;
}

export class Resizes {
  readonly #options: ResizesOptions;

  constructor(options: ResizesOptions) {
    this.#options = options;
  }

  /** @returns the pod with what it was given, which is what it asks for if it can have that */
  decide(pod: Pod): Pod {
    const { allocations, notes, events } = this.#options;
    const given = allocations.allocatedPod(pod);
    const note = notes.of(pod.metadata.uid);
    if (given === pod) {
      delete note.resizePending;
      return pod;
    }
    const { generation = 0 } = pod.metadata;
    const verdict = this.#verdictOn(pod);
    if (verdict) {
      const { reason, message } = verdict;
      const isNews = note.resizePending?.reason !== reason || note.resizePending.message !== message;
      note.resizePending = { reason, message, generation };
      if (isNews)
        events.warning(pod, undefined, `Resize${reason}`, eventText(`Pod resize ${reason}`, pod, { error: message }));
      return given;
    }
    delete note.resizePending;
    note.resizing = { generation };
    allocations.allocate(pod);
    events.normal(pod, undefined, 'ResizeStarted', eventText('Pod resize started', pod));
    return pod;
  }

  /** Room may have come: those who wait are looked at again, in the order in which they deserve it. */
  retry(): void {
    const { notes, pods, allocations, onAccepted } = this.#options;
    const waiting = pods().filter(({ metadata }) => notes.of(metadata.uid).resizePending?.reason === 'Deferred');
    const rank = (pod: Pod) => [
      isLarger(pod, allocations.allocatedPod(pod)) ? 1 : 0,
      -(pod.spec.priority ?? 0),
      qosClassOf(pod) === 'Guaranteed' ? 0 : 1,
    ];
    const ranked = waiting.map((pod) => ({ pod, rank: rank(pod) }));
    ranked.sort(
      (a, b) => a.rank.map((value, i) => value - (b.rank[i] ?? 0)).find((difference) => difference !== 0) ?? 0,
    );
    for (const { pod } of ranked) {
      this.decide(pod);
      if (!notes.of(pod.metadata.uid).resizePending) onAccepted(pod.metadata.uid);
    }
  }

  #verdictOn(pod: Pod): Verdict | undefined {
    const { node, pods, allocations } = this.#options;
    if (isStatic(pod)) return { reason: 'Infeasible', message: 'In-place resize of static-pods is not supported' };
    const now = node();
    if (!now) return { reason: 'Deferred', message: 'the node is not registered yet' };
    const lack = capacityLack(pod, now);
    if (lack) return { reason: 'Infeasible', message: `Node didn't have enough capacity: ${lack}` };
    const others = pods()
      .filter((other) => other.metadata.uid !== pod.metadata.uid && !isTerminal(other))
      .map((other) => allocations.allocatedPod(other));
    const refusal = resourceRefusal(pod, now, others);
    return refusal && { reason: 'Deferred', message: refusal.message };
  }
}

function capacityLack({ spec }: Pod, node: Node): string | undefined {
  const requests = podRequests(spec);
  const allocatable = node.status?.allocatable ?? {};
  const memory = [quantityValue(requests['memory']), quantityValue(allocatable['memory'])] as const;
  const cpu = [quantityMilliValue(requests['cpu']), quantityMilliValue(allocatable['cpu'])] as const;
  if (memory[0] > memory[1]) return `memory, requested: ${memory[0]}, capacity: ${memory[1]}`;
  return cpu[0] > cpu[1] ? `cpu, requested: ${cpu[0]}, capacity: ${cpu[1]}` : undefined;
}

function isLarger(wanted: Pod, given: Pod): boolean {
  const [more, less] = [podRequests(wanted.spec), podRequests(given.spec)];
  return ['cpu', 'memory'].some((name) => compareQuantities(more[name], less[name]) > 0);
}

/** `Pod resize started: {"containers":[…],"generation":2}`: keys in the order of upstream's structs. */
export function eventText(prefix: string, pod: Pod, { error }: { error?: string } = {}): string {
  const sorted = (amounts: Record<string, string> | undefined) =>
    amounts && Object.fromEntries(Object.entries(amounts).sort(([a], [b]) => (a < b ? -1 : 1)));
  const list = (containers: Container[]) =>
    containers.map(({ name, resources }) => ({
      name,
      resources: { limits: sorted(resources?.limits), requests: sorted(resources?.requests) },
    }));
  const summary = {
    ...(initContainers(pod).length > 0 && { initContainers: list(initContainers(pod)) }),
    containers: list(pod.spec.containers),
    generation: pod.metadata.generation ?? 0,
    ...(error && { error }),
  };
  return `${prefix}: ${JSON.stringify(summary)}`;
}
