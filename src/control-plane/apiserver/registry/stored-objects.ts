/**
 * Objects in the store: each write is one transaction that holds only if nobody else wrote meanwhile, and a reply is given
 * when the watch cache has the write, so that whoever wrote can read it at once. Callers see the version they ask for;
 * stored is the hub version. Behaviour: etcd3 store of upstream's apiserver (GuaranteedUpdate).
 */
import type { Kind } from '#api/machinery/kind.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { alreadyExists, internalError, notFound, StatusError, timeout } from '#api/machinery/status.ts';
import { deepFreeze } from '#base/deep-freeze.ts';
import type { Revision, Storage, Stored, Txn, Write } from '#control-plane/storage/storage.ts';
import { decode, encode, storageKey, withRevision } from '../watch-cache/stored-object.ts';
import type { CachedObject } from '../watch-cache/watch-cache.ts';
import { type Caches, formOf, fromHub, hubOf, toHub } from './caches.ts';
import { isSameJson } from './same-json.ts';

/** What else a write changes or depends on: other keys of the same transaction (an address that a Service takes). */
export interface Alongside {
  when: Txn['when'];
  then: readonly Write[];
}

/** One object as it is now stored. `cached` is there when the watch cache holds just this state. */
export interface StoredState<T extends KubeObject = KubeObject> {
  object: T;
  cached?: CachedObject;
}

export interface At {
  namespace?: string;
  name: string;
}

/** What a change makes of the current state: the next one, nothing (deleted), or no change at all. */
export type Change<T> =
  | { put: T; alongside?: Alongside }
  /** `remove` is the last state, as the reply shows it. */
  | { remove: T; alongside?: Alongside }
  | 'leave';

/** Somebody else holds a key that `alongside` needed. `keys` are those that were not as expected. */
export class AlongsideTaken extends Error {
  readonly code = 'AlongsideTaken';
  readonly keys: readonly string[];
  constructor(keys: readonly string[]) {
    super(`taken meanwhile: ${keys.join(', ')}`);
    this.keys = keys;
  }
}

// Writers of one object that collide again and again are answered instead of kept forever.
const MAX_ATTEMPTS = 100;
/** etcd's default limit of a request (1.5 MiB), kept by all backends so that a cluster can move between them. */
const MAX_OBJECT_BYTES = 1.5 * 1024 * 1024;

export class StoredObjects {
  readonly #storage: Storage;
  readonly #caches: Caches;

  constructor({ storage, caches }: { storage: Storage; caches: Caches }) {
    this.#storage = storage;
    this.#caches = caches;
  }

  /** What is acknowledged at the time of the call. */
  async get<T extends KubeObject>(kind: Kind<T>, at: At): Promise<T | undefined> {
    const found = await this.#caches.of(kind).get(storageKey(kind, at), 'newest');
    return found?.object(formOf(kind)) as T | undefined;
  }

  /** What the cache holds at the moment; may lag behind. */
  async peek<T extends KubeObject>(kind: Kind<T>, at: At): Promise<T | undefined> {
    const found = await this.#caches.of(kind).get(storageKey(kind, at), 'any');
    return found?.object(formOf(kind)) as T | undefined;
  }

  /** Throws AlreadyExists, AlongsideTaken. */
  async create<T extends KubeObject>(kind: Kind<T>, object: T, alongside?: Alongside): Promise<StoredState<T>> {
    const key = storageKey(kind, object.metadata);
    const hub = frozenForStore(toHub(kind, object));
    const value = sizeChecked(encode(hub));
    const result = await this.#storage.commit({
      when: [{ key, modRevision: 0 }, ...(alongside?.when ?? [])],
      then: [{ put: key, value }, ...(alongside?.then ?? [])],
    });
    if (result.succeeded) return this.#settled(kind, key, { hub, revision: result.revision });
    const standing = result.found[0];
    if (standing) throw alreadyStands(kind, this.#objectOf(standing));
    throw takenBy(alongside, result.found.slice(1));
  }

  /** For a dry run: throws AlreadyExists when a create would. */
  async refuseIfExists(kind: Kind, at: At): Promise<void> {
    const found = await this.get(kind, at);
    if (found) throw alreadyStands(kind, found);
  }

  /**
   * Applies `change` to the current state until it can be stored without a write of somebody else in between; `change` may run
   * several times. The current object is undefined when there is none and `mayCreate`; else that is a NotFound.
   * @returns the state that is stored afterwards; for a removal the last one, under the revision of the removal.
   */
  async update<T extends KubeObject>(
    kind: Kind<T>,
    at: At,
    { change, mayCreate = false, dryRun = false }: UpdateOptions<T>,
  ): Promise<StoredState<T> & { outcome: 'created' | 'updated' | 'removed' | 'unchanged' }> {
    const key = storageKey(kind, at);
    const cache = this.#caches.of(kind);
    let standing = (await cache.get(key, 'any'))?.stored;
    let isCurrent = false;
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const current = standing && this.#objectOf(standing);
      if (!current && !mayCreate) {
        if (isCurrent) throw notFound(kind, at.name);
        [standing, isCurrent] = [await this.#fresh(kind, key), true];
        continue;
      }
      let decided: Change<T>;
      try {
        decided = await change(current && fromHub(kind, current));
      } catch (error) {
        // The refusal counts only when it was given in view of the newest state.
        if (isCurrent || !(error instanceof StatusError)) throw error;
        const fresh = await this.#fresh(kind, key);
        isCurrent = true;
        if (fresh?.modRevision === standing?.modRevision) throw error;
        standing = fresh;
        continue;
      }
      const plan = this.#plan(kind, { key, standing, current, decided });
      if (plan === 'unchanged') {
        if (!isCurrent) {
          const fresh = await this.#fresh(kind, key);
          isCurrent = true;
          if (fresh?.modRevision !== standing?.modRevision) {
            standing = fresh;
            continue;
          }
        }
        const cached = cache.peek(key);
        const same = cached?.revision === standing?.modRevision;
        return { object: fromHub(kind, deepFreeze(current!)), ...(same && cached && { cached }), outcome: 'unchanged' };
      }
      if (dryRun) {
        // As it would be, at the version that it has: nothing was written, so there is no newer one.
        const object = standing ? frozenAt(plan.result, standing.modRevision) : deepFreeze(plan.result);
        return { object: fromHub(kind, object), outcome: plan.outcome };
      }
      const result = await this.#storage.commit(plan.txn);
      if (result.succeeded) {
        if (plan.outcome !== 'removed')
          return {
            ...(await this.#settled(kind, key, { hub: plan.result, revision: result.revision })),
            outcome: plan.outcome,
          };
        await cache.waitUntil(result.revision);
        return { object: fromHub(kind, frozenAt(plan.result, result.revision)), outcome: 'removed' };
      }
      const found = result.found[0];
      if (found?.modRevision === standing?.modRevision) throw takenBy(plan.alongside, result.found.slice(1));
      [standing, isCurrent] = [found, true];
    }
    throw timeout('Timeout: Too many concurrent writes of one object', 1);
  }

  #plan<T extends KubeObject>(kind: Kind<T>, { key, standing, current, decided }: Planned<T>): 'unchanged' | Plan {
    if (decided === 'leave') return 'unchanged';
    const { alongside } = decided;
    const when = [{ key, modRevision: standing?.modRevision ?? 0 }, ...(alongside?.when ?? [])];
    if ('remove' in decided) {
      const then = [{ delete: key }, ...(alongside?.then ?? [])];
      return { txn: { when, then }, result: toHub(kind, decided.remove), outcome: 'removed', alongside };
    }
    const hub = frozenForStore(toHub(kind, decided.put));
    if (current && !alongside?.then.length && isSameJson(withoutRevision(current), withoutRevision(hub)))
      return 'unchanged';
    const then = [{ put: key, value: sizeChecked(encode(hub)) }, ...(alongside?.then ?? [])];
    return { txn: { when, then }, result: hub, outcome: current ? 'updated' : 'created', alongside };
  }

  async #fresh(kind: Kind, key: string): Promise<Stored | undefined> {
    return (await this.#caches.of(kind).get(key, 'newest'))?.stored;
  }

  /** With its resourceVersion; the cache's own object when it has it. */
  #objectOf(stored: Stored): KubeObject {
    return withRevision(decode(stored.value), stored.modRevision);
  }

  async #settled<T extends KubeObject>(
    kind: Kind<T>,
    key: string,
    { hub, revision }: { hub: KubeObject; revision: Revision },
  ): Promise<StoredState<T>> {
    const cache = this.#caches.of(kind);
    await cache.waitUntil(revision);
    const cached = cache.peek(key);
    if (cached?.revision === revision) return { object: cached.object(formOf(kind)) as T, cached };
    return { object: deepFreeze(fromHub(kind, frozenAt(hub, revision))) }; // already changed again
  }
}

export interface UpdateOptions<T extends KubeObject> {
  change: (current: T | undefined) => Change<T> | Promise<Change<T>>;
  mayCreate?: boolean;
  dryRun?: boolean;
}

interface Plan {
  txn: Txn;
  result: KubeObject;
  outcome: 'created' | 'updated' | 'removed';
  alongside: Alongside | undefined;
}

interface Planned<T extends KubeObject> {
  key: string;
  standing: Stored | undefined;
  current: KubeObject | undefined;
  decided: Change<T>;
}

function frozenForStore(hub: KubeObject): KubeObject {
  return deepFreeze(withoutRevision(hub));
}

function withoutRevision(object: KubeObject): KubeObject {
  if (!('resourceVersion' in object.metadata)) return object;
  const { resourceVersion: _, ...metadata } = object.metadata;
  return { ...object, metadata: metadata as KubeObject['metadata'] };
}

/** What a dry run answers with: nothing was stored, so the version is still the old one. */
const likeStanding = (result: KubeObject, standing: Stored | undefined): KubeObject =>
  standing ? withRevision(result, standing.modRevision) : result;

const frozenAt = (hub: KubeObject, revision: Revision): KubeObject => deepFreeze(withRevision(hub, revision));

function sizeChecked(value: Uint8Array): Uint8Array {
  if (value.length <= MAX_OBJECT_BYTES) return value;
  throw internalError('etcdserver: request is too large');
}

function alreadyStands(kind: Kind, standing: KubeObject): StatusError {
  const error = alreadyExists(kind, standing.metadata.name);
  if (!standing.metadata.deletionTimestamp) return error;
  return new StatusError('AlreadyExists', `object is being deleted: ${error.message}`, { details: error.details });
}

function takenBy(alongside: Alongside | undefined, found: readonly (Stored | undefined)[]): AlongsideTaken {
  const expected = alongside?.when ?? [];
  const taken = expected.filter(({ modRevision }, index) => (found[index]?.modRevision ?? 0) !== modRevision);
  return new AlongsideTaken(taken.map(({ key }) => key));
}

/** The stored key of an object of this kind, for transactions that touch it alongside another. */
export const keyIn = (kind: Kind, at: At): string => storageKey(hubOf(kind), at);
