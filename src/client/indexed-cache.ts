/** A local copy together with one of its indexes. */
import type { KubeObject, ObjectKey, ResourceVersion } from '#api/machinery/object.ts';
import type { IndexedInformer } from './informer.ts';
import type { Change, Index, IndexKeys, ObjectCache } from './object-cache.ts';

export class IndexedCache<T extends KubeObject> implements IndexedInformer<T> {
  readonly #cache: ObjectCache<T>;
  readonly #index: Index<T>;

  constructor(cache: ObjectCache<T>, indexKeys: IndexKeys<T>) {
    this.#cache = cache;
    this.#index = cache.index(indexKeys);
  }

  get hasSynced(): boolean {
    return this.#cache.hasSynced;
  }

  get resourceVersion(): ResourceVersion {
    return this.#cache.resourceVersion;
  }

  get size(): number {
    return this.#cache.size;
  }

  get(key: ObjectKey): T | undefined {
    return this.#cache.get(key);
  }

  list(): T[] {
    return this.#cache.list();
  }

  inNamespace(namespace: string): T[] {
    return this.#cache.inNamespace(namespace);
  }

  by(indexKeys: IndexKeys<T>, indexKey: string): T[] {
    return this.#cache.by(indexKeys, indexKey);
  }

  under(indexKey: string): T[] {
    return this.#index.under(indexKey);
  }

  onChange(listener: (change: Change<T>) => void): () => void {
    return this.#cache.onChange(listener);
  }

  onProgress(listener: () => void): () => void {
    return this.#cache.onProgress(listener);
  }
}
