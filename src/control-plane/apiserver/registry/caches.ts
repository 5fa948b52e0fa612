/**
 * One watch cache for each storage prefix, opened when a kind under it is first asked for; and how each served
 * version of a kind is shown. Versions (and both groups of Event) share the cache of their hub.
 */
import { apiVersionOf, type Kind } from '#api/machinery/kind.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { Storage } from '#control-plane/storage/storage.ts';
import { openWatchCache } from '../watch-cache/open-watch-cache.ts';
import { storagePrefixOf } from '../watch-cache/stored-object.ts';
import type { ServedForm, WatchCache } from '../watch-cache/watch-cache.ts';

export interface Caches {
  of(kind: Kind): WatchCache;
  /** Lets go of the cache of a kind that is served no longer. */
  drop(kind: Kind): Promise<void>;
  close(): Promise<void>;
}

export interface CachesOptions {
  storage: Storage;
  clock: Clock;
  log: Log;
}

export function createCaches({ storage, clock, log }: CachesOptions): Caches {
  const open = new Map<string, WatchCache>();
  return {
    of(kind) {
      const known = open.get(kind.storagePrefix);
      if (known) return known;
      const hub = hubOf(kind);
      const cache = openWatchCache({
        storage,
        prefix: storagePrefixOf(kind),
        namespaced: kind.scope === 'Namespaced',
        fields: Object.fromEntries(Object.entries(hub.selectableFields).map(([name, field]) => [name, field])),
        clock,
        log: log.child({ resource: hub.plural }),
      });
      open.set(kind.storagePrefix, cache);
      return cache;
    },
    async drop(kind) {
      const cache = open.get(kind.storagePrefix);
      open.delete(kind.storagePrefix);
      await cache?.close();
    },
    async close() {
      const caches = [...open.values()];
      open.clear();
      await Promise.all(caches.map((cache) => cache.close()));
    },
  };
}

/** The kind whose objects are stored. */
export const hubOf = (kind: Kind): Kind => kind.hub?.kind ?? kind;

/** Stored → served. */
export const fromHub = <T extends KubeObject>(kind: Kind<T>, stored: KubeObject): T =>
  kind.hub ? kind.hub.fromHub(stored) : ((kind.custom?.shaped(stored) ?? stored) as T);

/** Served → stored. */
export const toHub = <T extends KubeObject>(kind: Kind<T>, object: T): KubeObject =>
  kind.hub ? kind.hub.toHub(object) : object;

const forms = new WeakMap<Kind, ServedForm>();

/** The same for as long as the kind's definition is: what is derived from it is cached under it. */
export function formOf(kind: Kind): ServedForm {
  const known = forms.get(kind);
  if (known) return known;
  const { hub } = kind;
  const apiVersion = apiVersionOf(kind);
  // Custom objects may stand in the store under a version that was the stored one once.
  const shaped = kind.custom?.shaped ?? ((object: KubeObject) => object);
  const convert = hub
    ? hub.fromHub
    : kind.facts
      ? undefined
      : (stored: KubeObject) => shaped({ ...stored, apiVersion });
  const form: ServedForm = { apiVersion, kind: kind.kind, ...(convert && { convert }) };
  forms.set(kind, form);
  return form;
}
