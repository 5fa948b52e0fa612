/** The local copy behind an informer: objects by key, by namespace and by whatever its users index them by. */
import type { KubeObject, ObjectKey, ResourceVersion } from '#api/machinery/object.ts';
import { keyOf } from '#api/machinery/object.ts';
import { haveSameItems } from '#base/same-items.ts';

export interface Change<T extends KubeObject> {
  key: ObjectKey;
  now: T | undefined;
  before: T | undefined;
}

type Keys = string | readonly string[] | undefined;
export interface IndexKeys<T extends KubeObject> {
  (object: T): Keys;
  /** False: of both states it surely gives the same, and need not be asked. Worth it where to ask is much work. */
  mayDiffer?(now: T, before: T): boolean;
}

/** An object's place, the same as long as it lives: what finds it by an index need not hear of each of its states. */
interface Place<T> {
  readonly key: ObjectKey;
  object: T;
}

/** Not before `b`; both as the server gives them out. Source: KEP-5504, comparable resource versions. */
export const isAtLeast = (a: ResourceVersion, b: ResourceVersion): boolean =>
  a.length === b.length ? a >= b : a.length > b.length;

export class ObjectCache<T extends KubeObject> {
  readonly #places = new Map<ObjectKey, Place<T>>();
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
    return this.#places.size;
  }

  get(key: ObjectKey): T | undefined {
    return this.#places.get(key)?.object;
  }

  list(): T[] {
    return objectsIn(this.#places);
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
      for (const place of this.#places.values()) index.put(place);
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
    for (const place of this.#places.values()) if (!listed.has(place.key)) this.#remove(place);
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
    const place = this.#places.get(keyOf(object));
    if (place) this.#remove(place);
    for (const listener of this.#progressListeners) listener();
  }

  advance(resourceVersion: ResourceVersion): void {
    this.#resourceVersion = resourceVersion;
    for (const listener of this.#progressListeners) listener();
  }

  #put(object: T): void {
    const key = keyOf(object);
    const place = this.#places.get(key);
    if (place && sameUid(place.object, object)) {
      this.#change(place, object);
    } else {
      if (place) this.#remove(place); // deleted and made anew while not watching
      this.#add({ key, object });
    }
  }

  #change(place: Place<T>, now: T): void {
    const { key, object: before } = place; // one string for all who look something up by it
    if (before.metadata.resourceVersion === now.metadata.resourceVersion) return;
    place.object = now;
    for (const index of this.#indexes.values()) index.changed(place, before);
    this.#tell({ key, now, before });
  }

  #add(place: Place<T>): void {
    const { key, object } = place;
    this.#places.set(key, place);
    for (const index of this.#indexes.values()) index.put(place);
    this.#tell({ key, now: object, before: undefined });
  }

  #remove(place: Place<T>): void {
    const { key, object } = place;
    for (const index of this.#indexes.values()) index.remove(place);
    this.#places.delete(key);
    this.#tell({ key, now: undefined, before: object });
  }

  #tell(change: Change<T>): void {
    for (const listener of this.#listeners) listener(change);
  }
}

const namespaceOf = ({ metadata }: KubeObject): string => metadata.namespace ?? '';

const sameUid = (a: KubeObject, b: KubeObject): boolean => a.metadata.uid === b.metadata.uid;

function objectsIn<T>(places: ReadonlyMap<ObjectKey, Place<T>>): T[] {
  const objects: T[] = [];
  for (const { object } of places.values()) objects.push(object);
  return objects;
}

export class Index<T extends KubeObject> {
  readonly #keysOf: IndexKeys<T>;
  readonly #buckets = new Map<string, Map<ObjectKey, Place<T>>>();

  constructor(keysOf: IndexKeys<T>) {
    this.#keysOf = keysOf;
  }

  under(indexKey: string): T[] {
    const bucket = this.#buckets.get(indexKey);
    return bucket ? objectsIn(bucket) : [];
  }

  put(place: Place<T>): void {
    this.#putUnder(this.#keysOf(place.object), place);
  }

  remove(place: Place<T>): void {
    this.#removeUnder(this.#keysOf(place.object), place);
  }

  /** Most changes leave an object where it was found before. */
  changed(place: Place<T>, before: T): void {
    const keysOf = this.#keysOf;
    if (keysOf.mayDiffer?.(place.object, before) === false) return;
    const [old, keys] = [keysOf(before), keysOf(place.object)];
    if (isSame(old, keys)) return;
    this.#removeUnder(old, place);
    this.#putUnder(keys, place);
  }

  #putUnder(keys: Keys, place: Place<T>): void {
    if (keys === undefined) return;
    if (typeof keys === 'string') this.#bucket(keys).set(place.key, place);
    else for (const indexKey of keys) this.#bucket(indexKey).set(place.key, place);
  }

  #removeUnder(keys: Keys, { key }: Place<T>): void {
    if (keys === undefined) return;
    if (typeof keys === 'string') this.#removeFrom(keys, key);
    else for (const indexKey of keys) this.#removeFrom(indexKey, key);
  }

  #removeFrom(indexKey: string, key: ObjectKey): void {
    const bucket = this.#buckets.get(indexKey);
    bucket?.delete(key);
    if (bucket?.size === 0) this.#buckets.delete(indexKey);
  }

  #bucket(indexKey: string): Map<ObjectKey, Place<T>> {
    let bucket = this.#buckets.get(indexKey);
    if (!bucket) {
      bucket = new Map();
      this.#buckets.set(indexKey, bucket);
    }
    return bucket;
  }
}

function isSame(a: Keys, b: Keys): boolean {
  return a === b || (Array.isArray(a) && Array.isArray(b) && haveSameItems(a, b));
}
