/** What is asked of blobs, and of those that are on their way. Source: OCI distribution specification 1.1, "Pulling blobs", "Pushing blobs". */
import { createReadStream } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import type { Clock } from '#base/clock.ts';
import type { Blobs } from './blobs.ts';
import { byteRange, chunkStart } from './byte-range.ts';
import { created, type Exchange, type Of } from './exchange.ts';
import { checkedDigest, checkedRepository, checkedUpload } from './names.ts';
import { RegistryError } from './registry-error.ts';
import type { Uploads } from './uploads.ts';

export class BlobRequests {
  readonly #blobs: Blobs;
  readonly #uploads: Uploads;
  readonly #clock: Clock;

  constructor({ blobs, uploads, clock }: { blobs: Blobs; uploads: Uploads; clock: Clock }) {
    this.#blobs = blobs;
    this.#uploads = uploads;
    this.#clock = clock;
  }

  async get({ repository, item }: Of<'blob'>, { request, response }: Exchange): Promise<void> {
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
      await this.#blobs.keep(digest, this.#clock.now());
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

  async remove({ repository, item }: Of<'blob'>, { response }: Exchange): Promise<void> {
    const digest = checkedDigest(item);
    if (!(await this.#blobs.unlink(repository, digest))) {
      throw new RegistryError('BLOB_UNKNOWN', 'blob unknown to registry', { detail: { digest } });
    }
    response.writeHead(202, { 'content-length': 0 }).end();
  }

  async begin({ repository }: Of<'uploads'>, { request, response, query }: Exchange): Promise<void> {
    const mount = query.get('mount');
    const from = query.get('from');
    if (mount && from && (await this.#blobs.mount(repository, checkedDigest(mount), checkedRepository(from)))) {
      await this.#blobs.keep(mount, this.#clock.now());
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

  async show({ repository, item }: Of<'upload'>, { response }: Exchange): Promise<void> {
    const id = checkedUpload(item);
    this.#accepted(response, { repository, id, size: this.#uploads.sizeOf(repository, id), status: 204 });
  }

  async append({ repository, item }: Of<'upload'>, { request, response }: Exchange): Promise<void> {
    const id = checkedUpload(item);
    const from = startOf(request);
    const size = await this.#uploads.append(repository, id, { content: request, from });
    this.#accepted(response, { repository, id, size });
  }

  async finish({ repository, item }: Of<'upload'>, { request, response, query }: Exchange): Promise<void> {
    const id = checkedUpload(item);
    const digest = checkedDigest(query.get('digest') ?? '');
    await this.#uploads.finish(repository, id, { content: request, from: startOf(request), digest });
    created(response, `/v2/${repository}/blobs/${digest}`, digest);
  }

  async cancel({ repository, item }: Of<'upload'>, { response }: Exchange): Promise<void> {
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
}

const startOf = ({ headers }: IncomingMessage): number | undefined =>
  chunkStart(headers['content-range'], headers['content-length']);
