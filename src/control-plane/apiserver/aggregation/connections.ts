/**
 * Connections to other API servers: to an address behind their Service, under the Service's name, with the front proxy's
 * certificate. Redirects are never followed. Source: "Configure the Aggregation Layer".
 */
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import { type Agent, request as httpsRequest } from 'node:https';
import type { Readable } from 'node:stream';
import type { ConnectionOptions } from 'node:tls';
import type { Clock } from '#base/clock.ts';
import type { UserInfo } from '#client/transport.ts';
import type { ServiceEndpoint } from '../admission/define-admission.ts';
import { dialProblem } from '../remote/dial-problem.ts';
import { WayHttpsAgent } from '../tunnels/tunnel-agents.ts';
import type { Way } from '../tunnels/tunnels.ts';
import { frontProxyHeaders } from './front-proxy-headers.ts';
import { type RemoteApi, serverNameOf } from './remote-api.ts';

export interface ConnectionServices {
  clock: Clock;
  endpoint: ServiceEndpoint;
  /** PEM. Without one the other side has no reason to believe who asks. */
  frontProxy: { certificate: string; key: string } | undefined;
}

export interface Address {
  host: string;
  port: number;
  /** Through the tunnel of a node. */
  way?: Way | undefined;
}

export interface Sent {
  method: string;
  /** With its query. */
  path: string;
  headers: OutgoingHttpHeaders;
  body?: Readable | Uint8Array | string;
  signal?: AbortSignal;
}

export interface Asked {
  path: string;
  accept: string;
  user: UserInfo;
  timeoutMs: number;
  headers?: OutgoingHttpHeaders;
}

export interface Fetched {
  code: number;
  headers: IncomingMessage['headers'];
  body: Buffer;
}

export interface Problem {
  problem: string;
}

/** What discovery and OpenAPI of one server may be long: it is read in one go. */
const MAX_DOCUMENT_BYTES = 16 * 1024 * 1024;
const IDLE_MS = 60_000;
/** As Go's client has it. */
const TOO_LATE = 'context deadline exceeded (Client.Timeout exceeded while awaiting headers)';

export class Connections {
  readonly #services: ConnectionServices;
  /** By what the connection depends on: another authority means another connection. */
  readonly #agents = new Map<string, Agent>();

  constructor(services: ConnectionServices) {
    this.#services = services;
  }

  async addressOf(remote: RemoteApi): Promise<Address | Problem> {
    return this.#services.endpoint(remote.service);
  }

  /** For a socket of one's own. */
  tlsOptions(remote: RemoteApi): ConnectionOptions {
    const { frontProxy } = this.#services;
    return {
      servername: serverNameOf(remote),
      minVersion: 'TLSv1.2',
      ALPNProtocols: ['http/1.1'],
      ...(frontProxy && { cert: frontProxy.certificate, key: frontProxy.key }),
      ...(remote.insecureSkipTLSVerify && { rejectUnauthorized: false }),
      ...(remote.caBundle && { ca: Buffer.from(remote.caBundle, 'base64') }),
    };
  }

  /** Headers have come, the body is for the caller to read. The problem is what Go's dialler has for it. */
  async open(remote: RemoteApi, address: Address, sent: Sent): Promise<IncomingMessage | Problem> {
    const mayRepeat = sent.body === undefined && (sent.method === 'GET' || sent.method === 'HEAD');
    for (;;) {
      const answer = await this.#once(remote, address, sent);
      // The other side closed a kept connection in the moment it was taken again. There are only so many of them.
      if (!('isStale' in answer) || !answer.isStale || !mayRepeat) return answer;
    }
  }

  #once(remote: RemoteApi, address: Address, sent: Sent): Promise<IncomingMessage | (Problem & { isStale: boolean })> {
    const { method, path, headers, body, signal } = sent;
    return new Promise((resolve) => {
      const fail = (error: Error, isReused = false) => {
        const isStale = isReused && (error as NodeJS.ErrnoException).code === 'ECONNRESET' && !signal?.aborted;
        resolve({ problem: dialProblem(error, address), isStale });
      };
      try {
        const agent = this.#agentFor(remote);
        const options = { agent, ...address, method, path, headers, ...(signal && { signal }) };
        const request = httpsRequest({ ...options, servername: serverNameOf(remote) }, resolve);
        request.on('error', (error) => fail(error, request.reusedSocket));
        if (body !== undefined && typeof body !== 'string' && !(body instanceof Uint8Array)) body.pipe(request);
        else request.end(body);
      } catch (error) {
        fail(error as Error); // a caBundle that is none
      }
    });
  }

  /** The whole answer, whatever its code. The problem names the URL, as Go's client does. */
  async fetch(remote: RemoteApi, asked: Asked): Promise<Fetched | Problem> {
    const address = await this.addressOf(remote);
    return 'problem' in address ? address : this.fetchFrom(address, remote, asked);
  }

  async fetchFrom(address: Address, remote: RemoteApi, asked: Asked): Promise<Fetched | Problem> {
    const { path, accept, user, timeoutMs } = asked;
    const failed = ({ problem }: Problem): Problem => ({
      problem: `Get ${JSON.stringify(`https://${hostPort(address)}${path}`)}: ${problem}`,
    });
    const late = new AbortController();
    const timer = this.#services.clock.timer(timeoutMs, () => late.abort());
    const tooLate = new Promise<Problem>((resolve) => {
      late.signal.addEventListener('abort', () => resolve({ problem: TOO_LATE }), { once: true });
    });
    const headers = { accept, ...headersFor(user), ...asked.headers, host: hostPort(address) };
    const sent: Sent = { method: 'GET', path, headers, signal: late.signal };
    try {
      const answer = await Promise.race([this.open(remote, address, sent), tooLate]);
      if ('problem' in answer) return failed(answer);
      const body = await Promise.race([wholeOf(answer), tooLate]);
      return 'problem' in body ? failed(body) : { code: answer.statusCode ?? 0, headers: answer.headers, body };
    } finally {
      timer.cancel();
    }
  }

  /** Lets go of what is not for one of these. */
  keepOnly(remotes: readonly RemoteApi[]): void {
    const ids = new Set(remotes.map(idOf));
    for (const [id, agent] of this.#agents) {
      if (ids.has(id)) continue;
      agent.destroy();
      this.#agents.delete(id);
    }
  }

  close(): void {
    this.keepOnly([]);
  }

  #agentFor(remote: RemoteApi): Agent {
    const id = idOf(remote);
    const known = this.#agents.get(id);
    if (known) return known;
    const agent = new WayHttpsAgent({ keepAlive: true, timeout: IDLE_MS, ...this.tlsOptions(remote) });
    this.#agents.set(id, agent);
    return agent;
  }
}

const idOf = (remote: RemoteApi): string =>
  `${serverNameOf(remote)} ${remote.insecureSkipTLSVerify ? 'anybody' : 'verified'} ${remote.caBundle}`;

export const hostPort = ({ host, port }: Address): string => `${host.includes(':') ? `[${host}]` : host}:${port}`;

/** As headers of a request: groups and extras are several of one name. */
export function headersFor(user: UserInfo): OutgoingHttpHeaders {
  const headers = new Map<string, { name: string; values: string[] }>();
  for (const [name, value] of frontProxyHeaders(user)) {
    const known = headers.get(name.toLowerCase());
    if (known) known.values.push(value);
    else headers.set(name.toLowerCase(), { name, values: [value] });
  }
  return Object.fromEntries([...headers.values()].map(({ name, values }) => [name, values]));
}

async function wholeOf(answer: IncomingMessage): Promise<Buffer | Problem> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > MAX_DOCUMENT_BYTES) {
        answer.destroy();
        return { problem: `the answer is longer than ${MAX_DOCUMENT_BYTES} bytes` };
      }
      chunks.push(chunk);
    }
  } catch (error) {
    return { problem: (error as Error).message };
  }
  return Buffer.concat(chunks, size);
}
