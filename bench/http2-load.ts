/** Requests over one or more TLS connections with HTTP/2, a bounded number at a time: what client-go does. */
import { type ClientHttp2Session, type ClientHttp2Stream, connect, type SecureClientSessionOptions } from 'node:http2';

export interface Target {
  /** `https://127.0.0.1:6443` */
  origin: string;
  tls: SecureClientSessionOptions;
}

export interface Ask {
  method?: string;
  path: string;
  body?: string;
  contentType?: string;
}

export interface LoadOptions {
  /** The nth request. */
  ask(n: number): Ask;
  /** At most this many requests … */
  requests: number;
  /** … and none begun after this time. */
  forMs?: number;
  /** Callers, each of which waits for its answer before it asks again. */
  atOnce: number;
}

export interface Load {
  /** ms, one a request, in the order of completion. */
  times: number[];
  perSecond: number;
  bytes: number;
}

/** Streams of one connection; beyond that many callers share out over several, as several clients would. */
const CALLERS_A_CONNECTION = 32;

/** Rejects when any answer is not a 2xx. */
export async function load(target: Target, { ask, requests, forMs = 5_000, atOnce }: LoadOptions): Promise<Load> {
  const sessions = await openAll(target, Math.ceil(atOnce / CALLERS_A_CONNECTION));
  const times: number[] = [];
  let next = 0;
  let bytes = 0;
  const began = performance.now();
  const caller = async (session: ClientHttp2Session) => {
    while (next < requests && performance.now() - began < forMs) {
      const request = ask(next++);
      const start = performance.now();
      bytes += (await exchange(session, request)).length;
      times.push(performance.now() - start);
    }
  };
  try {
    const at = (i: number) => sessions[i % sessions.length] as ClientHttp2Session;
    await Promise.all(Array.from({ length: atOnce }, (_, i) => caller(at(i))));
  } finally {
    for (const session of sessions) session.destroy();
  }
  return { times, perSecond: times.length / ((performance.now() - began) / 1000), bytes };
}

export const openAll = (target: Target, connections: number): Promise<ClientHttp2Session[]> =>
  Promise.all(Array.from({ length: connections }, () => open(target)));

export function open({ origin, tls }: Target): Promise<ClientHttp2Session> {
  return new Promise((resolve, reject) => {
    const session = connect(origin, { ...tls, settings: { initialWindowSize: 16 * 1024 * 1024 } });
    session.once('error', reject);
    session.once('connect', () => {
      session.setLocalWindowSize(64 * 1024 * 1024);
      session.off('error', reject);
      session.on('error', () => undefined); // the requests on it tell
      resolve(session);
    });
  });
}

export function request(
  session: ClientHttp2Session,
  { method = 'GET', path, body, contentType }: Ask,
): ClientHttp2Stream {
  const stream = session.request({
    ':method': method,
    ':path': path,
    ...(body !== undefined && { 'content-type': contentType ?? 'application/json' }),
  });
  stream.end(body);
  return stream;
}

/** The body. Rejects for every answer that is not a 2xx. */
export function exchange(session: ClientHttp2Session, ask: Ask): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const stream = request(session, ask);
    const chunks: Buffer[] = [];
    let code = 0;
    stream.on('response', (headers) => {
      code = Number(headers[':status']);
    });
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('error', reject);
    stream.on('end', () => {
      const body = Buffer.concat(chunks);
      if (code >= 200 && code < 300) return resolve(body);
      reject(new RefusedRequest(`${ask.method ?? 'GET'} ${ask.path}: ${code} ${body.toString('utf8', 0, 500)}`, code));
    });
  });
}

export class RefusedRequest extends Error {
  readonly status: number;
  constructor(message: string, status: number) {
    super(message);
    this.status = status;
  }
}

/** One request on a connection of its own. */
export async function askOnce(target: Target, ask: Ask): Promise<Buffer> {
  const session = await open(target);
  try {
    return await exchange(session, ask);
  } finally {
    session.destroy();
  }
}
