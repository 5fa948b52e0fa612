/** What is asked of manifests, tags and what refers to them. Source: OCI distribution specification 1.1, "Content Discovery". */
import type { IncomingMessage } from 'node:http';
import type { Clock } from '#base/clock.ts';
import { answerPage, created, type Exchange, json, type Of } from './exchange.ts';
import type { Manifests } from './manifests.ts';
import { checkedDigest, checkedReference } from './names.ts';
import { RegistryError } from './registry-error.ts';

const MANIFEST_BYTES = 4 << 20; // the least that the specification asks for

export class ManifestRequests {
  readonly #manifests: Manifests;
  readonly #clock: Clock;

  constructor({ manifests, clock }: { manifests: Manifests; clock: Clock }) {
    this.#manifests = manifests;
    this.#clock = clock;
  }

  async repositories(exchange: Exchange): Promise<void> {
    answerPage(exchange, 'repositories', { all: await this.#manifests.repositories(), more: {} });
  }

  async get({ repository, item }: Of<'manifest'>, { request, response }: Exchange): Promise<void> {
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

  async put({ repository, item }: Of<'manifest'>, { request, response }: Exchange): Promise<void> {
    const reference = checkedReference(item);
    const bytes = await body(request, MANIFEST_BYTES);
    const contentType = request.headers['content-type'] ?? '';
    const { digest, subject } = await this.#manifests.put(repository, reference, {
      bytes,
      contentType,
      nowMs: this.#clock.now(),
    });
    if (subject) response.setHeader('oci-subject', subject);
    created(response, `/v2/${repository}/manifests/${digest}`, digest);
  }

  async remove({ repository, item }: Of<'manifest'>, { response }: Exchange): Promise<void> {
    if (!(await this.#manifests.remove(repository, checkedReference(item)))) {
      throw new RegistryError('MANIFEST_UNKNOWN', 'manifest unknown', { detail: { reference: item } });
    }
    response.writeHead(202, { 'content-length': 0 }).end();
  }

  async tags({ repository }: Of<'tags'>, exchange: Exchange): Promise<void> {
    const tags = await this.#manifests.tags(repository);
    if (!tags) throw new RegistryError('NAME_UNKNOWN', 'repository name not known to registry');
    answerPage(exchange, 'tags', { all: tags, more: { name: repository } });
  }

  async referrers({ repository, item }: Of<'referrers'>, { response, query }: Exchange): Promise<void> {
    const all = await this.#manifests.referrers(repository, checkedDigest(item));
    const type = query.get('artifactType');
    if (type) response.setHeader('oci-filters-applied', 'artifactType');
    const manifests = type ? all.filter(({ artifactType }) => artifactType === type) : all;
    const mediaType = 'application/vnd.oci.image.index.v1+json';
    json(response, { schemaVersion: 2, mediaType, manifests }, mediaType);
  }
}

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
