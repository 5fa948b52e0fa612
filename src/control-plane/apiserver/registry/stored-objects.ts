/**
 * Objects in the store: each write is one transaction that holds only if nobody else wrote meanwhile, and a reply is
 * given when the watch cache has the write, so that whoever wrote can read it at once. Callers see the version they
 * ask for; stored is the hub version. Behaviour: etcd3 store of upstream's apiserver (GuaranteedUpdate).
 */
import { apiVersionOf, type Kind } from '#api/machinery/kind.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { alreadyExists, internalError, notFound, StatusError, timeout } from '#api/machinery/status.ts';
import { deepFreeze } from '#base/deep-freeze.ts';
import { type Soon, soon } from '#base/soon.ts';
import { DeferredPut, type DeferredValue } from '#control-plane/storage/deferred-value.ts';
import type { Put, Revision, Storage, Stored, Txn, Write } from '#control-plane/storage/storage.ts';
import { decode, deferredValue, encode, storageKey, withRevision } from '../watch-cache/stored-object.ts';
import type { CachedObject, WatchCache } from '../watch-cache/watch-cache.ts';
import { type Caches, formOf, fromHub, hubOf, toHub } from './caches.ts';
import { isSameState } from './same-json.ts';

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
  get<T extends KubeObject>(kind: Kind<T>, at: At): Soon<T | undefined> {
    const found = this.#caches.of(kind).get(storageKey(kind, at), 'newest');
    return soon(found, (cached) => cached?.object(formOf(kind)) as T | undefined);
  }

  /** What the cache holds at the moment; may lag behind. */
  async peek<T extends KubeObject>(kind: Kind<T>, at: At): Promise<T | undefined> {
    const found = await this.#caches.of(kind).get(storageKey(kind, at), 'any');
    return found?.object(formOf(kind)) as T | undefined;
  }

  /** The same where it costs no waiting; undefined also for what would have to be converted first. */
  atHand<T extends KubeObject>(kind: Kind<T>, at: At): T | undefined {
    if (kind.converter) return undefined;
    return this.#caches.of(kind).peek(storageKey(kind, at))?.object(formOf(kind)) as T | undefined;
  }

  /** Throws AlreadyExists, AlongsideTaken. */
  async create<T extends KubeObject>(kind: Kind<T>, object: T, alongside?: Alongside): Promise<StoredState<T>> {
    const key = storageKey(kind, object.metadata);
    const whole = deepFreeze(kind.converter ? await storedBy(kind, object) : toHub(kind, object));
    const { hub, put } = fitting(whole, { key, defers: this.#storage.defers });
    const result = await this.#storage.commit({
      when: [{ key, modRevision: 0 }, ...(alongside?.when ?? [])],
      then: [put, ...(alongside?.then ?? [])],
    });
    if (result.succeeded) return this.#settled(kind, key, { hub, revision: result.revision });
    const standing = result.found[0];
    if (standing) throw alreadyStands(kind, decode(standing.value));
    throw takenBy(alongside, result.found.slice(1));
  }

  /** For a dry run: throws AlreadyExists when a create would. */
  async refuseIfExists(kind: Kind, at: At): Promise<void> {
    const found = await this.get(kind, at);
    if (found) throw alreadyStands(kind, found);
  }

  /**
   * Applies `change` to the current state until it can be stored without a write of somebody else in between;
   * `change` may run several times. The current object is undefined when there is none and `mayCreate`; else that is
   * a NotFound.
   * @returns the state that is stored afterwards; for a removal the last one, under the revision of the removal.
   */
  async update<T extends KubeObject>(
    kind: Kind<T>,
    at: At,
    { change, mayCreate = false, dryRun = false }: UpdateOptions<T>,
  ): Promise<Updated<T>> {
    const key = storageKey(kind, at);
    const first = kind.converter ? this.#newest(kind, key) : this.#caches.of(kind).get(key, 'any');
    let standing: Standing | undefined = first instanceof Promise ? await first : first;
    let isNewest = false;
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const decision = await this.#decide(kind, { key, standing, change, mayCreate });
      const modRevision = standing && storedOf(standing).modRevision;
      // Not to write counts only when it was decided in view of the newest state; a write finds out by itself.
      if (!('txn' in decision) && !isNewest) {
        const newest = await this.#newest(kind, key);
        isNewest = true;
        if ((newest && storedOf(newest).modRevision) !== modRevision) {
          standing = newest;
          continue;
        }
      }
      if ('refusal' in decision) throw decision.refusal;
      if (!('txn' in decision)) return this.#unchanged(kind, key, decision.current);
      if (dryRun)
        return {
          object: deepFreeze(await this.#shown(kind, likeStanding(decision.result, modRevision))),
          outcome: decision.outcome,
        };
      const result = await this.#storage.commit(decision.txn);
      if (result.succeeded) return this.#written(kind, { key, decision, revision: result.revision });
      const found = result.found[0];
      if (found?.modRevision === modRevision) throw takenBy(decision.alongside, result.found.slice(1));
      [standing, isNewest] = [found, true];
    }
    throw timeout('Timeout: Too many concurrent writes of one object', 1);
  }

  async #decide<T extends KubeObject>(
    kind: Kind<T>,
    { key, standing, change, mayCreate }: Situation<T>,
  ): Promise<Decision> {
    const current = standing && objectOf(standing);
    if (!current && !mayCreate) return { refusal: notFound(kind, key.slice(key.lastIndexOf('/') + 1)) };
    try {
      const shown = current && (kind.converter ? await this.#shown(kind, current) : fromHub(kind, current));
      const decided = await change(shown);
      if (decided === 'leave') return { current: current! };
      if (kind.converter && 'put' in decided && shown && isStoredAs(kind, current!) && isSameState(shown, decided.put))
        return { current: current! };
      const next = 'remove' in decided ? decided.remove : decided.put;
      const hub = kind.converter ? await storedBy(kind, next) : toHub(kind, next);
      const { defers } = this.#storage;
      return planOf({ key, standing: standing && storedOf(standing), current, decided, hub, defers });
    } catch (error) {
      if (error instanceof StatusError) return { refusal: error };
      throw error;
    }
  }

  async #unchanged<T extends KubeObject>(kind: Kind<T>, key: string, current: KubeObject): Promise<Updated<T>> {
    const cached = this.#caches.of(kind).peek(key);
    const isSame = cached && String(cached.revision) === current.metadata.resourceVersion;
    if (isSame) return { object: cached.object(formOf(kind)) as T, cached, outcome: 'unchanged' };
    return { object: deepFreeze(await this.#shown(kind, current)), outcome: 'unchanged' };
  }

  #written<T extends KubeObject>(
    kind: Kind<T>,
    { key, decision, revision }: { key: string; decision: Plan; revision: Revision },
  ): Soon<Updated<T>> {
    const { outcome, result: hub } = decision;
    if (outcome !== 'removed')
      return soon(this.#settled(kind, key, { hub, revision }), (state) => ({ outcome, ...state }));
    return soon(this.#reached(kind, revision), async () => ({
      object: deepFreeze(await this.#shown(kind, frozenAt(hub, revision))),
      outcome,
    }));
  }

  async #newest(kind: Kind, key: string): Promise<Standing | undefined> {
    return kind.converter ? this.#storage.get(key) : this.#caches.of(kind).get(key, 'newest');
  }

  #settled<T extends KubeObject>(
    kind: Kind<T>,
    key: string,
    { hub, revision }: { hub: KubeObject; revision: Revision },
  ): Soon<StoredState<T>> {
    return soon(this.#reached(kind, revision), (cache): Soon<StoredState<T>> => {
      const cached = cache.peek(key);
      if (cached?.revision === revision) return { object: cached.object(formOf(kind)) as T, cached };
      return this.#shown(kind, frozenAt(hub, revision)).then((object) => ({ object: deepFreeze(object) })); // already changed again
    });
  }

  /** The cache of the kind, when it has come as far: who follows an embedded store is there before the write is acknowledged. */
  #reached(kind: Kind, revision: Revision): Soon<WatchCache> {
    const cache = this.#caches.of(kind);
    return cache.revision < revision ? cache.waitUntil(revision).then(() => cache) : cache;
  }

  /** As this version has it: what its cache has of this very state, else what is made of it now. */
  async #shown<T extends KubeObject>(kind: Kind<T>, stored: KubeObject): Promise<T> {
    const { converter } = kind;
    if (!converter) return fromHub(kind, stored);
    const cached = this.#caches.of(kind).peek(storageKey(kind, stored.metadata));
    const { resourceVersion } = stored.metadata;
    if (cached && resourceVersion === String(cached.revision)) return cached.object(formOf(kind)) as T;
    const [converted] = await converter.convert([withoutRevision(stored)], apiVersionOf(kind));
    const shaped = (kind.custom?.shaped(converted!) ?? converted!) as T;
    return { ...shaped, metadata: { ...shaped.metadata, ...(resourceVersion && { resourceVersion }) } };
  }
}

export interface UpdateOptions<T extends KubeObject> {
  change: (current: T | undefined) => Change<T> | Promise<Change<T>>;
  mayCreate?: boolean;
  dryRun?: boolean;
}

export type Updated<T extends KubeObject> = StoredState<T> & {
  outcome: 'created' | 'updated' | 'removed' | 'unchanged';
};

/** What there is before a change: as the cache has it, or as the store has handed it out. */
type Standing = CachedObject | Stored;

const storedOf = (standing: Standing): Stored => ('stored' in standing ? standing.stored : standing);

/** The cache has parsed it already, mostly, and what a change leaves as it is need not be frozen and compared again. */
const objectOf = (standing: Standing): KubeObject =>
  'stored' in standing ? standing.object() : withRevision(decode(standing.value), standing.modRevision);

interface Situation<T extends KubeObject> {
  key: string;
  standing: Standing | undefined;
  change: UpdateOptions<T>['change'];
  mayCreate: boolean;
}

interface Plan {
  txn: Txn;
  /** The hub object that stands afterwards, or went. */
  result: KubeObject;
  outcome: 'created' | 'updated' | 'removed';
  alongside: Alongside | undefined;
}

/** `current`: nothing is to be written. */
type Decision = Plan | { current: KubeObject } | { refusal: StatusError };

interface Decided<T> {
  key: string;
  standing: Stored | undefined;
  current: KubeObject | undefined;
  decided: Exclude<Change<T>, 'leave'>;
  /** The decided object as it is stored. */
  hub: KubeObject;
  /** See `Storage`. */
  defers: boolean | undefined;
}

function planOf<T>({ key, standing, current, decided, hub: decidedHub, defers }: Decided<T>): Decision {
  const { alongside } = decided;
  const when = [{ key, modRevision: standing?.modRevision ?? 0 }, ...(alongside?.when ?? [])];
  if ('remove' in decided) {
    const then = [{ delete: key }, ...(alongside?.then ?? [])];
    return { txn: { when, then }, result: decidedHub, outcome: 'removed', alongside };
  }
  const whole = deepFreeze(decidedHub); // with the version that it was made from, which is not stored
  const isCompared = !standing?.isStale && !alongside?.then.length;
  if (current && isCompared && isSameState(current, whole)) return { current };
  const { hub, put } = fitting(whole, { key, defers: defers && isCompared, known: standing?.deferred });
  const then = [put, ...(alongside?.then ?? [])];
  return { txn: { when, then }, result: hub, outcome: current ? 'updated' : 'created', alongside };
}

/** By a webhook, pruned by the schema of the stored version. */
async function storedBy(kind: Kind, object: KubeObject): Promise<KubeObject> {
  const hub = hubOf(kind);
  const [converted] = await kind.converter!.convert([withoutRevision(object)], apiVersionOf(hub));
  return hub === kind ? converted! : (hub.custom?.shaped(converted!) ?? converted!);
}

/** False: in a version that was the stored one once. A write that changes nothing else brings it up to date. */
const isStoredAs = (kind: Kind, { apiVersion }: KubeObject): boolean => apiVersion === apiVersionOf(hubOf(kind));

export function withoutRevision(object: KubeObject): KubeObject {
  if (!('resourceVersion' in object.metadata)) return object;
  const { resourceVersion: _, ...metadata } = object.metadata;
  return { ...object, metadata: metadata as KubeObject['metadata'] };
}

/** What a dry run answers with: nothing was stored, so the version is still the old one. */
const likeStanding = (result: KubeObject, modRevision: Revision | undefined): KubeObject =>
  modRevision === undefined ? result : withRevision(result, modRevision);

const frozenAt = (hub: KubeObject, revision: Revision): KubeObject => deepFreeze(withRevision(hub, revision));

/** What is too large with the account of who manages its fields goes without. Source: upstream's handlers/create.go. */
function fitting(
  hub: KubeObject,
  { key, defers, known }: { key: string; defers: boolean | undefined; known?: DeferredValue | undefined },
): { hub: KubeObject; put: Put } {
  const deferred = defers && deferredValue(hub, MAX_OBJECT_BYTES, known);
  if (deferred) return { hub, put: new DeferredPut(key, deferred) };
  const value = encode(hub);
  if (value.length <= MAX_OBJECT_BYTES) return { hub, put: { put: key, value } };
  const { managedFields, ...metadata } = hub.metadata;
  if (!managedFields) throw internalError('etcdserver: request is too large');
  return fitting(deepFreeze({ ...hub, metadata: metadata as KubeObject['metadata'] }), { key, defers });
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
