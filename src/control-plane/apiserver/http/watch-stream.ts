/**
 * A watch as the client sees it: one JSON document a line (or one frame of protobuf), as soon as it happens. What the
 * cache encoded once goes to all watchers; only tables and metadata are made for the form that was asked for. Events
 * that are there together go out together, in slices (`frame-slices.ts`).
 */
import { facts } from '#api/generated/facts.ts';
import { encodeProtobuf, encodeWatchFrame } from '#api/machinery/codec-protobuf.ts';
import { apiVersionOf, type Kind } from '#api/machinery/kind.ts';
import { internalError, StatusError } from '#api/machinery/status.ts';
import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import { Unreachable } from '#client/transport.ts';
import { formOf } from '../registry/caches.ts';
import type { OpenedWatch } from '../verbs/watch.ts';
import type { CacheEvent } from '../watch-cache/watch-cache.ts';
import { metadataText, rowText, tableHead } from './body-chunks.ts';
import type { Exchange } from './exchange.ts';
import { jsonSlices, slicesOf } from './frame-slices.ts';
import { includeOf, type Wanted } from './negotiation.ts';

export interface WatchStreamOptions {
  wanted: Wanted;
  query: URLSearchParams;
  now(): number;
  clock: Clock;
  log: Log;
}

/**
 * So long a client may leave a slice unread. Its events pile up meanwhile, up to a limit; then its watch is over, and it
 * has to be told so, though it does not read.
 */
const STALLED_MS = 60_000;

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  json: 'application/json',
  protobuf: 'application/vnd.kubernetes.protobuf;stream=watch',
};

export async function sendWatch(exchange: Exchange, { kind, batches }: OpenedWatch, options: WatchStreamOptions) {
  const slices = slicer(kind, options); // 400
  exchange.begin(200, { 'content-type': CONTENT_TYPES[options.wanted.encoding]! });
  exchange.flush();
  try {
    for await (const batch of batches) {
      for (const slice of slices(batch)) {
        if (exchange.signal.aborted) return;
        const room = exchange.write(slice);
        if (room) await orCut(exchange, room, options.clock);
      }
    }
  } catch (error) {
    if (error instanceof Unreachable) return exchange.abort(); // a test lets the watch break off
    const status = error instanceof StatusError ? error : internalError('the watch broke', error);
    if (status !== error) options.log.error('a watch broke', { resource: kind.plural, error: String(error) });
    await exchange.write(errorFrame(status, options.wanted));
  }
  exchange.end();
}

async function orCut(exchange: Exchange, room: Promise<void>, clock: Clock): Promise<void> {
  const timer = clock.timer(STALLED_MS, () => exchange.abort());
  await room;
  timer.cancel();
}

function slicer(kind: Kind, options: WatchStreamOptions): (events: readonly CacheEvent[]) => Iterable<Uint8Array> {
  const frameOf = framer(kind, options);
  if (frameOf) return (events) => slicesOf(events, frameOf);
  const form = formOf(kind);
  // Most often there is one, and as many watchers as there are get the same bytes.
  return (events) => (events.length === 1 ? [events[0]!.frame(form)] : jsonSlices(events, form));
}

type Framer = (event: CacheEvent) => Uint8Array;

/** undefined: as the cache has it. */
function framer(kind: Kind, { wanted, query, now }: WatchStreamOptions): Framer | undefined {
  const form = formOf(kind);
  if (wanted.shape === 'PartialObjectMetadata')
    return (event) => {
      const { object } = event;
      if (!object) return line('BOOKMARK', JSON.stringify(bookmarkOf(kind, event, `meta.k8s.io/${wanted.version}`)));
      return event.memo(form, `metadata/${wanted.version}`, () =>
        line(event.type, metadataText(object, form, wanted.version)),
      );
    };
  if (wanted.shape === 'Table') return tableFramer(kind, { wanted, query, now });
  if (wanted.encoding === 'protobuf') return protobufFramer(kind);
  return undefined;
}

const line = (type: string, object: string): Buffer => Buffer.from(`{"type":"${type}","object":${object}}\n`);

/** Each event a table of one row; the columns are told once. */
function tableFramer(kind: Kind, { wanted, query, now }: Pick<WatchStreamOptions, 'wanted' | 'query' | 'now'>): Framer {
  const include = includeOf(query);
  let isFirst = true;
  return (event) => {
    const columns = isFirst;
    isFirst = false;
    const head = tableHead(kind, { resourceVersion: String(event.revision) }, { version: wanted.version, columns });
    const options = { nowMs: now(), include, version: wanted.version };
    if (event.object) return line(event.type, `${head}${rowText(kind, event.object, options)}]}`);
    const marker = JSON.stringify(bookmarkOf(kind, event, apiVersionOf(kind)));
    return line(event.type, `${head}{"cells":null,"object":${marker}}]}`);
  };
}

function protobufFramer(kind: Kind): Framer {
  const form = formOf(kind);
  return (event) =>
    event.memo(form, 'protobuf', () => {
      const object = event.object?.object(form) ?? bookmarkOf(kind, event, apiVersionOf(kind));
      return encodeWatchFrame(event.type, encodeProtobuf(facts, object)!);
    });
}

const bookmarkOf = (kind: Kind, { revision, initialEventsEnd }: CacheEvent, apiVersion: string) => ({
  kind: apiVersion.startsWith('meta.k8s.io/') ? 'PartialObjectMetadata' : kind.kind,
  apiVersion,
  metadata: {
    resourceVersion: String(revision),
    ...(initialEventsEnd && { annotations: { 'k8s.io/initial-events-end': 'true' } }),
  },
});

function errorFrame(error: StatusError, { encoding }: Wanted): Uint8Array {
  const status = error.toStatus();
  if (encoding === 'protobuf') return encodeWatchFrame('ERROR', encodeProtobuf(facts, status)!);
  return line('ERROR', JSON.stringify(status));
}
