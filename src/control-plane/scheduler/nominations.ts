/** Pods for which room is being made, by the node where. */
import type { Pod } from '#api/core/v1/pod.ts';

export class Nominations {
  readonly #nodeNames = new Map<string, string>();
  readonly #byNode = new Map<string, Map<string, Pod>>();

  put(pod: Pod, nodeName: string): void {
    const { uid } = pod.metadata;
    if (this.#nodeNames.get(uid) !== nodeName) this.remove(pod);
    this.#nodeNames.set(uid, nodeName);
    const there = this.#byNode.get(nodeName);
    if (there) there.set(uid, pod);
    else this.#byNode.set(nodeName, new Map([[uid, pod]]));
  }

  remove({ metadata: { uid } }: Pod): void {
    const nodeName = this.#nodeNames.get(uid);
    if (nodeName === undefined) return;
    this.#nodeNames.delete(uid);
    const there = this.#byNode.get(nodeName);
    there?.delete(uid);
    if (there?.size === 0) this.#byNode.delete(nodeName);
  }

  get isEmpty(): boolean {
    return this.#byNode.size === 0;
  }

  nodeOf({ metadata }: Pod): string | undefined {
    return this.#nodeNames.get(metadata.uid);
  }

  on(nodeName: string): readonly Pod[] {
    if (this.#byNode.size === 0) return NONE;
    const there = this.#byNode.get(nodeName);
    return there ? [...there.values()] : NONE;
  }
}

const NONE: readonly Pod[] = [];
