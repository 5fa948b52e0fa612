/** The pods of a StatefulSet by their places: those that it asks for, and those that are to go. */
import { isAvailable, isReady, isTerminal } from '#api/core/v1/pod-conditions.ts';
import type { Pod, StatefulSet } from '#api/generated/schema.ts';
import { REVISION_HASH } from '../controller-revisions.ts';
import { nextAvailableInMs } from '../replica-set-pods.ts';
import { firstOrdinal, ordinalOf } from './identity.ts';

export interface Place {
  ordinal: number;
  /** undefined: there is none yet. */
  pod: Pod | undefined;
}

export const revisionOf = ({ metadata }: Pod): string => metadata.labels?.[REVISION_HASH] ?? '';
export const isGoing = ({ metadata }: Pod): boolean => metadata.deletionTimestamp !== undefined;
export const isRunningAndReady = (pod: Pod): boolean => pod.status?.phase === 'Running' && isReady(pod);

export class Replicas {
  /** In order of their ordinals; every place that the set asks for. */
  readonly places: readonly Place[];
  /** Highest ordinal first. */
  readonly condemned: readonly (Place & { pod: Pod })[];
  readonly #set: StatefulSet;
  readonly #nowMs: number;

  constructor(set: StatefulSet, pods: readonly Pod[], nowMs: number) {
    this.#set = set;
    this.#nowMs = nowMs;
    const first = firstOrdinal(set);
    const last = first + set.spec.replicas - 1;
    const byOrdinal = new Map<number, Pod>();
    for (const pod of pods) {
      const ordinal = ordinalOf(pod, set);
      if (ordinal !== undefined) byOrdinal.set(ordinal, pod);
    }
    this.places = Array.from({ length: set.spec.replicas }, (_, index) => {
      return { ordinal: first + index, pod: byOrdinal.get(first + index) };
    });
    this.condemned = [...byOrdinal]
      .filter(([ordinal]) => ordinal < first || ordinal > last)
      .sort(([a], [b]) => b - a)
      .map(([ordinal, pod]) => ({ ordinal, pod }));
  }

  /** One after the other. */
  get isOrdered(): boolean {
    return this.#set.spec.podManagementPolicy !== 'Parallel';
  }

  /** The places that a step comes to: in order, those up to the first that is not taken by a pod that serves. */
  get reached(): readonly Place[] {
    if (!this.isOrdered) return this.places;
    const end = this.places.findIndex(({ pod }) => !this.#serves(pod));
    return end < 0 ? this.places : this.places.slice(0, end + 1);
  }

  /** Nothing is missing or awaited in the places that a step comes to: it may go on to those that are to go. */
  get isFilled(): boolean {
    return !this.isOrdered || this.places.every(({ pod }) => this.#serves(pod));
  }

  #serves(pod: Pod | undefined): boolean {
    return pod !== undefined && !isTerminal(pod) && !isGoing(pod) && this.isAvailable(pod);
  }

  get pods(): Pod[] {
    return [...this.places, ...this.condemned].flatMap(({ pod }) => (pod ? [pod] : []));
  }

  get revisions(): string[] {
    return this.pods.map(revisionOf);
  }

  isAvailable(pod: Pod): boolean {
    return isAvailable(pod, this.#set.spec.minReadySeconds ?? 0, this.#nowMs) && isRunningAndReady(pod);
  }

  /** The one with the lowest ordinal, of those that are asked for before the others: scaling down waits for every other. */
  get firstUnavailable(): Pod | undefined {
    const inOrder = [...this.places, ...[...this.condemned].reverse()];
    return inOrder.flatMap(({ pod }) => pod ?? []).find((pod) => isGoing(pod) || !this.isAvailable(pod));
  }

  get nextAvailableInMs(): number | undefined {
    const running = this.pods.filter((pod) => !isTerminal(pod));
    return nextAvailableInMs(running, this.#set.spec.minReadySeconds ?? 0, this.#nowMs);
  }
}
