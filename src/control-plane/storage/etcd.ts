/**
 * The store in an etcd (3.4 or newer) beside others: several API servers may share it. Keys and values as everywhere else, so
 * etcd's own tools read them. One watch of everything feeds the same hub that the embedded stores use.
 */
import type { ServiceError } from '@grpc/grpc-js';
import { sleep } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { Signal } from '#base/plain-signal.ts';
import { StorageClosed } from './errors.ts';
import type { RequestOp } from './etcd-api.ts';
import { EtcdClient, type EtcdConnection } from './etcd-client.ts';
import { eventsOf, storedOf } from './etcd-events.ts';
import { Floors } from './floors.ts';
import { endOf } from './sorted-keys.ts';
import {
  Compacted,
  type EventBatch,
  FutureRevision,
  type RangeOptions,
  type RangeResult,
  type Revision,
  type Storage,
  type Stored,
  type StoreEvent,
  type Txn,
  type TxnResult,
  type Write,
} from './storage.ts';
import { WatchHub } from './watch-hub.ts';

export interface EtcdOptions extends EtcdConnection {
  log: Log;
}

const RETRY_MS = 500;
const NO_KEY = Buffer.from([0]);

/** Resolves when a member has answered. @throws StorageUnreachable */
export async function connectEtcdStorage(options: EtcdOptions): Promise<Storage> {
  const client = new EtcdClient(options);
  try {
    const { version } = await client.call(client.methods.status, {});
    const { header } = await client.call(client.methods.range, { key: NO_KEY });
    options.log.info('connected to etcd', { version, revision: header.revision });
    return new EtcdStorage(client, options, header.revision);
  } catch (error) {
    client.close();
    throw error;
  }
}

class EtcdStorage implements Storage {
  readonly #client: EtcdClient;
  readonly #options: EtcdOptions;
  readonly #hub: WatchHub;
  /** What this process was told to forget of a prefix. etcd itself forgets only everywhere at once. */
  readonly #floors = new Floors();
  readonly #stop = new AbortController();
  readonly #feeding: Promise<void>;
  #asking: Promise<Revision> | undefined;
  #askingNext: Promise<Revision> | undefined;

  constructor(client: EtcdClient, options: EtcdOptions, revision: Revision) {
    this.#client = client;
    this.#options = options;
    this.#hub = new WatchHub((prefix, after, upTo) => this.#readHistory(prefix, after, upTo), revision);
    this.#feeding = this.#feed();
  }

  /** Callers that come while one question is under way share the next: the answer must not be older than their question. */
  currentRevision(): Promise<Revision> {
    if (!this.#asking) return this.#ask();
    this.#askingNext ??= this.#asking.then(noMatter, noMatter).then(() => {
      this.#askingNext = undefined;
      return this.#ask();
    });
    return this.#askingNext;
  }

  async get(key: string, revision?: Revision): Promise<Stored | undefined> {
    if (revision !== undefined) this.#floors.refuseBelow(key, revision);
    const { kvs } = await this.#range({ key: Buffer.from(key), revision });
    return kvs[0] && storedOf(kvs[0]);
  }

  /** Others write to it as well: only asking tells. */
  newestUnder(): undefined {
    return undefined;
  }

  async range({ prefix, after, limit, revision }: RangeOptions): Promise<RangeResult> {
    if (revision !== undefined) this.#floors.refuseBelow(prefix, revision);
    const from = after !== undefined && after >= prefix ? `${after}\0` : prefix || '\0';
    const end = Buffer.from(endOf(prefix) ?? '\0');
    const { kvs, more, count, header } = await this.#range({ key: Buffer.from(from), range_end: end, limit, revision });
    return { items: kvs.map(storedOf), more, count, revision: revision ?? header.revision };
  }

  async commit({ when, then }: Txn): Promise<TxnResult> {
    if (this.#stop.signal.aborted) throw new StorageClosed();
    const compare = when.map(({ key, modRevision }) => ({
      key: Buffer.from(key),
      target: 'MOD' as const,
      mod_revision: modRevision,
    }));
    const failure = when.map(({ key }) => ({ request_range: { key: Buffer.from(key) } }));
    const request = { compare, success: then.map(unlessEqual), failure };
    const { succeeded, responses, header } = await this.#client.call(this.#client.methods.txn, request, { once: true });
    const found = responses.map(({ response_range }) => response_range?.kvs[0] && storedOf(response_range.kvs[0]));
    return { succeeded, revision: header.revision, found: succeeded ? [] : found };
  }

  watch(options: { prefix: string; after?: Revision; signal: Signal }): AsyncIterable<EventBatch> {
    return this.#watch(options);
  }

  async requestProgress(prefix: string, revision = 0): Promise<Revision> {
    const current = await this.currentRevision();
    this.#hub.askProgress(prefix, Math.max(revision, current));
    return current;
  }

  /** Of '' or /registry/ (all there is) in etcd itself; of a narrower prefix only for readers and watchers of this process. */
  async compact(prefix: string, revision: Revision): Promise<void> {
    const current = await this.currentRevision();
    if (revision > current) throw new FutureRevision(current);
    if (!this.#floors.raise(prefix, revision) || !'/registry/'.startsWith(prefix)) return;
    try {
      await this.#client.call(this.#client.methods.compact, { revision });
    } catch (error) {
      if (!isCompacted(error)) throw error; // another server of the same etcd was faster
    }
  }

  async compactedRevision(prefix: string): Promise<Revision> {
    return this.#floors.of(prefix);
  }

  /** Of the member that answers. */
  async sizeBytes(): Promise<number> {
    return (await this.#client.call(this.#client.methods.status, {})).dbSize;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    this.#hub.close();
    await this.#feeding;
    this.#client.close();
  }

  /** The hub may be a little behind etcd, so where a watch starts is decided here. */
  async *#watch(options: { prefix: string; after?: Revision; signal: Signal }): AsyncGenerator<EventBatch, void> {
    const after = options.after ?? (await this.currentRevision());
    this.#floors.refuseBelow(options.prefix, after);
    if (options.after === undefined) yield { events: [], revision: after };
    yield* this.#hub.watch({ ...options, after });
  }

  #ask(): Promise<Revision> {
    const asking = this.#range({ key: NO_KEY }).then(({ header }) => header.revision);
    const done = () => {
      if (this.#asking === asking) this.#asking = undefined;
    };
    this.#asking = asking;
    asking.then(done, done);
    return asking;
  }

  async #range(request: { key: Buffer; range_end?: Buffer; limit?: number; revision?: Revision }) {
    if (this.#stop.signal.aborted) throw new StorageClosed();
    try {
      return await this.#client.call(this.#client.methods.range, request);
    } catch (error) {
      if (isCompacted(error)) throw new Compacted(Math.max(this.#floors.of(''), (request.revision ?? 0) + 1));
      if (isFuture(error)) throw new FutureRevision(await this.currentRevision());
      throw error;
    }
  }

  async #readHistory(prefix: string, after: Revision, upTo: Revision): Promise<StoreEvent[]> {
    this.#floors.refuseBelow(prefix, after);
    const events: StoreEvent[] = [];
    const stop = new AbortController();
    const signal = AbortSignal.any([stop.signal, this.#stop.signal]);
    for await (const batch of eventsOf(this.#client, { after, signal })) {
      for (const event of batch.events) {
        if (event.revision <= upTo && event.key.startsWith(prefix)) events.push(event);
      }
      if (batch.revision >= upTo) break;
    }
    stop.abort();
    return events;
  }

  async #feed(): Promise<void> {
    const { signal } = this.#stop;
    const { clock, log } = this.#options;
    while (!signal.aborted) {
      try {
        for await (const batch of eventsOf(this.#client, { after: this.#hub.revision, signal }))
          this.#hub.notify(batch);
      } catch (error) {
        if (signal.aborted) return;
        log.warn('the watch of etcd was cut off', { error: String(error) });
        if (error instanceof Compacted)
          this.#hub.skipTo(Math.max(error.compactedRevision, await this.#currentOrKnown()));
      }
      await sleep(clock, RETRY_MS, signal).catch(noMatter); // ends early only when we close
    }
  }

  /** The next round of the feed asks again when etcd does not answer now. */
  #currentOrKnown(): Promise<Revision> {
    return this.currentRevision().catch(() => this.#hub.revision);
  }
}

/** A put of what is there already uses up no revision. etcd compares values itself, so no round trip is needed for it. */
function unlessEqual(write: Write): RequestOp {
  if ('delete' in write) return { request_delete_range: { key: Buffer.from(write.delete) } };
  const key = Buffer.from(write.put);
  const value = Buffer.from(write.value);
  return {
    request_txn: {
      compare: [{ key, target: 'VALUE', value }],
      success: [],
      failure: [{ request_put: { key, value } }],
    },
  };
}

const noMatter = () => undefined;
// etcd has one code (OUT_OF_RANGE) for both; the texts are constants of its API (rpctypes, error.go).
const isCompacted = (error: unknown) => hasText(error, 'required revision has been compacted');
const isFuture = (error: unknown) => hasText(error, 'required revision is a future revision');
const hasText = (error: unknown, text: string) => Boolean((error as ServiceError).details?.includes(text));
