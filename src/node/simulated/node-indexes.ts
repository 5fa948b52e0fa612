/** Which number each simulated node has; its addresses follow from it. A number is kept over restarts by the node's own range. */
import type { Node } from '#api/generated/schema.ts';
import { MOST_SIMULATED_NODES } from '#api/kedge/v1alpha1/simulated-node-pool.ts';
import { indexOfPodRange } from './simulated-node.ts';

export class NodeIndexes {
  readonly #byName = new Map<string, number>();
  readonly #taken = new Set<number>();
  #lowest = 0;

  /** It has this range already. False when another one has it. */
  keep(node: Node): boolean {
    const index = indexOfPodRange(node.spec?.podCIDR ?? '');
    const { name } = node.metadata;
    if (index === undefined || this.#byName.has(name) || this.#taken.has(index)) return false;
    this.#set(name, index);
    return true;
  }

  /** Its number, now and whenever asked again until `give`; undefined when there are none left. */
  take(name: string): number | undefined {
    const known = this.#byName.get(name);
    if (known !== undefined) return known;
    while (this.#taken.has(this.#lowest)) this.#lowest++;
    if (this.#lowest >= MOST_SIMULATED_NODES) return undefined;
    const index = this.#lowest;
    this.#set(name, index);
    return index;
  }

  give(name: string): void {
    const index = this.#byName.get(name);
    if (index === undefined) return;
    this.#byName.delete(name);
    this.#taken.delete(index);
    this.#lowest = Math.min(this.#lowest, index);
  }

  #set(name: string, index: number): void {
    this.#byName.set(name, index);
    this.#taken.add(index);
  }
}
