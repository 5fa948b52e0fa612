/**
 * The transport over TLS: JSON on one shared HTTP/2 connection, a watch as a stream of lines. Redirects are not followed:
 * an API server never sends one, and credentials are for the server they were given for.
 */
import type { ClientHttp2Stream, IncomingHttpHeaders } from 'node:http2';
import { constants } from 'node:http2';
import type { KubeObject } from '#api/machinery/object.ts';
import type { Status } from '#api/machinery/status.ts';
import { StatusError } from '#api/machinery/status.ts';
import type { Clock } from '#base/clock.ts';
import type { Signal } from '#base/plain-signal.ts';
import { deepFreeze } from '#base/deep-freeze.ts';
import type { ApiReply, ApiRequest, Transport, WatchEvent } from '../transport.ts';
import { Unreachable } from '../transport.ts';
import type { ConnectionOptions } from './connection.ts';
import { Connection, wasRefused } from './connection.ts';
import type { ClientCredentials } from './credentials.ts';
import { CurrentCredentials } from './credentials.ts';

export interface NodeTransportOptions extends Omit<ConnectionOptions, 'credentials'> {
  credentials: ClientCredentials;
  userAgent?: string;
  /** Sent with every request, e.g. `impersonate-user`; names in lower case. */
  headers?: Readonly<Record<string, string | string[]>>;
  clock: Clock;
}

/** What only this transport can be asked: another form of the answer. */
export interface NodeRequest extends ApiRequest {
  /** The Accept header; JSON when absent. */
  accept?: string;
}

/** An answer whose body is still to be read. */
export interface OpenReply {
  code: number;
  contentType: string;
  warnings: readonly string[];
  /** Throws Unreachable when it breaks off. Left early, the rest is not asked for. */
  body: AsyncIterable<Buffer>;
}

/** Above this an answer is not an answer any more. */
const MOST_BODY_BYTES = 1024 * 1024 * 1024;
const MOST_EVENT_BYTES = 64 * 1024 * 1024;
const NEWLINE = 0x0a;

interface Answer {
  code: number;
  headers: IncomingHttpHeaders;
  stream: ClientHttp2Stream;
}

export class NodeTransport implements Transport {
  readonly #connection: Connection;
  readonly #credentials: CurrentCredentials;
  readonly #userAgent: string;
  readonly #headers: Readonly<Record<string, string | string[]>>;

  constructor({ credentials, userAgent = 'kedge', headers = {}, ...options }: NodeTransportOptions) {
    if (!options.server.startsWith('https:'))
      throw new Error(`an API server is reached by https, not ${options.server}`);
    this.#credentials = new CurrentCredentials(credentials, options.clock);
    this.#connection = new Connection({ ...options, credentials: this.#credentials });
    this.#userAgent = userAgent;
    this.#headers = headers;
  }

  async request(request: NodeRequest): Promise<ApiReply> {
    const answer = await this.#send(request);
    const body = await readAll(answer.stream);
    const object = decode(body, answer.headers['content-type']);
    if (answer.code >= 300) throw errorOf(answer, object);
    return { code: answer.code, object: deepFreeze(object), warnings: warningsOf(answer.headers) };
  }

  /** For bodies that are no object, or have no end: logs, a proxied answer. Throws as `request` does. */
  async open(request: NodeRequest): Promise<OpenReply> {
    const answer = await this.#send(request);
    const { code, headers, stream } = answer;
    const contentType = headers['content-type'] ?? '';
    if (code >= 300) throw errorOf(answer, decode(await readAll(stream), contentType));
    return { code, contentType, warnings: warningsOf(headers), body: chunksOf(stream) };
  }

  async *watch(request: { path: string; signal: Signal; accept?: string }): AsyncIterable<WatchEvent> {
    const { signal } = request;
    const answer = await this.#send({ method: 'GET', ...request });
    if (answer.code >= 300) throw errorOf(answer, decode(await readAll(answer.stream), answer.headers['content-type']));
    for await (const line of linesOf(answer.stream, signal)) {
      const event = parsed(line) as { type: WatchEvent['type'] | 'ERROR'; object: KubeObject };
      if (event.type === 'ERROR') throw StatusError.from(event.object as unknown as Status);
      yield { type: event.type, object: deepFreeze(event.object) };
    }
  }

  /** Ends the connection and everything on it. */
  close(): void {
    this.#connection.close();
  }

  async #send(request: Omit<NodeRequest, 'signal'> & { signal?: Signal }, mayRepeat = true): Promise<Answer> {
    const { method, path, signal } = request;
    if (signal?.aborted) throw signal.reason;
    const body = request.body ?? (request.object === undefined ? undefined : JSON.stringify(request.object));
    const authorization = this.#credentials.authorization();
    const stream = await this.#connection.open(
      {
        ':method': method,
        ':path': path,
        accept: request.accept ?? 'application/json, */*',
        'user-agent': this.#userAgent,
        ...this.#headers,
        ...(authorization && { authorization }),
        ...(body !== undefined && { 'content-type': request.contentType ?? 'application/json' }),
      },
      body === undefined,
    );
    const cancel = () => stream.close(constants.NGHTTP2_CANCEL);
    signal?.addEventListener('abort', cancel, { once: true });
    stream.once('close', () => signal?.removeEventListener('abort', cancel));
    if (signal?.aborted) cancel();
    if (body !== undefined) stream.end(body);
    try {
      return await answerOf(stream);
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      if (mayRepeat && wasRefused(stream)) return this.#send(request, false);
      throw error;
    }
  }
}

function answerOf(stream: ClientHttp2Stream): Promise<Answer> {
  return new Promise((resolve, reject) => {
    stream.once('response', (headers) => resolve({ code: Number(headers[':status']), headers, stream }));
    stream.on('error', (error) => reject(new Unreachable(error.message, { cause: error })));
    stream.once('close', () => reject(new Unreachable('the connection was closed before an answer came')));
  });
}

async function readAll(stream: ClientHttp2Stream): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of chunksOf(stream)) {
    size += chunk.length;
    if (size > MOST_BODY_BYTES) throw new Unreachable(`an answer of more than ${MOST_BODY_BYTES} bytes`);
    chunks.push(chunk);
  }
  return chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks);
}

/** Ends where the server ended it; throws Unreachable when it broke off. */
async function* chunksOf(stream: ClientHttp2Stream): AsyncIterable<Buffer> {
  let isWhole = false;
  try {
    for await (const chunk of stream) yield chunk as Buffer;
    isWhole = true;
  } catch (error) {
    throw new Unreachable(`the answer broke off: ${(error as Error).message}`, { cause: error });
  } finally {
    // A whole answer may be read before the stream knows that it is closed: cancelling it then would make it a broken one.
    if (!isWhole && !stream.closed) stream.close(constants.NGHTTP2_CANCEL);
  }
  if (stream.rstCode !== constants.NGHTTP2_NO_ERROR) throw new Unreachable('the answer broke off');
}

async function* linesOf(stream: ClientHttp2Stream, signal: Signal): AsyncIterable<string> {
  let parts: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of chunksOf(stream)) {
      let from = 0;
      for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, from)) {
        parts.push(chunk.subarray(from, end));
        const line = Buffer.concat(parts).toString('utf8');
        parts = [];
        size = 0;
        from = end + 1;
        if (line) yield line;
      }
      if (from < chunk.length) parts.push(chunk.subarray(from));
      size += chunk.length - from;
      if (size > MOST_EVENT_BYTES) throw new Unreachable(`a watch event of more than ${MOST_EVENT_BYTES} bytes`);
    }
  } catch (error) {
    if (!signal.aborted) throw error; // aborting is how a watch ends
  }
}

/** What is no JSON was not said by an API server: something stands between. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Unreachable(`the answer is no JSON: ${(error as Error).message}`, { cause: error });
  }
}

/** JSON as an object, text as a string, anything else as bytes. */
function decode(body: Buffer, contentType = ''): unknown {
  if (contentType.startsWith('application/json')) return body.length === 0 ? {} : parsed(body.toString('utf8'));
  return contentType.startsWith('text/') ? body.toString('utf8') : body;
}

function errorOf({ code, headers }: Answer, body: unknown): StatusError {
  const status = isStatus(body) ? body : { message: `the server answered ${code}: ${String(body).slice(0, 2048)}` };
  const error = StatusError.from({ ...status, code });
  const retryAfterSeconds = Number(headers['retry-after']);
  if (!retryAfterSeconds || error.details?.retryAfterSeconds) return error;
  return StatusError.from({ ...error.toStatus(), details: { ...error.details, retryAfterSeconds } });
}

const isStatus = (body: unknown): body is Partial<Status> =>
  typeof body === 'object' && body !== null && (body as { kind?: unknown }).kind === 'Status';

/** Source: RFC 7234, 5.5; Kubernetes sends code 299 only. */
function warningsOf(headers: IncomingHttpHeaders): string[] {
  const header = headers.warning;
  if (!header) return [];
  const texts = (Array.isArray(header) ? header.join(', ') : header).matchAll(/\b299 \S+ "((?:[^"\\]|\\.)*)"/g);
  return [...texts].map(([, text = '']) => text.replace(/\\(.)/g, '$1'));
}
