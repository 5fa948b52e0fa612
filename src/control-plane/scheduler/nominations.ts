/** Pods for which room is being made, by the node where. */
import type { Pod } from '#api/core/v1/pod.ts';

export class Nominations {
  readonly #byUid = new Map<string, { pod: Pod; nodeName: string }>();

  put(pod: Pod, nodeName: string): void {
    this.#byUid.set(pod.metadata.uid, { pod, nodeName });
  }

  remove({ metadata }: Pod): void {
    this.#byUid.delete(metadata.uid);
  }

  on(nodeName: string): readonly Pod[] {
    if (this.#byUid.size === 0) return NONE;
    return [...this.#byUid.values()].filter((each) => each.nodeName === nodeName).map(({ pod }) => pod);
  }
}

const NONE: readonly Pod[] = [];
