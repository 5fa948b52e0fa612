/**
 * Watches of a whole etcd, every key of it. That is what makes progress certain: a revision exists only because some key
 * changed, so the event that made revision n says that everything up to n has come. Progress notifications are not needed;
 * before 3.4.31 and 3.5.13 they could run ahead of the events.
 */
import type { ServiceError } from '@grpc/grpc-js';
import { status } from '@grpc/grpc-js';
import type { KeyValue, WatchResponse } from './etcd-api.ts';
import type { EtcdClient } from './etcd-client.ts';
import { Compacted, type EventBatch, type Revision, type Stored, type StoreEvent } from './storage.ts';

const EVERYTHING = Buffer.from([0]); // as the key: from the first; as range_end: to the last

/** Batches of events above `after`, whole revisions each, until `signal` aborts. Throws Compacted; else as the stream. */
export async function* eventsOf(
  client: EtcdClient,
  { after, signal }: { after: Revision; signal: AbortSignal },
): AsyncGenerator<EventBatch, void, undefined> {
  if (signal.aborted) return;
  const stream = client.watch({
    create_request: { key: EVERYTHING, range_end: EVERYTHING, start_revision: after + 1, prev_kv: true },
  });
  const stop = () => stream.cancel();
  signal.addEventListener('abort', stop, { once: true });
  try {
    for await (const response of stream as AsyncIterable<WatchResponse>) {
      if (response.compact_revision > 0) throw new Compacted(response.compact_revision);
      if (response.canceled) throw new Error(`etcd ended the watch: ${response.cancel_reason}`);
      if (response.events.length > 0) yield batchOf(response);
    }
  } catch (error) {
    if (!(signal.aborted && (error as ServiceError).code === status.CANCELLED)) throw error;
  } finally {
    signal.removeEventListener('abort', stop);
    stream.cancel();
  }
}

export const storedOf = ({ key, value, create_revision, mod_revision }: KeyValue): Stored => ({
  key: key.toString(),
  value: Buffer.from(value), // a copy: the message it came in would stay in memory with it
  createRevision: create_revision,
  modRevision: mod_revision,
});

function batchOf({ events }: WatchResponse): EventBatch {
  const converted = events.map(eventOf);
  return { events: converted, revision: converted.at(-1)!.revision };
}

function eventOf({ type, kv, prev_kv }: WatchResponse['events'][number]): StoreEvent {
  const revision = kv.mod_revision;
  const existed = type === 'DELETE' || kv.create_revision < revision;
  // The compaction went just up to this event: what stood there before it is gone.
  if (existed && !prev_kv) throw new Compacted(revision);
  return {
    key: kv.key.toString(),
    revision,
    now: type === 'PUT' ? storedOf(kv) : undefined,
    before: existed && prev_kv ? storedOf(prev_kv) : undefined,
  };
}
