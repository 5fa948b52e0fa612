/**
 * An OCI registry over a folder, as a handler of HTTP requests. Source: OCI distribution specification 1.1.
 * Who may ask is decided before.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock, Timer } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import { Blobs } from './blobs.ts';
import { BlobRequests } from './blob-requests.ts';
import { type Exchange, json, type Of, refuse } from './exchange.ts';
import { collectGarbage } from './garbage.ts';
import { Manifests } from './manifests.ts';
import { ManifestRequests } from './manifest-requests.ts';
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

const TIDY_EVERY_MS = 600_000;
const COLLECT_EVERY_MS = 6 * 3_600_000;
/** A push may pause for so long between its blobs and its manifest. */
const UNUSED_MS = 24 * 3_600_000;

export class Registry {
  readonly #options: RegistryOptions;
  readonly #blobs: Blobs;
  readonly #manifests: Manifests;
  readonly #uploads: Uploads;
  readonly #blobRequests: BlobRequests;
  readonly #manifestRequests: ManifestRequests;
  #tidying: Timer | undefined;
  #turn: Promise<void> = Promise.resolve();
  #collectedMs: number;

  constructor(options: RegistryOptions) {
    const { root, clock, limits } = options;
    this.#options = options;
    this.#blobs = new Blobs(root);
    this.#manifests = new Manifests(root, this.#blobs);
    this.#uploads = new Uploads(root, { blobs: this.#blobs, clock, limits: { ...UPLOAD_LIMITS, ...limits } });
    this.#blobRequests = new BlobRequests({ blobs: this.#blobs, uploads: this.#uploads, clock });
    this.#manifestRequests = new ManifestRequests({ manifests: this.#manifests, clock });
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
        return this.#manifestRequests.repositories(exchange);
      case 'GET tags':
        return this.#manifestRequests.tags(route as Of<'tags'>, exchange);
      case 'GET blob':
        return this.#blobRequests.get(route as Of<'blob'>, exchange);
      case 'DELETE blob':
        return this.#blobRequests.remove(route as Of<'blob'>, exchange);
      case 'POST uploads':
        return this.#blobRequests.begin(route as Of<'uploads'>, exchange);
      case 'GET upload':
        return this.#blobRequests.show(route as Of<'upload'>, exchange);
      case 'PATCH upload':
        return this.#blobRequests.append(route as Of<'upload'>, exchange);
      case 'PUT upload':
        return this.#blobRequests.finish(route as Of<'upload'>, exchange);
      case 'DELETE upload':
        return this.#blobRequests.cancel(route as Of<'upload'>, exchange);
      case 'GET manifest':
        return this.#manifestRequests.get(route as Of<'manifest'>, exchange);
      case 'PUT manifest':
        return this.#manifestRequests.put(route as Of<'manifest'>, exchange);
      case 'DELETE manifest':
        return this.#manifestRequests.remove(route as Of<'manifest'>, exchange);
      case 'GET referrers':
        return this.#manifestRequests.referrers(route as Of<'referrers'>, exchange);
      default:
        throw new RegistryError('UNSUPPORTED', 'the operation is unsupported');
    }
  }
}

/** The other end has gone. */
const isBroken = (error: unknown): boolean =>
  error instanceof Error &&
  'code' in error &&
  ['ECONNRESET', 'EPIPE', 'ERR_STREAM_PREMATURE_CLOSE', 'ABORT_ERR'].includes(String(error.code));
