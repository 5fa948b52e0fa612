/** What the kubelet knows of a pod that neither the API nor the runtime does: why containers wait, why it was ended. */
import type { CgroupLimits } from '#node/runtime/cgroups/cgroups.ts';
import type { WaitingReason } from './container-status.ts';

/** Why the kubelet itself ends a pod. */
export interface Ending {
  reason: string;
  message: string;
  /** Set where that disturbs somebody's plans: the text of the condition DisruptionTarget. */
  disruption?: string;
}

export interface PodNote {
  /** By container name. */
  waiting: Map<string, WaitingReason>;
  ended?: Ending;
  /** What its control group was told last. */
  cgroup?: CgroupLimits;
  /** Its volumes could not be made once: they are awaited before anything else is begun. */
  volumesFailed?: boolean;
  /** It asks for resources that it does not get, or not yet. */
  resizePending?: { reason: 'Infeasible' | 'Deferred'; message: string; generation: number };
  /** It was given other resources, and not all of its containers have them. */
  resizing?: { generation: number; reason?: string; message?: string };
}

export class PodNotes {
  readonly #notes = new Map<string, PodNote>();

  of(podUid: string): PodNote {
    const known = this.#notes.get(podUid);
    if (known) return known;
    const note: PodNote = { waiting: new Map() };
    this.#notes.set(podUid, note);
    return note;
  }

  forget(podUid: string): void {
    this.#notes.delete(podUid);
  }
}
