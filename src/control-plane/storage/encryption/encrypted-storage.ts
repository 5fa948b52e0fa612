/**
 * A store whose values are sealed where the configuration says so. Above it everything is as if they were not; below it
 * (memory, disk, etcd, their histories) nothing is to be read without the keys.
 */
import { firstOf, PlainSignal } from '#base/plain-signal.ts';
import type { Soon } from '#base/soon.ts';
import { Unreadable } from '../errors.ts';
import type {
  EventBatch,
  RangeOptions,
  RangeResult,
  Revision,
  Storage,
  Stored,
  Txn,
  TxnResult,
  Write,
} from '../storage.ts';
import { KeyPending } from './value-cipher.ts';
import type { ValueCiphers } from './value-ciphers.ts';

/** The ciphers of a key; undefined: its value is stored as it is. */
export type CiphersOf = (key: string) => ValueCiphers | undefined;

export class EncryptedStorage implements Storage {
  readonly #base: Storage;
  #ciphersOf: CiphersOf;
  #reconfigured = new PlainSignal();
  /** Embedded stores hand back the very bytes that they were given: those need not be opened. */
  #opened = new WeakMap<Uint8Array, Uint8Array>();

  constructor(base: Storage, ciphersOf: CiphersOf) {
    this.#base = base;
    this.#ciphersOf = ciphersOf;
  }

  /** For what is read and written from now on. Watches end: whoever watches reads anew, and sees what is stale now. */
  configure(ciphersOf: CiphersOf): void {
    this.#ciphersOf = ciphersOf;
    this.#opened = new WeakMap();
    this.#reconfigured.abort();
    this.#reconfigured = new PlainSignal();
  }

  currentRevision(): Soon<Revision> {
    return this.#base.currentRevision();
  }

  newestUnder(prefix: string): Revision | undefined {
    return this.#base.newestUnder(prefix);
  }

  /** Throws Unreadable, like everything that reads. */
  async get(key: string, revision?: Revision): Promise<Stored | undefined> {
    const stored = await this.#base.get(key, revision);
    return this.#withKeys(() => this.#open(stored));
  }

  async range(options: RangeOptions): Promise<RangeResult> {
    const found = await this.#base.range(options);
    const items: Stored[] = [];
    // What is open stays so while the key of the next is asked for: there may be more keys than are remembered.
    await this.#withKeys(() => {
      for (const item of found.items.slice(items.length)) items.push(this.#open(item));
    });
    return { ...found, items };
  }

  async commit({ when, then }: Txn): Promise<TxnResult> {
    const compared = new Set(when.map(({ key }) => key));
    const sealed = then.map((write) => this.#sealed(write, compared));
    const result = await this.#base.commit({ when, then: await Promise.all(sealed) });
    return this.#withKeys(() => ({ ...result, found: result.found.map((one) => this.#open(one)) }));
  }

  async *watch(options: Parameters<Storage['watch']>[0]): AsyncGenerator<EventBatch> {
    const { signal, release } = firstOf(options.signal, this.#reconfigured);
    try {
      for await (const batch of this.#base.watch({ ...options, signal }))
        yield await this.#withKeys(() => this.#openedBatch(batch));
    } finally {
      release();
    }
  }

  requestProgress(prefix: string, revision?: Revision): Promise<Revision> {
    return this.#base.requestProgress(prefix, revision);
  }

  compact(prefix: string, revision: Revision): Promise<void> {
    return this.#base.compact(prefix, revision);
  }

  compactedRevision(prefix: string): Promise<Revision> {
    return this.#base.compactedRevision(prefix);
  }

  sizeBytes(): Promise<number | undefined> {
    return this.#base.sizeBytes();
  }

  close(): Promise<void> {
    return this.#base.close();
  }

  /**
   * Sealed anew a value never looks the same, and a put of what is there is to change nothing. Who compares has looked;
   * for others it is looked here.
   */
  async #sealed(write: Write, compared: ReadonlySet<string>): Promise<Write> {
    const ciphers = 'put' in write ? this.#ciphersOf(write.put) : undefined;
    if (!ciphers || 'delete' in write) return write;
    if (!compared.has(write.put)) {
      const there = await this.#base.get(write.put);
      const { value, isStale } = (await this.#withKeys(() => this.#open(there))) ?? {};
      if (there && value && !isStale && Buffer.compare(value, write.value) === 0)
        return { put: write.put, value: there.value };
    }
    const value = ciphers.seal(write.value, write.put);
    if (value !== write.value) this.#opened.set(value, write.value);
    return { put: write.put, value };
  }

  #openedBatch({ events, revision }: EventBatch): EventBatch {
    if (!events.some(({ key }) => this.#ciphersOf(key))) return { events, revision };
    return {
      revision,
      events: events.map((event) => ({ ...event, now: this.#open(event.now), before: this.#open(event.before) })),
    };
  }

  #open(stored: Stored): Stored;
  #open(stored: Stored | undefined): Stored | undefined;
  #open(stored: Stored | undefined): Stored | undefined {
    const ciphers = stored && this.#ciphersOf(stored.key);
    if (!ciphers) return stored;
    const known = this.#opened.get(stored.value);
    if (known) return { ...stored, value: known };
    try {
      const { value, isStale } = ciphers.open(stored.value, stored.key);
      return { ...stored, value, ...(isStale && { isStale }) };
    } catch (error) {
      const because = (why: unknown) =>
        new Unreadable(
          `unable to transform key ${JSON.stringify(stored.key)}: ${why instanceof Error ? why.message : String(why)}`,
        );
      if (!(error instanceof KeyPending)) throw because(error);
      throw new KeyPending(
        error.asked.catch((why: unknown) => {
          throw because(why);
        }),
      );
    }
  }

  /** What is opened may need keys that have to be asked for first, one after the other. */
  async #withKeys<T>(open: () => T): Promise<T> {
    for (;;) {
      const ciphersOf = this.#ciphersOf;
      try {
        return open();
      } catch (error) {
        if (!(error instanceof KeyPending)) throw error;
        await error.asked.catch((why: unknown) => {
          // Other ciphers may know more: those from before are closed with what they were asking.
          if (ciphersOf === this.#ciphersOf) throw why;
        });
      }
    }
  }
}
