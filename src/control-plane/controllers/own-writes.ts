/**
 * Tells changes of the cluster from a controller's own doing. Its caches hear of most writes before the answer comes, so what is told
 * while a step is at work is judged at its end. Of earlier steps nothing has to be kept: the next one of a key begins only when the
 * caches have seen all that the last one wrote (see WriteBarrier).
 */
import type { ObjectKey, ResourceVersion } from '#api/machinery/object.ts';

type Add = (key: ObjectKey) => void;

interface Step {
  written: Set<ResourceVersion>;
  /** Undefined when it has ended. */
  told: { version: ResourceVersion | undefined; add: Add }[] | undefined;
}

export class OwnWrites {
  readonly #steps = new Map<ObjectKey, Step>();

  begin(key: ObjectKey): void {
    this.#steps.set(key, { written: new Set(), told: [] });
  }

  wrote(key: ObjectKey, version: ResourceVersion): void {
    this.#steps.get(key)?.written.add(version);
  }

  /** Calls `add`, unless the version is one that the key's last step wrote; `undefined` is a deletion, which never is. */
  told(key: ObjectKey, version: ResourceVersion | undefined, add: Add): void {
    const step = this.#steps.get(key);
    if (step?.told) step.told.push({ version, add });
    else if (!step || !isOwn(step, version)) add(key);
  }

  end(key: ObjectKey): void {
    const step = this.#steps.get(key);
    const told = step?.told;
    if (!step || !told) return;
    step.told = undefined;
    if (step.written.size === 0) this.#steps.delete(key);
    for (const { version, add } of told) if (!isOwn(step, version)) add(key);
  }

  /** Its object is gone. */
  forget(key: ObjectKey): void {
    this.#steps.delete(key);
  }
}

const isOwn = ({ written }: Step, version: ResourceVersion | undefined): boolean =>
  version !== undefined && written.has(version);
