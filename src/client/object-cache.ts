/** The local copy behind an informer: objects by key, by namespace and by whatever its users index them by. */
import type { KubeObject, ObjectKey, ResourceVersion } from '#api/machinery/object.ts';
import { keyOf } from '#api/machinery/object.ts';

export interface Change<T extends KubeObject> {
  key: ObjectKey;
  now: T | undefined;
  before: T | undefined;
}

type Keys = string | readonly string[] | undefined;
export type IndexKeys<T extends KubeObject> = (object: T) => Keys;

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
    this.#objects.set(key, object);
    for (const index of this.#indexes.values())
      if (known) index.replace(key, known, object);
      else index.put(key, object);
    this.#tell({ key, now: object, before: known });
  }

  #remove(key: ObjectKey, before: T): void {
    for (const index of this.#indexes.values()) index.remove(key, before);
    this.#objects.delete(key);
    this.#tell({ key, now: undefined, before });
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
    this.#putUnder(this.#keysOf(object), key, object);
  }

  remove(key: ObjectKey, object: T): void {
    this.#removeUnder(this.#keysOf(object), key);
  }

  /** Most changes leave an object where it was found before: then nothing is taken out and put in again. */
  replace(key: ObjectKey, before: T, now: T): void {
    const [old, keys] = [this.#keysOf(before), this.#keysOf(now)];
    if (!isSame(old, keys)) this.#removeUnder(old, key);
    this.#putUnder(keys, key, now);
  }

  #putUnder(keys: Keys, key: ObjectKey, object: T): void {
    if (keys === undefined) return;
    if (typeof keys === 'string') this.#bucket(keys).set(key, object);
    else for (const indexKey of keys) this.#bucket(indexKey).set(key, object);
  }

  #removeUnder(keys: Keys, key: ObjectKey): void {
    if (keys === undefined) return;
    if (typeof keys === 'string') this.#removeFrom(keys, key);
    else for (const indexKey of keys) this.#removeFrom(indexKey, key);
  }

  #removeFrom(indexKey: string, key: ObjectKey): void {
    const bucket = this.#buckets.get(indexKey);
    bucket?.delete(key);
    if (bucket?.size === 0) this.#buckets.delete(indexKey);
  }

  #bucket(indexKey: string): Map<ObjectKey, T> {
    let bucket = this.#buckets.get(indexKey);
    if (!bucket) {
      bucket = new Map();
      this.#buckets.set(indexKey, bucket);
    }
    return bucket;
  }
}

function isSame(a: Keys, b: Keys): boolean {
  if (a === b) return true;
  if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
