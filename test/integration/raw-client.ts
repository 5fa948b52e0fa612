/** Requests to a test's API server as they are on the wire: what a client library would hide or refuse. */
import type { IncomingHttpHeaders } from 'node:http';
import { type ClientHttp2Session, connect as connectHttp2, constants } from 'node:http2';
import { Agent, request } from 'node:https';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import type { UserInfo } from '#client/transport.ts';
import type { HttpsApiServer } from './https-api-server.ts';

export const ADMIN: UserInfo = { name: 'root', groups: ['system:masters'] };

export interface Ask {
  method?: string;
  headers?: Record<string, string>;
  body?: string | Uint8Array;
  /** undefined: nobody. Default: who may do everything. */
  as?: UserInfo | undefined;
  agent?: Agent;
  signal?: AbortSignal;
}

export interface Answer {
  code: number;
  headers: IncomingHttpHeaders;
  text: string;
}

const JSON_BODY = { 'content-type': 'application/json' };

export class RawClient {
  readonly #server: HttpsApiServer;
  readonly #pairs = new Map<string, { cert: string; key: string }>();

  constructor(server: HttpsApiServer) {
    this.#server = server;
  }

  /** The certificate with which `user` comes. */
  pairOf(user: UserInfo | undefined): { cert: string; key: string } | undefined {
    if (!user) return undefined;
    const known = this.#pairs.get(user.name);
    if (known) return known;
    const pair = this.#server.pki.issueClient(`raw-${user.name}`, { user: user.name, groups: user.groups });
    const made = { cert: pair.certificate, key: pair.key };
    this.#pairs.set(user.name, made);
    return made;
  }

  tls(user: UserInfo | undefined = ADMIN) {
    return { ca: this.#server.pki.caCertificate, ...this.pairOf(user) };
  }

  /** An agent that keeps its one connection. */
  agent(user: UserInfo = ADMIN): Agent {
    return new Agent({ keepAlive: true, maxSockets: 1, ...this.tls(user) });
  }

  ask(path: string, options: Ask = {}): Promise<Answer> {
    const { method = 'GET', headers = {}, body, agent, signal } = options;
    const user = 'as' in options ? options.as : ADMIN;
    return new Promise((resolve, reject) => {
      const { host } = new URL(this.#server.url);
      const [hostname, port] = host.split(':');
      const sent = request(
        {
          hostname,
          port,
          path,
          method,
          headers: {
            ...(body !== undefined && JSON_BODY),
            ...(body !== undefined && !headers['transfer-encoding'] && { 'content-length': Buffer.byteLength(body) }),
            ...headers,
          },
          agent: agent ?? false,
          ...(agent ? {} : { ...this.tls(user), ...(user ? {} : { cert: undefined, key: undefined }) }),
          ...(signal && { signal }),
        },
        (answer) => {
          const chunks: Buffer[] = [];
          answer.on('data', (chunk: Buffer) => chunks.push(chunk));
          answer.on('error', reject);
          answer.on('end', () =>
            resolve({
              code: answer.statusCode ?? 0,
              headers: answer.headers,
              text: Buffer.concat(chunks).toString(),
            }),
          );
        },
      );
      sent.on('error', reject);
      sent.end(body);
    });
  }

  /** HTTP/1.1, byte by byte. */
  async socket(user: UserInfo | undefined = ADMIN): Promise<TLSSocket> {
    const socket = connectTls({
      host: '127.0.0.1',
      port: this.#server.port,
      ALPNProtocols: ['http/1.1'],
      ...this.tls(user),
    });
    await new Promise((connected, failed) => {
      socket.once('secureConnect', connected);
      socket.once('error', failed);
    });
    return socket;
  }

  async http2(user: UserInfo | undefined = ADMIN): Promise<ClientHttp2Session> {
    const session = connectHttp2(this.#server.url, this.tls(user));
    await new Promise((connected, failed) => {
      session.once('connect', connected);
      session.once('error', failed);
    });
    return session;
  }
}

/** One GET over HTTP/2, whole. */
export function get(session: ClientHttp2Session, path: string): Promise<{ code: number; text: string }> {
  return new Promise((resolve, reject) => {
    const stream = session.request({ [constants.HTTP2_HEADER_PATH]: path });
    let code = 0;
    let text = '';
    stream.on('response', (headers) => {
      code = Number(headers[':status']);
    });
    stream.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    stream.on('end', () => resolve({ code, text }));
    stream.on('error', reject);
  });
}

/** What a server says until it closes the connection. */
export function untilClosed(socket: TLSSocket): Promise<string> {
  let text = '';
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1');
  });
  return new Promise((resolve) => {
    socket.on('error', () => undefined); // a reset is an end as well
    socket.on('close', () => resolve(text));
  });
}

export const statusOf = ({ text }: Answer): { code: number; reason?: string; message: string } => JSON.parse(text);
