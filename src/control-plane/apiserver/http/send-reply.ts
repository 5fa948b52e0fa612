/** A Reply of the pipeline as an HTTP answer, in the form that the client asked for. */

import { promisify } from 'node:util';
import { createGzip, gzip } from 'node:zlib';
import type { Kind } from '#api/machinery/kind.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { tableOf } from '#api/machinery/table.ts';
import type { Clock } from '#base/clock.ts';
import { formOf } from '../registry/caches.ts';
import type { Reply } from '../resource-call.ts';
import {
  contentTypeOf,
  encoded,
  listChunks,
  listObject,
  metadataListChunks,
  partialMetadata,
  tableChunks,
} from './body-chunks.ts';
import type { Exchange, WholeBody } from './exchange.ts';
import { includeOf, type Wanted } from './negotiation.ts';
import { passingBuffer } from './passing-buffer.ts';

/** Smaller answers cost more to squeeze than to send. Source: KEP-0156, upstream's threshold. */
const GZIP_FROM_BYTES = 128 * 1024;
/** As upstream: speed over size. */
const GZIP_LEVEL = 1;
const squeeze = promisify(gzip);

export interface SendOptions {
  wanted: Wanted;
  query: URLSearchParams;
  clock: Clock;
}

/** Everything but what is forwarded. */
export function sendReply(exchange: Exchange, reply: Reply, options: SendOptions): Promise<void> | undefined {
  const { wanted } = options;
  if ('text' in reply) return sendBody(exchange, reply.code, { type: 'text/plain', body: Buffer.from(reply.text) });
  if ('page' in reply) return sendPage(exchange, reply, options);
  if ('list' in reply) {
    const value = wanted.shape === 'Table' ? tableFor(reply.kind, reply.items, options) : reply.list;
    return sendBody(exchange, reply.code, encoded(value, wanted));
  }
  if (!('object' in reply)) throw new Error('a forwarded reply is not sent from here');
  const { kind, cached, code } = reply;
  if (!kind || wanted.shape === 'Object') {
    if (cached && kind && wanted.encoding === 'json' && !wanted.pretty)
      return sendBody(exchange, code, { type: contentTypeOf('json'), body: cached.json(formOf(kind), passingBuffer) });
    return sendBody(exchange, code, encoded(reply.object, wanted));
  }
  const object = reply.object as KubeObject;
  const value = wanted.shape === 'Table' ? tableFor(kind, [object], options) : partialMetadata(object, wanted.version);
  return sendBody(exchange, code, encoded(value, wanted));
}

function tableFor(kind: Kind, items: readonly KubeObject[], { wanted, query, clock }: SendOptions): object {
  const resourceVersion = items.length === 1 ? items[0]!.metadata.resourceVersion : undefined;
  const metadata = resourceVersion ? { resourceVersion } : {};
  return {
    ...tableOf(kind, items, { nowMs: clock.now(), include: includeOf(query), metadata }),
    apiVersion: `meta.k8s.io/${wanted.version}`,
  };
}

async function sendPage(
  exchange: Exchange,
  { page, kind, code }: Extract<Reply, { page: unknown }>,
  { wanted, query, clock }: SendOptions,
): Promise<void> {
  const { shape, version, encoding, pretty } = wanted;
  const isBinary = encoding === 'protobuf' && shape === 'Object';
  if (isBinary) return sendBody(exchange, code, encoded(listObject(kind, page), wanted));
  const chunks =
    shape === 'Table'
      ? tableChunks(kind, page, { nowMs: clock.now(), version, include: includeOf(query) })
      : shape === 'PartialObjectMetadata'
        ? metadataListChunks(kind, page, version)
        : listChunks(kind, page);
  if (encoding === 'json' && !pretty) return sendChunks(exchange, code, chunks);
  return sendBody(exchange, code, encoded(JSON.parse(Buffer.concat([...chunks]).toString()), wanted));
}

const acceptsGzip = (exchange: Exchange): boolean => /\bgzip\b/.test(exchange.header('accept-encoding'));

export function sendBody(exchange: Exchange, code: number, whole: WholeBody): Promise<void> | undefined {
  if (whole.body.length > GZIP_FROM_BYTES && acceptsGzip(exchange)) return sendSqueezed(exchange, code, whole);
  return exchange.send(code, whole);
}

async function sendSqueezed(exchange: Exchange, code: number, { type, body }: WholeBody): Promise<void> {
  const small = await squeeze(body, { level: GZIP_LEVEL });
  return exchange.send(code, { type, body: small }, { 'content-encoding': 'gzip', vary: 'Accept-Encoding' });
}

/**
 * JSON in pieces. The first one decides: when it is all there is, the answer has a length and is not squeezed for
 * nothing.
 */
async function sendChunks(exchange: Exchange, code: number, chunks: Generator<Buffer>): Promise<void> {
  const type = contentTypeOf('json');
  const first = chunks.next();
  const second = chunks.next();
  if (first.done || second.done) return sendBody(exchange, code, { type, body: first.value ?? Buffer.alloc(0) });
  const all = (function* () {
    yield first.value;
    yield second.value;
    yield* chunks;
  })();
  if (!acceptsGzip(exchange) || exchange.method === 'HEAD') {
    exchange.begin(code, { 'content-type': type });
    for (const chunk of exchange.method === 'HEAD' ? [] : all) {
      if (exchange.signal.aborted) return;
      await exchange.write(chunk);
    }
    return exchange.end();
  }
  exchange.begin(code, { 'content-type': type, 'content-encoding': 'gzip', vary: 'Accept-Encoding' });
  const squeezer = createGzip({ level: GZIP_LEVEL });
  const feeding = feed(squeezer, all, exchange.signal);
  for await (const chunk of squeezer as AsyncIterable<Buffer>) {
    if (exchange.signal.aborted) break;
    await exchange.write(chunk);
  }
  await feeding;
  exchange.end();
}

async function feed(
  squeezer: ReturnType<typeof createGzip>,
  chunks: Iterable<Buffer>,
  signal: AbortSignal,
): Promise<void> {
  for (const chunk of chunks) {
    if (signal.aborted) break;
    if (!squeezer.write(chunk)) await new Promise<void>((room) => squeezer.once('drain', room).once('close', room));
  }
  squeezer.end();
}
