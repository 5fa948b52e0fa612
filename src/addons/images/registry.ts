/**
 * An OCI registry over a folder, as a handler of HTTP requests. Source: OCI distribution specification 1.1.
 * Who may ask is decided before.
 */
import { createReadStream } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import type { Clock, Timer } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import { Blobs } from './blobs.ts';
import { byteRange, chunkStart } from './byte-range.ts';
import { collectGarbage } from './garbage.ts';
import { Manifests } from './manifests.ts';
import { checkedDigest, checkedReference, checkedRepository, checkedUpload } from './names.ts';
import { pageOf } from './pages.ts';
import { RegistryError } from './registry-error.ts';
import { type Route, routeOf } from './routes.ts';
import { UPLOAD_LIMITS, type UploadLimits, Uploads } from './uploads.ts';

export interface RegistryOptions {
  /** Its folder; nothing else is in it. */
  root: string;
  clock: Clock;
  log: Log;
  limits?: Partial<UploadLimits>;
}

interface Exchange {
  request: IncomingMessage;
  response: ServerResponse;
  query: URLSearchParams;
}

type Of<What extends Route['what']> = Extract<Route, { what: What }>;

const MANIFEST_BYTES = 4 << 20; // the least that the specification asks for
const TIDY_EVERY_MS = 600_000;
const COLLECT_EVERY_MS = 6 * 3_600_000;
/** A push may pause for so long between its blobs and its manifest. */
const UNUSED_MS = 24 * 3_600_000;

export class Registry {
  readonly #options: RegistryOptions;
  readonly #blobs: Blobs;
  readonly #manifests: Manifests;
  readonly #uploads: Uploads;
  #tidying: Timer | undefined;
  #turn: Promise<void> = Promise.resolve();
  #collectedMs: number;

  constructor(options: RegistryOptions) {
    const { root, clock, limits } = options;
    this.#options = options;
    this.#blobs = new Blobs(root);
    this.#manifests = new Manifests(root, this.#blobs);
    this.#uploads = new Uploads(root, { blobs: this.#blobs, clock, limits: { ...UPLOAD_LIMITS, ...limits } });
    this.#collectedMs = Number.NEGATIVE_INFINITY;
  }

  async start(): Promise<void> {
    await this.#uploads.clear();
    this.#tidyLater();
  }

  async close(): Promise<void> {
    this.#tidying?.cancel();
    await this.#uploads.close();
  }

  #tidyLater(): void {
    this.#tidying = this.#options.clock.timer(TIDY_EVERY_MS, () => {
      this.tidy()
        .catch((error: Error) => this.#options.log.warn('the registry cannot be tidied', { error: error.message }))
        .finally(() => this.#tidyLater());
    });
  }

  /** Drops uploads that nobody goes on with; from time to time also bytes that no image needs. */
  tidy(): Promise<void> {
    const next = this.#turn.then(() => this.#tidy());
    this.#turn = next.catch(() => undefined); // told to who asked
    return next;
  }

  async #tidy(): Promise<void> {
    const { clock, log } = this.#options;
    await this.#uploads.dropAbandoned();
    if (clock.monotonicMs() - this.#collectedMs < COLLECT_EVERY_MS) return;
    this.#collectedMs = clock.monotonicMs();
    const removed = await collectGarbage({
      blobs: this.#blobs,
      manifests: this.#manifests,
      nowMs: clock.now(),
      unusedMs: UNUSED_MS,
    });
    if (removed.length > 0) log.info('blobs that no image needs are removed', { count: removed.length });
  }

  /** Answers, whatever happens. */
  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const [pathname = '/', search = ''] = (request.url ?? '/').split('?');
      const route = routeOf(pathname);
      if (!route) throw new RegistryError('UNSUPPORTED', 'no such path', { status: 404 });
      response.setHeader('docker-distribution-api-version', 'registry/2.0');
      await this.#answer(route, { request, response, query: new URLSearchParams(search) });
    } catch (error) {
      if (error instanceof RegistryError) return refuse({ request, response }, error);
      if (isBroken(error)) return void response.destroy();
      this.#options.log.error('the registry failed', { error: (error as Error).message });
      refuse({ request, response }, new RegistryError('UNSUPPORTED', 'the registry failed', { status: 500 }));
    }
  }

  async #answer(route: Route, exchange: Exchange): Promise<void> {
    const method = exchange.request.method === 'HEAD' ? 'GET' : exchange.request.method;
    switch (`${method} ${route.what}`) {
      case 'GET base':
        return json(exchange.response, {});
      case 'GET catalog':
        return this.#list(exchange, 'repositories', await this.#manifests.repositories(), {});
      case 'GET tags':
        return this.#tags(route as Of<'tags'>, exchange);
      case 'GET blob':
        return this.#getBlob(route as Of<'blob'>, exchange);
      case 'DELETE blob':
        return this.#deleteBlob(route as Of<'blob'>, exchange);
      case 'POST uploads':
        return this.#beginUpload(route as Of<'uploads'>, exchange);
      case 'GET upload':
        return this.#showUpload(route as Of<'upload'>, exchange);
      case 'PATCH upload':
        return this.#appendUpload(route as Of<'upload'>, exchange);
      case 'PUT upload':
        return this.#finishUpload(route as Of<'upload'>, exchange);
      case 'DELETE upload':
        return this.#cancelUpload(route as Of<'upload'>, exchange);
      case 'GET manifest':
        return this.#getManifest(route as Of<'manifest'>, exchange);
      case 'PUT manifest':
        return this.#putManifest(route as Of<'manifest'>, exchange);
      case 'DELETE manifest':
        return this.#deleteManifest(route as Of<'manifest'>, exchange);
      case 'GET referrers':
        return this.#referrers(route as Of<'referrers'>, exchange);
      default:
        throw new RegistryError('UNSUPPORTED', 'the operation is unsupported');
    }
  }

  async #getBlob({ repository, item }: Of<'blob'>, { request, response }: Exchange): Promise<void> {
    const digest = checkedDigest(item);
    const blob = await this.#blobs.find(repository, digest);
    if (!blob) throw new RegistryError('BLOB_UNKNOWN', 'blob unknown to registry', { detail: { digest } });
    response.setHeaders(
      new Headers({
        'content-type': 'application/octet-stream',
        'docker-content-digest': digest,
        etag: `"${digest}"`,
        'accept-ranges': 'bytes',
      }),
    );
    if (request.method === 'HEAD') {
      await this.#blobs.keep(digest, this.#options.clock.now());
      return void response.writeHead(200, { 'content-length': blob.size }).end();
    }
    const range = byteRange(request.headers.range, blob.size);
    if (range === 'unsatisfiable') {
      return void response.writeHead(416, { 'content-range': `bytes */${blob.size}`, 'content-length': 0 }).end();
    }
    const { from, to } = range ?? { from: 0, to: blob.size - 1 };
    response.writeHead(range ? 206 : 200, {
      'content-length': to - from + 1,
      ...(range && { 'content-range': `bytes ${from}-${to}/${blob.size}` }),
    });
    if (blob.size === 0) return void response.end();
    await pipeline(createReadStream(blob.path, { start: from, end: to }), response);
  }

  async #deleteBlob({ repository, item }: Of<'blob'>, { response }: Exchange): Promise<void> {
    const digest = checkedDigest(item);
    if (!(await this.#blobs.unlink(repository, digest))) {
      throw new RegistryError('BLOB_UNKNOWN', 'blob unknown to registry', { detail: { digest } });
    }
    response.writeHead(202, { 'content-length': 0 }).end();
  }

  async #beginUpload({ repository }: Of<'uploads'>, { request, response, query }: Exchange): Promise<void> {
    const mount = query.get('mount');
    const from = query.get('from');
    if (mount && from && (await this.#blobs.mount(repository, checkedDigest(mount), checkedRepository(from)))) {
      await this.#blobs.keep(mount, this.#options.clock.now());
      return created(response, `/v2/${repository}/blobs/${mount}`, mount);
    }
    const digest = query.get('digest');
    if (digest !== null) checkedDigest(digest);
    const id = await this.#uploads.begin(repository);
    if (digest === null) return this.#accepted(response, { repository, id, size: 0 });
    try {
      await this.#uploads.finish(repository, id, { content: request, from: undefined, digest });
    } finally {
      await this.#uploads.drop(id); // its sender does not know where it is
    }
    created(response, `/v2/${repository}/blobs/${digest}`, digest);
  }

  async #showUpload({ repository, item }: Of<'upload'>, { response }: Exchange): Promise<void> {
    const id = checkedUpload(item);
    this.#accepted(response, { repository, id, size: this.#uploads.sizeOf(repository, id), status: 204 });
  }

  async #appendUpload({ repository, item }: Of<'upload'>, { request, response }: Exchange): Promise<void> {
    const id = checkedUpload(item);
    const from = startOf(request);
    const size = await this.#uploads.append(repository, id, { content: request, from });
    this.#accepted(response, { repository, id, size });
  }

  async #finishUpload({ repository, item }: Of<'upload'>, { request, response, query }: Exchange): Promise<void> {
    const id = checkedUpload(item);
    const digest = checkedDigest(query.get('digest') ?? '');
    await this.#uploads.finish(repository, id, { content: request, from: startOf(request), digest });
    created(response, `/v2/${repository}/blobs/${digest}`, digest);
  }

  async #cancelUpload({ repository, item }: Of<'upload'>, { response }: Exchange): Promise<void> {
    await this.#uploads.cancel(repository, checkedUpload(item));
    response.writeHead(204).end();
  }

  /** An upload that goes on: where, and how much of it is here. */
  #accepted(
    response: ServerResponse,
    { repository, id, size, status = 202 }: { repository: string; id: string; size: number; status?: number },
  ): void {
    response
      .writeHead(status, {
        location: `/v2/${repository}/blobs/uploads/${id}`,
        range: `0-${Math.max(0, size - 1)}`,
        'docker-upload-uuid': id,
        ...(status !== 204 && { 'content-length': 0 }),
      })
      .end();
  }

  async #getManifest({ repository, item }: Of<'manifest'>, { request, response }: Exchange): Promise<void> {
    const found = await this.#manifests.find(repository, checkedReference(item));
    if (!found) throw new RegistryError('MANIFEST_UNKNOWN', 'manifest unknown', { detail: { reference: item } });
    const { digest, mediaType, bytes } = found;
    response
      .writeHead(200, {
        'content-type': mediaType,
        'content-length': bytes.length,
        'docker-content-digest': digest,
        etag: `"${digest}"`,
      })
      .end(request.method === 'HEAD' ? undefined : bytes);
  }

  async #putManifest({ repository, item }: Of<'manifest'>, { request, response }: Exchange): Promise<void> {
    const reference = checkedReference(item);
    const bytes = await body(request, MANIFEST_BYTES);
    const contentType = request.headers['content-type'] ?? '';
    const { digest, subject } = await this.#manifests.put(repository, reference, {
      bytes,
      contentType,
      nowMs: this.#options.clock.now(),
    });
    if (subject) response.setHeader('oci-subject', subject);
    created(response, `/v2/${repository}/manifests/${digest}`, digest);
  }

  async #deleteManifest({ repository, item }: Of<'manifest'>, { response }: Exchange): Promise<void> {
    if (!(await this.#manifests.remove(repository, checkedReference(item)))) {
      throw new RegistryError('MANIFEST_UNKNOWN', 'manifest unknown', { detail: { reference: item } });
    }
    response.writeHead(202, { 'content-length': 0 }).end();
  }

  async #tags({ repository }: Of<'tags'>, exchange: Exchange): Promise<void> {
    const tags = await this.#manifests.tags(repository);
    if (!tags) throw new RegistryError('NAME_UNKNOWN', 'repository name not known to registry');
    this.#list(exchange, 'tags', tags, { name: repository });
  }

  #list({ request, response, query }: Exchange, field: string, all: readonly string[], more: object): void {
    const { page, next } = pageOf(all, query);
    const [path = ''] = (request.url ?? '').split('?');
    if (next) response.setHeader('link', `<${path}?${next}>; rel="next"`);
    json(response, { ...more, [field]: page });
  }

  async #referrers({ repository, item }: Of<'referrers'>, { response, query }: Exchange): Promise<void> {
    const all = await this.#manifests.referrers(repository, checkedDigest(item));
    const type = query.get('artifactType');
    if (type) response.setHeader('oci-filters-applied', 'artifactType');
    const manifests = type ? all.filter(({ artifactType }) => artifactType === type) : all;
    const mediaType = 'application/vnd.oci.image.index.v1+json';
    json(response, { schemaVersion: 2, mediaType, manifests }, mediaType);
  }
}

const startOf = ({ headers }: IncomingMessage): number | undefined =>
  chunkStart(headers['content-range'], headers['content-length']);

async function body(request: IncomingMessage, most: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > most) throw new RegistryError('SIZE_INVALID', `a manifest has at most ${most} bytes`, { status: 413 });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function created(response: ServerResponse, location: string, digest: string): void {
  response.writeHead(201, { location, 'docker-content-digest': digest, 'content-length': 0 }).end();
}

function json(response: ServerResponse, value: object, contentType = 'application/json'): void {
  const text = JSON.stringify(value);
  response.writeHead(200, { 'content-type': contentType, 'content-length': Buffer.byteLength(text) }).end(text);
}

/** What is left of the request is not read: the connection ends with the answer. */
export function refuse(
  { request, response }: Pick<Exchange, 'request' | 'response'>,
  { json: text, status }: RegistryError,
): void {
  if (response.headersSent) return void response.destroy();
  if (!request.complete) response.setHeader('connection', 'close');
  response
    .writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) })
    .end(request.method === 'HEAD' ? undefined : text);
}

/** The other end has gone. */
const isBroken = (error: unknown): boolean =>
  error instanceof Error &&
  'code' in error &&
  ['ECONNRESET', 'EPIPE', 'ERR_STREAM_PREMATURE_CLOSE', 'ABORT_ERR'].includes(String(error.code));
