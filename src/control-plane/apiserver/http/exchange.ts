/**
 * One request and its answer over HTTP/1.1 or HTTP/2. Answers go out in chunks that wait for the client to take them:
 * a client that reads slowly costs one chunk of memory, and the other streams of its connection keep their share.
 */
import type { X509Certificate } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import type { TLSSocket } from 'node:tls';
import { tooLarge } from '#api/machinery/status.ts';

export type Incoming = IncomingMessage | Http2ServerRequest;
export type Outgoing = ServerResponse | Http2ServerResponse;

/** What upstream takes of a body. */
export const MAX_BODY_BYTES = 3 * 1024 * 1024;
const CHUNK_BYTES = 256 * 1024;
/** One for all: an abort without a reason makes an error with its stack, which is a tenth of what a GET costs. */
const CLIENT_GONE = new Error('the client has gone');

export class Exchange {
  readonly request: Incoming;
  readonly response: Outgoing;
  readonly method: string;
  /** With its query. */
  readonly url: string;
  #isEnded = false;
  #isGone = false;
  #gone: AbortController | undefined;
  readonly #headers: Record<string, string | string[]> = {};

  constructor(request: Incoming, response: Outgoing) {
    this.request = request;
    this.response = response;
    this.method = request.method ?? 'GET';
    this.url = request.url ?? '/';
    response.once('close', () => {
      if (!this.#isEnded) this.#leave();
    });
    response.on('error', () => this.#leave()); // a reset by the client: nobody is left to tell
  }

  /** Aborts when the client has gone before the answer was whole. Made when it is asked for: few requests need it. */
  get signal(): AbortSignal {
    this.#gone ??= new AbortController();
    if (this.#isGone) this.#gone.abort(CLIENT_GONE);
    return this.#gone.signal;
  }

  header(name: string): string {
    const value = this.request.headers[name];
    return Array.isArray(value) ? value.join(', ') : (value ?? '');
  }

  /** For the answer, whatever it will be. A later one of the same name replaces it. */
  set(name: string, value: string | string[]): void {
    this.#headers[name] = value;
  }

  /** Throws RequestEntityTooLarge; undefined when there is none. */
  async body(limit = MAX_BODY_BYTES): Promise<Uint8Array | undefined> {
    const refuse = () => tooLarge(`Request entity too large: limit is ${limit}`);
    if (Number(this.header('content-length')) > limit) throw refuse();
    const chunks: Buffer[] = [];
    let length = 0;
    for await (const chunk of this.request as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > limit) throw refuse();
      chunks.push(chunk);
    }
    if (length === 0) return undefined;
    return chunks.length === 1 ? chunks[0] : Buffer.concat(chunks, length);
  }

  get begun(): boolean {
    return this.response.headersSent;
  }

  begin(code: number, headers: Record<string, string> = {}): void {
    if (!this.response.headersSent && !this.#isGone)
      (this.response as ServerResponse).writeHead(code, { ...this.#headers, ...headers });
  }

  /** The whole answer at once. */
  async send(code: number, headers: Record<string, string>, body: Uint8Array): Promise<void> {
    this.begin(code, { ...headers, 'content-length': String(body.length) });
    if (this.method === 'HEAD') return this.end();
    for (let at = 0; at < body.length && !this.#isGone; at += CHUNK_BYTES)
      await this.write(body.subarray(at, at + CHUNK_BYTES));
    this.end();
  }

  /** Resolves when there is room for more, at once in most cases, or when the client has gone. */
  async write(chunk: Uint8Array): Promise<void> {
    if (this.#isGone) return;
    const out = this.response as ServerResponse;
    if (!out.write(chunk)) await room(out);
  }

  end(): void {
    this.#isEnded = true;
    if (!this.#isGone) this.response.end();
  }

  /** Breaks off an answer that has begun and cannot be finished: the client must not take it for complete. */
  abort(): void {
    if ('stream' in this.response && this.response.stream)
      this.response.stream.close(2); // INTERNAL_ERROR
    else this.response.destroy();
  }

  #leave(): void {
    this.#isGone = true;
    this.#gone?.abort(CLIENT_GONE);
  }
}

/** Plain listeners: `once` of node:events with a signal costs as much as the write that it waits for. */
const room = (out: ServerResponse): Promise<void> =>
  new Promise((resolve) => {
    const done = () => {
      out.off('drain', done).off('close', done).off('error', done);
      resolve();
    };
    out.on('drain', done).on('close', done).on('error', done);
  });

const certificates = new WeakMap<object, X509Certificate | undefined>();

/** The same object for the whole life of a connection, so that whoever examines it needs to do so once. */
export function clientCertificateOf(request: Incoming): X509Certificate | undefined {
  const connection = 'stream' in request && request.stream?.session ? request.stream.session : request.socket;
  if (!certificates.has(connection)) {
    const socket = (('stream' in request && request.stream?.session?.socket) || request.socket) as TLSSocket;
    certificates.set(connection, socket.getPeerX509Certificate?.());
  }
  return certificates.get(connection);
}
