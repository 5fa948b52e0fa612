/** What the store holds, as of the last event that came: so that a test can look without waiting, and knows when all is told. */
import type { Kind } from '#api/machinery/kind.ts';
import { apiVersionOf } from '#api/machinery/kind.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { follow } from '#base/followable.ts';
import { deepFreeze } from '#base/deep-freeze.ts';
import { decode, storagePrefixOf } from '#control-plane/apiserver/watch-cache/stored-object.ts';
import type { EventBatch, Revision, Storage, Stored } from '#control-plane/storage/storage.ts';

const ROOT = '/registry/';

/** Told when something first stands under a prefix. */
type Began = (prefix: string) => void;

export class StoredView {
  readonly #storage: Storage;
  readonly #stored = new Map<string, Stored>();
  /** By the storage prefix of a kind: the revision of its last change. */
  readonly #lastChange = new Map<string, Revision>();
  #began: Began | undefined;
  #revision: Revision = 1; // an empty store

  constructor(storage: Storage, signal: AbortSignal) {
    this.#storage = storage;
    void follow(storage.watch({ prefix: ROOT, after: 1, signal }), (batch) => this.#take(batch)).ended;
  }

  /** One is told, within the turn of the store. */
  onBegan(began: Began): void {
    this.#began = began;
  }

  get revision(): Revision {
    return this.#revision;
  }

  async isCurrent(): Promise<boolean> {
    return this.#revision >= (await this.#storage.currentRevision());
  }

  /** 0 when nothing of this kind was ever written. */
  lastChange(kind: Kind): Revision {
    return this.#lastChange.get(kind.storagePrefix) ?? 0;
  }

  /** Frozen, in key order. Kinds of another than the stored version are not shown. */
  list<T extends KubeObject>(kind: Kind<T>, namespace?: string): T[] {
    const prefix = `${storagePrefixOf(kind)}${namespace ? `${namespace}/` : ''}`;
    const found = [...this.#stored.values()].filter(({ key }) => key.startsWith(prefix));
    const objects = found.sort((a, b) => (a.key < b.key ? -1 : 1)).map(objectOf);
    return objects.filter(({ apiVersion }) => apiVersion === apiVersionOf(kind)) as T[];
  }

  #take({ events, revision }: EventBatch): void {
    for (const { key, now, revision } of events) {
      if (now) this.#stored.set(key, now);
      else this.#stored.delete(key);
      for (let end = key.indexOf('/', ROOT.length); end >= 0; end = key.indexOf('/', end + 1))
        this.#changed(key.slice(ROOT.length, end), revision);
    }
    this.#revision = revision;
  }

  #changed(prefix: string, revision: Revision): void {
    const isFirst = !this.#lastChange.has(prefix);
    this.#lastChange.set(prefix, revision);
    if (isFirst) this.#began?.(prefix);
  }
}

function objectOf({ value, modRevision }: Stored): KubeObject {
  const object = decode(value);
  return deepFreeze({ ...object, metadata: { ...object.metadata, resourceVersion: String(modRevision) } });
}
