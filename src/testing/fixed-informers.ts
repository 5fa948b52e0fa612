/** Informers over objects that a unit test names, without a server behind them. */
import { apiVersionOf, type Kind } from '#api/machinery/kind.ts';
import { type KubeObject, keyOf } from '#api/machinery/object.ts';
import type { IndexedInformer, Informers } from '#client/informer.ts';
import { type IndexKeys, ObjectCache } from '#client/object-cache.ts';

export interface FixedInformers extends Informers {
  /** Adds the object, or puts it in place of the one with the same key. */
  put(object: KubeObject): void;
  /** By its key. */
  remove(object: KubeObject): void;
  /** What a server would read: the same objects. */
  live<T extends KubeObject>(kind: Kind<T>, at: { name: string; namespace?: string }): Promise<T | undefined>;
}

export function fixedInformers(objects: readonly KubeObject[] = []): FixedInformers {
  const all = new Map<string, KubeObject>();
  const caches = new Map<string, ObjectCache<KubeObject>>();
  let revision = 1;
  const typeOf = ({ apiVersion, kind }: KubeObject) => `${apiVersion}/${kind}`;

  const put = (object: KubeObject) => {
    const stored = { ...object, metadata: { ...object.metadata, resourceVersion: String(++revision) } };
    all.set(`${typeOf(object)}/${keyOf(object)}`, stored);
    caches.get(typeOf(object))?.put(stored);
  };
  const cacheOf = <T extends KubeObject>(kind: Kind<T>): ObjectCache<T> => {
    const type = `${apiVersionOf(kind)}/${kind.kind}`;
    let cache = caches.get(type);
    if (!cache) {
      cache = new ObjectCache();
      caches.set(type, cache);
      cache.replace(
        [...all.values()].filter((object) => typeOf(object) === type),
        String(revision),
      );
    }
    return cache as unknown as ObjectCache<T>;
  };
  for (const object of objects) put(object);
  const remove = (object: KubeObject) => {
    all.delete(`${typeOf(object)}/${keyOf(object)}`);
    const gone = { ...object, metadata: { ...object.metadata, resourceVersion: String(++revision) } };
    caches.get(typeOf(object))?.remove(gone);
  };
  return {
    put,
    remove,
    for: cacheOf,
    identities: (kind) => cacheOf(kind) as unknown as ObjectCache<KubeObject>,
    indexed<T extends KubeObject>(kind: Kind<T>, indexKeys: IndexKeys<T>): IndexedInformer<T> {
      const cache = cacheOf(kind);
      return {
        get: (key) => cache.get(key),
        list: () => cache.list(),
        inNamespace: (namespace) => cache.inNamespace(namespace),
        by: (otherKeys, key) => cache.by(otherKeys, key),
        under: (key) => cache.by(indexKeys, key),
        onChange: (listener) => cache.onChange(listener),
        onProgress: (listener) => cache.onProgress(listener),
        hasSynced: true,
        get size() {
          return cache.size;
        },
        resourceVersion: cache.resourceVersion,
      };
    },
    synced: async () => undefined,
    async live(kind, { name, namespace }) {
      return cacheOf(kind).get(namespace ? `${namespace}/${name}` : name);
    },
  };
}
