/**
 * One watch cache for each storage prefix, opened when a kind under it is first asked for; and how each served
 * version of a kind is shown. Versions (and both groups of Event) share the cache of their hub, unless a webhook converts
 * them: then each has its own.
 */
import { apiVersionOf, type Kind } from '#api/machinery/kind.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { Storage } from '#control-plane/storage/storage.ts';
import { ConvertedCache } from '../conversion/converted-cache.ts';
import { openWatchCache } from '../watch-cache/open-watch-cache.ts';
import { storagePrefixOf } from '../watch-cache/stored-object.ts';
import type { ServedForm, WatchCache, WatchCacheOptions } from '../watch-cache/watch-cache.ts';

export interface Caches {
  of(kind: Kind): WatchCache;
  /** Only if somebody has asked for it. */
  opened(kind: Kind): WatchCache | undefined;
  /** Lets go of the caches of a kind that is served no longer. */
  drop(kind: Kind): Promise<void>;
  /** The definition of the kind is another one: watches end, and what was converted is converted anew. */
  renew(kind: Kind): void;
  close(): Promise<void>;
}

export interface CachesOptions {
  storage: Storage;
  clock: Clock;
  log: Log;
}

export function createCaches({ storage, clock, log }: CachesOptions): Caches {
  const open = new Map<string, WatchCache>();
  const draining = new Set<WatchCache>();
  const idOf = (kind: Kind) => (kind.converter ? versionId(kind, kind.version) : kind.storagePrefix);
  return {
    opened: (kind) => open.get(idOf(kind)),
    of(kind) {
      const id = idOf(kind);
      const known = open.get(id);
      if (known) return known;
      const hub = hubOf(kind);
      const options: WatchCacheOptions = {
        storage,
        prefix: storagePrefixOf(kind),
        namespaced: kind.scope === 'Namespaced',
        fields: Object.fromEntries(Object.entries(hub.selectableFields).map(([name, field]) => [name, field])),
        clock,
        log: log.child({ resource: hub.plural }),
      };
      const cache = kind.converter ? new ConvertedCache(kind, options) : openWatchCache(options);
      open.set(id, cache);
      return cache;
    },
    async drop(kind) {
      const gone = cachesOf(open, kind);
      for (const [id] of gone) open.delete(id);
      await Promise.all(gone.map(([, cache]) => cache.close()));
    },
    renew(kind) {
      for (const [id, cache] of cachesOf(open, kind)) {
        cache.endWatches();
        if (id === kind.storagePrefix && !kind.converter) continue; // what it holds is as it is stored
        open.delete(id);
        draining.add(cache);
        clock.timer(DRAINING_MS, () => {
          draining.delete(cache);
          void cache.close();
        });
      }
    },
    async close() {
      const caches = [...open.values(), ...draining];
      open.clear();
      draining.clear();
      await Promise.all(caches.map((cache) => cache.close()));
    },
  };
}

/** So long a request that is under way may still need what its kind was. As upstream. */
const DRAINING_MS = 120_000;

const cachesOf = (open: ReadonlyMap<string, WatchCache>, kind: Kind): [string, WatchCache][] =>
  [...open].filter(([id]) => id === kind.storagePrefix || id.startsWith(versionId(kind, '')));

/** A prefix has no `@` of its own. */
const versionId = ({ storagePrefix }: Kind, version: string): string => `${storagePrefix}@${version}`;

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
  const convert = kind.converter
    ? undefined // its cache holds what a webhook made of it
    : hub
      ? hub.fromHub
      : kind.facts
        ? undefined
        : (stored: KubeObject) => shaped({ ...stored, apiVersion });
  const form: ServedForm = { apiVersion, kind: kind.kind, ...(convert && { convert }) };
  forms.set(kind, form);
  return form;
}
