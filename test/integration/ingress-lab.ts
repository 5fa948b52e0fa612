/** The servers of the Ingress on loopback, with backends of the test's own; all ended after each test. */
import { createServer, type IncomingMessage, request, type Server } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { request as requestTls } from 'node:https';
import type { AddressInfo } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { afterEach, beforeEach } from 'vitest';
import type { Ingress } from '#api/generated/schema.ts';
import { ManualClock } from '#base/manual-clock.ts';
import { selfSigned } from '#cmd/pki/certificate.ts';
import { IngressServer, type TableChange } from '#network/ingress/ingress-server.ts';
import { routeTableOf } from '#network/ingress/route-table.ts';
import type { Ended } from '#network/ingress/traffic-record.ts';

const ANNOTATION = 'nginx.ingress.kubernetes.io/';
const HOST = 'www.example.com';

/** A certificate of its own, by its CN. */
export const shownAs = (commonName: string, names = [HOST]) =>
  selfSigned({
    commonName,
    names,
    usage: 'server',
    notBeforeMs: Date.now() - 60_000,
    notAfterMs: Date.now() + 3_600_000,
  });

export interface Answer {
  status: number;
  headers: IncomingMessage['headers'];
  text: string;
}

export interface AskOptions {
  method?: string;
  headers?: Record<string, string>;
  body?: string | Buffer;
  isSecure?: boolean;
  port?: number;
}

export interface Mirrored {
  url: string;
  method: string;
  bytes: number;
  name: string;
  headers: Record<string, string>;
}

/** What a backend of `mirror` was asked. */
export const asJson = ({ text }: Answer): Mirrored => JSON.parse(text) as Mirrored;

const annotated = (annotations: Record<string, string>) =>
  Object.fromEntries(Object.entries(annotations).map(([key, value]) => [ANNOTATION + key, value]));
const rulesFor = (service: string, paths: string[]) => [
  {
    host: HOST,
    http: {
      paths: paths.map((path) => ({
        path,
        pathType: 'Prefix',
        backend: { service: { name: service, port: { number: 80 } } },
      })),
    },
  },
];

/** Of the Service `next`, at the same host. */
export const second = (annotations: Record<string, string>): Ingress =>
  ({
    metadata: { name: 'next', namespace: 'shop', annotations: annotated(annotations) },
    spec: { rules: rulesFor('next', ['/']) },
  }) as unknown as Ingress;

export function ingressLab() {
  const toClose: { close(): unknown }[] = [];
  const ended: Ended[] = [];
  const clock = new ManualClock();
  const ports = { http: 0, https: 0 };
  let ingress: IngressServer;
  let servers = 0;

  beforeEach(async () => {
    ended.length = 0;
    const own = ++servers;
    ingress = new IngressServer({
      httpPort: 0,
      httpsPort: 0,
      newRequestId: () => 'id-1',
      random: { next: () => 0.5 },
      clock,
      // What ends with the server of the test before is that one's.
      record: { ended: (what) => void (own === servers && ended.push(what)) },
    });
    ingress.change({ fallbackCertificate: shownAs('fallback') });
    Object.assign(ports, await ingress.listen(['127.0.0.1']));
  });
  afterEach(async () => {
    await ingress.close();
    for (const one of toClose.splice(0)) one.close();
  });

  const closing = (one: { close(): unknown }) => void toClose.push(one);

  async function backend(
    handler: Parameters<typeof createServer>[1],
  ): Promise<{ address: string; port: number; server: Server }> {
    const server = createServer(handler);
    closing(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return { address: '127.0.0.1', port: (server.address() as AddressInfo).port, server };
  }

  return {
    clock,
    ports,
    ended,
    closing,
    backend,
    /** Of the server under test: see IngressServer. */
    change: (change: TableChange) => ingress.change(change),
    drain: (ms: number) => ingress.drain(ms),
    connections: () => ingress.connections,

    /** A client that asks over one connection. */
    overHttp2() {
      const tls = { host: '127.0.0.1', port: ports.https, servername: HOST, rejectUnauthorized: false };
      const session = connectHttp2(`https://${HOST}:${ports.https}`, {
        createConnection: () => connectTls({ ...tls, ALPNProtocols: ['h2'] }),
      });
      closing({ close: () => session.destroy() });
      return session;
    },

    /** Tells what it was asked. */
    mirror: (name: string) =>
      backend((asked, response) => {
        let bytes = 0;
        asked.on('data', (part: Buffer) => {
          bytes += part.length;
        });
        asked.on('end', () => {
          const { url, method, headers } = asked;
          response.writeHead(200, { 'content-type': 'application/json', connection: 'x-private', 'x-private': '1' });
          response.end(JSON.stringify({ name, url, method, headers, bytes }));
        });
      }),

    /** One Ingress for the Service `web`. */
    route(annotations: Record<string, string> = {}, paths = ['/'], tls = false, others: Ingress[] = []): void {
      const wanted = {
        metadata: { name: 'web', namespace: 'shop', annotations: annotated(annotations) },
        spec: {
          ...(tls && { tls: [{ hosts: [HOST], secretName: 'cert' }] }),
          rules: rulesFor('web', paths),
        },
      } as unknown as Ingress;
      ingress.change({ hosts: [...routeTableOf([wanted, ...others]).hosts] });
    },
    behind: (...endpoints: { address: string; port: number }[]) =>
      ingress.change({ endpoints: [['shop/web:80', endpoints.map(({ address, port }) => ({ address, port }))]] }),

    ask(
      path: string,
      { method = 'GET', headers = {}, body, isSecure = false, port }: AskOptions = {},
    ): Promise<Answer> {
      return new Promise((resolve, reject) => {
        const options = {
          host: '127.0.0.1',
          port: port ?? (isSecure ? ports.https : ports.http),
          path,
          method,
          headers: { host: HOST, ...headers },
          agent: false,
          servername: headers['host'] ?? HOST,
          rejectUnauthorized: false,
        } as const;
        const sent = (isSecure ? requestTls : request)(options, (response) => {
          let text = '';
          response.setEncoding('utf8').on('data', (part: string) => {
            text += part;
          });
          response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }));
          response.on('error', reject);
        });
        sent.on('error', reject);
        sent.end(body);
      });
    },
  };
}
