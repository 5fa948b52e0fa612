/** Whether a device is of the sort that a class and a request ask for. */
import type { DeviceSelector } from '#api/generated/schema.ts';
import type { Activation, Program } from '#api/machinery/cel/program.ts';
import { compileDeviceSelector, deviceActivation, SELECTOR_COST_LIMIT } from '#api/resource/v1/device-expression.ts';
import type { Candidate } from './device-pools.ts';

/** Something is wrong with a claim or class: no node can be decided on. */
export class AllocationFailed extends Error {
  readonly code = 'AllocationFailed';
}

const MOST_PROGRAMS = 256;

/** Programs and what expressions see of devices, kept from pod to pod. */
export class DeviceSelectors {
  readonly #programs = new Map<string, ReturnType<typeof compileDeviceSelector>>();
  readonly #activations = new WeakMap<object, Activation>();

  /** Throws AllocationFailed; `whose`: `class gpu`, `claim default/one`. */
  match(selectors: readonly DeviceSelector[] | undefined, candidate: Candidate, whose: string): boolean {
    return (selectors ?? []).every(({ cel }, index) => {
      if (!cel)
        throw new AllocationFailed(`${whose}, selector #${index}: CEL expression empty (unsupported selector type?)`);
      const { program, problem } = this.#compiled(cel.expression);
      if (!program) throw new AllocationFailed(`${whose}: selector #${index}: CEL compile error: ${problem}`);
      const { value, error } = program.evaluate(this.#activationOf(candidate), { costLimit: SELECTOR_COST_LIMIT });
      const failed = error ?? (typeof value === 'boolean' ? undefined : NOT_BOOL);
      if (failed === undefined) return value === true;
      const at = `${whose}: selector #${index} on device ${candidate.id}: CEL runtime error: `;
      throw new AllocationFailed(`${at}${failed}${failed.includes('no such key:') ? HINT : ''}`);
    });
  }

  #compiled(expression: string): { program?: Program; problem?: string } {
    const known = this.#programs.get(expression);
    if (known) return known;
    if (this.#programs.size >= MOST_PROGRAMS) this.#programs.clear();
    const made = compileDeviceSelector(expression);
    this.#programs.set(expression, made);
    return made;
  }

  #activationOf({ driver, device }: Candidate): Activation {
    let activation = this.#activations.get(device);
    if (!activation) {
      activation = deviceActivation(driver, device);
      this.#activations.set(device, activation);
    }
    return activation;
  }
}

const NOT_BOOL = 'CEL result could not be converted to bool';
const HINT =
  '. consider using CEL optional chaining (.? followed by orValue()) or guarding the check with has() for optional fields';
