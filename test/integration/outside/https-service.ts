/** A service outside the cluster, on a port of its own with an authority of its own: an identity provider, a webhook. */
import type { RequestListener } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { authorityOf, selfSigned, signedBy } from '#cmd/pki/certificate.ts';

export interface HttpsService {
  url: string;
  /** PEM. */
  ca: string;
  /** `GET /path` of each request, in order. */
  readonly requests: string[];
  [Symbol.asyncDispose](): Promise<void>;
}

const life = () => ({ notBeforeMs: Date.now() - 60_000, notAfterMs: Date.now() + 3_600_000 });

let counter = 0;

export async function startHttpsService(listener: RequestListener): Promise<HttpsService> {
  const ca = selfSigned({ commonName: `outside ${++counter}`, usage: 'ca', ...life() });
  const { certificate, key } = signedBy(authorityOf(ca), {
    commonName: 'outside',
    names: ['localhost'],
    addresses: ['127.0.0.1'],
    usage: 'server',
    ...life(),
  });
  const requests: string[] = [];
  const server = createServer({ cert: certificate, key }, (request, response) => {
    requests.push(`${request.method} ${request.url}`);
    listener(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `https://127.0.0.1:${port}`,
    ca: ca.certificate,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export interface Review {
  apiVersion: string;
  kind: string;
  spec: object;
}

/** A webhook that answers reviews; `answer` gets what was posted and gives the status, or a code. */
export function startReviewService(
  answer: (review: Review, headers: Record<string, unknown>) => object | number,
): Promise<HttpsService> {
  return startHttpsService((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const review = JSON.parse(Buffer.concat(chunks).toString()) as Review;
      const status = answer(review, request.headers);
      if (typeof status === 'number') return void response.writeHead(status).end('not now');
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ apiVersion: review.apiVersion, kind: review.kind, status }));
    });
  });
}

/** The kubeconfig by which an API server finds it. */
export const kubeconfigOf = ({ url, ca }: HttpsService, { path = '/', token = '' } = {}): string =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      {
        name: 'it',
        cluster: { server: `${url}${path}`, 'certificate-authority-data': Buffer.from(ca).toString('base64') },
      },
    ],
    users: [{ name: 'me', user: token ? { token } : {} }],
    contexts: [{ name: 'c', context: { cluster: 'it', user: 'me' } }],
    'current-context': 'c',
  });
