/** The local copy behind an informer: objects by key, by namespace and by whatever its users index them by. */
import type { KubeObject, ObjectKey, ResourceVersion } from '#api/machinery/object.ts';
import { keyOf } from '#api/machinery/object.ts';

export interface Change<T extends KubeObject> {
  key: ObjectKey;
  now: T | undefined;
  before: T | undefined;
}

export type IndexKeys<T extends KubeObject> = (object: T) => string | string[] | undefined;

/** Not before `b`; both as the server gives them out. Source: KEP-5504, comparable resource versions. */
export const isAtLeast = (a: ResourceVersion, b: ResourceVersion): boolean =>
  a.length === b.length ? a >= b : a.length > b.length;

export class ObjectCache<T extends KubeObject> {
  readonly #objects = new Map<ObjectKey, T>();
  readonly #indexes = new Map<IndexKeys<T>, Index<T>>();
  readonly #listeners = new Set<(change: Change<T>) => void>();
  readonly #progressListeners = new Set<() => void>();
  #resourceVersion: ResourceVersion = '0';
  #hasSynced = false;

  get hasSynced(): boolean {
    return this.#hasSynced;
  }

  get resourceVersion(): ResourceVersion {
    return this.#resourceVersion;
  }

  get size(): number {
    return this.#objects.size;
  }

  get(key: ObjectKey): T | undefined {
    return this.#objects.get(key);
  }

  list(): T[] {
    return [...this.#objects.values()];
  }

  inNamespace(namespace: string): T[] {
    return this.by(namespaceOf, namespace);
  }

  /** The index that belongs to this function; made, and filled, when it is asked for the first time. */
  by(indexKeys: IndexKeys<T>, indexKey: string): T[] {
    return this.index(indexKeys).under(indexKey);
  }

  index(indexKeys: IndexKeys<T>): Index<T> {
    let index = this.#indexes.get(indexKeys);
    if (!index) {
      index = new Index(indexKeys);
      for (const [key, object] of this.#objects) index.put(key, object);
      this.#indexes.set(indexKeys, index);
    }
    return index;
  }

  onChange(listener: (change: Change<T>) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Called whenever the copy has come further, also when nothing in it changed. */
  onProgress(listener: () => void): () => void {
    this.#progressListeners.add(listener);
    return () => void this.#progressListeners.delete(listener);
  }

  /** Makes the copy equal to a complete listing, telling of every difference. */
  replace(objects: readonly T[], resourceVersion: ResourceVersion): void {
    const listed = new Set<ObjectKey>();
    this.#resourceVersion = resourceVersion;
    this.#hasSynced = true;
    for (const object of objects) {
      listed.add(keyOf(object));
      this.#put(object);
    }
    for (const [key, before] of this.#objects) if (!listed.has(key)) this.#remove(key, before);
    for (const listener of this.#progressListeners) listener();
  }

  put(object: T): void {
    this.#resourceVersion = object.metadata.resourceVersion;
    this.#put(object);
    for (const listener of this.#progressListeners) listener();
  }

  /** `object` is the last state, with the resourceVersion of the deletion. */
  remove(object: T): void {
    this.#resourceVersion = object.metadata.resourceVersion;
    const key = keyOf(object);
    const before = this.#objects.get(key);
    if (before) this.#remove(key, before);
    for (const listener of this.#progressListeners) listener();
  }

  advance(resourceVersion: ResourceVersion): void {
    this.#resourceVersion = resourceVersion;
    for (const listener of this.#progressListeners) listener();
  }

  #put(object: T): void {
    const key = keyOf(object);
    const before = this.#objects.get(key);
    if (before?.metadata.resourceVersion === object.metadata.resourceVersion && sameUid(before, object)) return;
    if (before && !sameUid(before, object)) this.#remove(key, before); // deleted and made anew while not watching
    const known = this.#objects.get(key);
    if (known) this.#unindex(key, known);
    this.#objects.set(key, object);
    for (const index of this.#indexes.values()) index.put(key, object);
    this.#tell({ key, now: object, before: known });
  }

  #remove(key: ObjectKey, before: T): void {
    this.#unindex(key, before);
    this.#objects.delete(key);
    this.#tell({ key, now: undefined, before });
  }

  #unindex(key: ObjectKey, object: T): void {
    for (const index of this.#indexes.values()) index.remove(key, object);
  }

  #tell(change: Change<T>): void {
    for (const listener of this.#listeners) listener(change);
  }
}

const namespaceOf = ({ metadata }: KubeObject): string => metadata.namespace ?? '';

const sameUid = (a: KubeObject, b: KubeObject): boolean => a.metadata.uid === b.metadata.uid;

export class Index<T extends KubeObject> {
  readonly #keysOf: IndexKeys<T>;
  readonly #buckets = new Map<string, Map<ObjectKey, T>>();

  constructor(keysOf: IndexKeys<T>) {
    this.#keysOf = keysOf;
  }

  under(indexKey: string): T[] {
    const bucket = this.#buckets.get(indexKey);
    return bucket ? [...bucket.values()] : [];
  }

  put(key: ObjectKey, object: T): void {
    for (const indexKey of this.#indexKeys(object)) {
      let bucket = this.#buckets.get(indexKey);
      if (!bucket) {
        bucket = new Map();
        this.#buckets.set(indexKey, bucket);
      }
      bucket.set(key, object);
    }
  }

  remove(key: ObjectKey, object: T): void {
    for (const indexKey of this.#indexKeys(object)) {
      const bucket = this.#buckets.get(indexKey);
      bucket?.delete(key);
      if (bucket?.size === 0) this.#buckets.delete(indexKey);
    }
  }

  #indexKeys(object: T): readonly string[] {
    const keys = this.#keysOf(object);
    if (keys === undefined) return [];
    return typeof keys === 'string' ? [keys] : keys;
  }
}
