/**
 * Objects as they will be once a decision is written: what was given away here counts before the API says so. What the API
 * says later than that is believed again.
 */
import type { KubeObject, ObjectKey } from '#api/machinery/object.ts';
import { keyOf } from '#api/machinery/object.ts';

interface Cached<T> {
  get(key: ObjectKey): T | undefined;
  list(): T[];
}

export class AssumedObjects<T extends KubeObject> {
  readonly #assumed = new Map<ObjectKey, { object: T; since: string | undefined }>();

  /** `object` is one that came from `cached`, changed. */
  assume(object: T): void {
    this.#assumed.set(keyOf(object), { object, since: object.metadata.resourceVersion });
  }

  restore(object: T): void {
    this.#assumed.delete(keyOf(object));
  }

  get(key: ObjectKey, cached: Pick<Cached<T>, 'get'>): T | undefined {
    const known = cached.get(key);
    return this.#assumed.size === 0 || !known ? known : this.#over(key, known);
  }

  list(cached: Pick<Cached<T>, 'list'>): T[] {
    const known = cached.list();
    return this.#assumed.size === 0 ? known : known.map((object) => this.#over(keyOf(object), object));
  }

  #over(key: ObjectKey, known: T): T {
    const assumed = this.#assumed.get(key);
    if (!assumed) return known;
    if (assumed.since === known.metadata.resourceVersion) return assumed.object;
    this.#assumed.delete(key);
    return known;
  }
}
