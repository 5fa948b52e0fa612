/** Informers shared by everybody in a process: one list and one watch for each kind and scope, however many ask. */
import type { Kind } from '#api/machinery/kind.ts';
import { apiVersionOf } from '#api/machinery/kind.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import { silentLog } from '#base/log.ts';
import { PlainSignal, type Signal } from '#base/plain-signal.ts';
import type { Random } from '#base/random.ts';
import { type Absence, whenFollowed } from './absence.ts';
import type { Client } from './client.ts';
import { identitiesOf } from './identity.ts';
import { IndexedCache } from './indexed-cache.ts';
import type { IndexedInformer, Informer, ReleasableInformers } from './informer.ts';
import type { IndexKeys } from './object-cache.ts';
import { ObjectCache } from './object-cache.ts';
import type { Scope } from './reflector.ts';
import { reflect } from './reflector.ts';

export interface InformersOptions {
  client: Client;
  clock: Clock;
  random: Random;
  /** Stops all informers. */
  signal: Signal;
  log?: Log;
  /** Unless there is one, every kind is asked for from the beginning. */
  absence?: Absence;
}

interface Running {
  kind: Kind;
  isScoped: boolean;
  cache: ObjectCache<KubeObject>;
  stop: PlainSignal;
  isPaused: boolean;
  /** Somebody wants it as long as this process runs, whether the kind is served or not. */
  isHeld: boolean;
}

export class SharedInformers implements ReleasableInformers {
  readonly #options: InformersOptions;
  readonly #running = new Map<string, Running>();
  /** Those of `for` without a scope, which are asked for by every write. A definition that changes makes another kind each time. */
  #heldByKind = new WeakMap<Kind, ObjectCache<KubeObject>>();

  constructor(options: InformersOptions) {
    this.#options = options;
    const { signal } = options;
    const stopAll = () => {
      for (const { stop } of this.#running.values()) stop.abort(signal.reason);
    };
    signal.addEventListener('abort', stopAll, { once: true });
  }

  /** Lists and watches from the first time somebody asks. */
  for<T extends KubeObject>(kind: Kind<T>, scope?: Scope): Informer<T> {
    if (scope) return this.#held(kind, scope);
    const known = this.#heldByKind.get(kind as unknown as Kind) as unknown as ObjectCache<T> | undefined;
    if (known) return known;
    const cache = this.#held(kind, {});
    this.#heldByKind.set(kind as unknown as Kind, cache as unknown as ObjectCache<KubeObject>);
    return cache;
  }

  /** For those who follow a kind until they `forget` it. */
  whileServed<T extends KubeObject>(kind: Kind<T>): Informer<T> {
    return this.#cacheOf(kind, {});
  }

  identities(kind: Kind): Informer<KubeObject> {
    return this.#identities(kind);
  }

  /** Users of the same `indexKeys` function share one index. */
  indexed<T extends KubeObject>(
    kind: Kind<T>,
    indexKeys: IndexKeys<T>,
    { identities, whileServed = false }: { identities: boolean; whileServed?: boolean } = { identities: false },
  ): IndexedInformer<T> {
    const whole = () => (whileServed ? this.#cacheOf(kind, {}) : this.#held(kind, {}));
    const cache = identities ? (this.#identities(kind) as unknown as ObjectCache<T>) : whole();
    return new IndexedCache(cache, indexKeys);
  }

  async synced(signal?: AbortSignal): Promise<void> {
    const running = [...this.#running.values()];
    if (signal)
      await allSynced(
        running.map(({ cache }) => cache),
        signal,
      );
    else await Promise.all(running.map(({ cache, stop }) => hasSynced(cache, stop)));
  }

  /** Stops following a kind that is no longer served, unless somebody waits for it to be served again. Its informers keep what they had. */
  forget(kind: Kind): void {
    for (const [id, running] of this.#running) {
      if (running.isHeld || !id.startsWith(idOf(kind, {}))) continue;
      running.stop.abort();
      this.#running.delete(id);
    }
  }

  letGo(kind: Kind, scope: Scope): void {
    const id = idOf(kind, scope);
    this.#running.get(id)?.stop.abort();
    this.#running.delete(id);
    this.#heldByKind = new WeakMap();
  }

  /** How many informers there are. */
  get size(): number {
    return this.#running.size;
  }

  /**
   * The kinds of which a copy has not listed yet, or has not come as far as the last change that `lastChange` knows. Those
   * that wait for a time to try again are not asked; `isAnyPaused` tells of them.
   */
  behind(lastChange: (kind: Kind) => number): { kinds: Kind[]; isAnyPaused: boolean } {
    const kinds: Kind[] = [];
    let isAnyPaused = false;
    for (const { kind, cache, isScoped, isPaused } of this.#running.values()) {
      if (isPaused) isAnyPaused = true;
      else if (!cache.hasSynced || (!isScoped && Number(cache.resourceVersion) < lastChange(kind))) kinds.push(kind);
    }
    return { kinds, isAnyPaused };
  }

  #identities(kind: Kind): ObjectCache<KubeObject> {
    const id = idOf(kind, {});
    const running = this.#running.get(`${id}identities`) ?? this.#running.get(id);
    return (running ?? this.#start(`${id}identities`, kind, {}, identitiesOf(kind))).cache;
  }

  #held<T extends KubeObject>(kind: Kind<T>, scope: Scope): ObjectCache<T> {
    const running = this.#following(kind, scope);
    running.isHeld = true;
    return running.cache as unknown as ObjectCache<T>;
  }

  #cacheOf<T extends KubeObject>(kind: Kind<T>, scope: Scope): ObjectCache<T> {
    return this.#following(kind, scope).cache as unknown as ObjectCache<T>;
  }

  /** The id names group, version and plural: the cache under it holds this kind. */
  #following<T extends KubeObject>(kind: Kind<T>, scope: Scope): Running {
    const id = idOf(kind, scope);
    return this.#running.get(id) ?? this.#start(id, kind, scope);
  }

  #start<T extends KubeObject>(id: string, kind: Kind<T>, scope: Scope, keep?: (object: T) => T): Running {
    const { client, clock, random, log = silentLog, signal, absence } = this.#options;
    const cache = new ObjectCache<T>();
    const stop = new PlainSignal();
    if (signal.aborted) stop.abort(signal.reason);
    const isScoped = Object.values(scope).some((value) => value !== undefined);
    const running: Running = {
      kind,
      isScoped,
      cache: cache as unknown as ObjectCache<KubeObject>,
      stop,
      isPaused: false,
      isHeld: false,
    };
    this.#running.set(id, running);
    const paused = (isPaused: boolean) => {
      running.isPaused = isPaused;
    };
    const begun = { client, kind, scope, cache, ...(keep && { keep }), clock, random, log, signal: stop };
    const absent = absence?.of(kind, () => whenFollowed({ ...begun, paused }));
    if (absent === undefined) void reflect({ ...begun, paused });
    else cache.replace([], absent);
    return running;
  }
}

/** Asked by everybody who asks for an informer: put together once. */
const ids = new WeakMap<Kind, string>();

function idOf(kind: Kind, { namespace = '', labelSelector = '', fieldSelector = '' }: Scope): string {
  let id = ids.get(kind);
  if (id === undefined) {
    id = `${apiVersionOf(kind)}/${kind.plural}|`;
    ids.set(kind, id);
  }
  return namespace || labelSelector || fieldSelector ? `${id}${namespace}|${labelSelector}|${fieldSelector}` : id;
}

type Syncing = Pick<Informer<KubeObject>, 'hasSynced' | 'onProgress'>;

/** Resolves when this one has listed once; rejects with the signal's reason. */
export function hasSynced(informer: Syncing, signal: Signal): Promise<void> {
  if (informer.hasSynced) return Promise.resolve();
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const aborted = () => {
      stop();
      reject(signal.reason);
    };
    const stop = informer.onProgress(() => {
      if (!informer.hasSynced) return;
      stop();
      signal.removeEventListener('abort', aborted);
      resolve();
    });
    signal.addEventListener('abort', aborted, { once: true });
  });
}

/** Listens to the signal once, however many they are. */
function allSynced(informers: readonly Syncing[], signal: Signal): Promise<void> {
  return new Promise((resolve, reject) => {
    const behind = new Set(informers.filter((informer) => !informer.hasSynced));
    if (behind.size === 0) {
      resolve();
      return;
    }
    if (signal.aborted) {
      reject(signal.reason);
      return;
    }
    const stops = new Map<Syncing, () => void>();
    const aborted = () => {
      for (const stop of stops.values()) stop();
      reject(signal.reason);
    };
    const look = (informer: Syncing) => {
      if (!informer.hasSynced || !behind.delete(informer)) return;
      stops.get(informer)?.();
      stops.delete(informer);
      if (behind.size > 0) return;
      signal.removeEventListener('abort', aborted);
      resolve();
    };
    for (const informer of behind)
      stops.set(
        informer,
        informer.onProgress(() => look(informer)),
      );
    signal.addEventListener('abort', aborted, { once: true });
  });
}
