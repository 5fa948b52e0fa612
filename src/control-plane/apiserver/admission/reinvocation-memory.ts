/**
 * Who is asked again in the second round of the mutating plugins: those that want it and ran before somebody else changed
 * the object. Source: documentation, "Reinvocation policy".
 */
import { isEqual } from '#api/machinery/equal.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import type { Reinvocation } from './define-admission.ts';

export class ReinvocationMemory {
  readonly #ran = new Set<string>();
  readonly #due = new Set<string>();
  #output: KubeObject | undefined;

  /** The plugin's own, kept from the first round to the second; there what others changed meanwhile counts. */
  static of(plugin: string, { kept, isAgain }: Reinvocation, object: KubeObject | undefined): ReinvocationMemory {
    const known = kept.get(plugin) as ReinvocationMemory | undefined;
    const memory = known ?? new ReinvocationMemory();
    kept.set(plugin, memory);
    if (isAgain && !isEqual(memory.#output, object)) memory.changed();
    return memory;
  }

  isDue(id: string): boolean {
    return this.#due.has(id);
  }

  /** One that wants to be asked again has run. */
  ran(id: string): void {
    this.#ran.add(id);
  }

  /** Somebody changed the object after those that ran. */
  changed(): void {
    for (const id of this.#ran) this.#due.add(id);
    this.#ran.clear();
  }

  /** What the plugin leaves behind. */
  left(object: KubeObject | undefined): void {
    this.#output = object;
  }
}
