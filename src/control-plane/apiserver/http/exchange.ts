/**
 * One request and its answer over HTTP/1.1 or HTTP/2. Answers go out in chunks that wait for the client to take them:
 * a client that reads slowly costs one chunk of memory, and the other streams of its connection keep their share.
 */
import type { X509Certificate } from 'node:crypto';
import type { IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { constants, type ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { tooLarge } from '#api/machinery/status.ts';
import { newAuditId } from '../audit/audit-id.ts';
import type { AuditedRequest } from '../audit/audited-request.ts';
import type { Flow } from '../flow-control/flow-control.ts';
import type { TimeElsewhere } from '../time-elsewhere.ts';

/** What came with a request, whatever protocol brought it. */
export interface Incoming {
  readonly headers: IncomingHttpHeaders;
  /** Names and values in turn, as they came: quicker to look through than `headers`. */
  readonly rawHeaders: readonly string[];
  /** The same for the whole life of a connection. */
  readonly socket: Pick<Socket, 'remoteAddress'>;
}

/** What upstream takes of a body. */
export const MAX_BODY_BYTES = 3 * 1024 * 1024;
const CHUNK_BYTES = 256 * 1024;
/** One for all: an abort without a reason makes an error with its stack, which is a tenth of what a GET costs. */
const CLIENT_GONE = new Error('the client has gone');

type Headers = Record<string, string | string[]>;

export interface WholeBody {
  type: string;
  body: Uint8Array;
}

/**
 * Node.js holds on to a stream for a while after its answer; so the stream lets go of its exchange, and of the headers of both
 * sides with it, as soon as that is out. One pair of listeners serves all of them; most answers are out before anything can close.
 */
const EXCHANGE = Symbol('exchange');
type Out = Writable & { [EXCHANGE]?: Exchange | undefined };

function closed(this: Out): void {
  this[EXCHANGE]?.closed();
}

/** A reset by the client, say: nobody is left to tell. */
function broken(this: Out): void {
  this[EXCHANGE]?.leave();
}

export abstract class Exchange implements TimeElsewhere {
  readonly request: Incoming;
  readonly method: string;
  /** With its query. */
  readonly url: string;
  /** The body, for who passes it on unread. */
  readonly bytes: Readable;
  /** Of the answer; 0 before it has begun. */
  code = 0;
  /** Bytes of the answer's body so far. */
  sent = 0;
  /** Names the request in the audit log and for its client. */
  readonly auditId: string;
  audited: AuditedRequest | undefined;
  queuedMs = 0;
  mutatingWebhooksMs = 0;
  validatingWebhooksMs = 0;
  readonly #out: Out;
  #isEnded = false;
  #isGone = false;
  #gone: AbortController | undefined;
  readonly #headers: Headers;

  constructor(request: Incoming, { method, url, bytes, out }: Line & { bytes: Readable; out: Writable }) {
    this.request = request;
    this.method = method;
    this.url = url;
    this.bytes = bytes;
    this.#out = out;
    this.auditId = this.header('audit-id') || newAuditId();
    this.#headers = { 'audit-id': this.auditId, 'cache-control': 'no-cache, private' };
    this.#out[EXCHANGE] = this;
    out.on('error', broken);
  }

  /** When all that can be done at once was done: only before an answer that is still to come can its client go. */
  awaited(): void {
    if (!this.#isEnded) this.#out.on('close', closed);
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

  /** Of the objects that said when it might begin. */
  tell({ flowSchemaUid, priorityLevelUid }: Pick<Flow, 'flowSchemaUid' | 'priorityLevelUid'>): void {
    const headers = this.#headers; // named one by one, here and in `send`: by a name that is not known beforehand costs µs
    headers['x-kubernetes-pf-flowschema-uid'] = flowSchemaUid;
    headers['x-kubernetes-pf-prioritylevel-uid'] = priorityLevelUid;
  }

  /** Throws RequestEntityTooLarge; undefined when there is none. */
  body(limit = MAX_BODY_BYTES): Promise<Uint8Array | undefined> {
    const refuse = () => tooLarge(`Request entity too large: limit is ${limit}`);
    if (Number(this.header('content-length')) > limit) return Promise.reject(refuse());
    return wholeOf(this.bytes, { limit, refuse });
  }

  get begun(): boolean {
    return this.code !== 0;
  }

  begin(code: number, headers?: Record<string, string>): void {
    if (this.begun || this.#isGone) return;
    this.code = code;
    if (headers) Object.assign(this.#headers, headers);
    this.respond(code, this.#headers);
  }

  /** The whole answer at once. A promise only where it has to wait for the client. */
  send(code: number, { type, body }: WholeBody, more?: Record<string, string>): Promise<void> | undefined {
    const headers = this.#headers;
    headers['content-type'] = type;
    headers['content-length'] = String(body.length);
    this.begin(code, more);
    if (body.length > CHUNK_BYTES && this.method !== 'HEAD') return this.#sendInChunks(body);
    this.end(this.method === 'HEAD' ? undefined : body);
    return undefined;
  }

  async #sendInChunks(body: Uint8Array): Promise<void> {
    let at = 0;
    for (; body.length - at > CHUNK_BYTES && !this.#isGone; at += CHUNK_BYTES)
      await this.write(body.subarray(at, at + CHUNK_BYTES));
    this.end(body.subarray(at));
  }

  /** undefined when there is room for more; else resolves when there is, or the client has gone. */
  write(chunk: Uint8Array): Promise<void> | undefined {
    this.sent += chunk.length;
    if (this.#isGone || this.#out.write(chunk)) return undefined;
    return room(this.#out);
  }

  end(last?: Uint8Array): void {
    this.#isEnded = true;
    if (!this.#gone) this.#out[EXCHANGE] = undefined;
    if (this.#isGone) return;
    if (last?.length) {
      this.sent += last.length;
      this.#out.end(last);
    } else this.#out.end();
  }

  /** The time for the answer is over. What is sent later goes nowhere. */
  expire({ code, type, body }: WholeBody & { code: number }): void {
    if (this.begun) this.abort();
    else {
      this.begin(code, { 'content-type': type, 'content-length': String(body.length) });
      this.end(body);
    }
    this.leave();
  }

  /** A client waits for the headers before it believes that it watches, and the first event may be long in coming. */
  abstract flush(): void;

  /** The next request of this client is to come on another connection. */
  abstract sendElsewhere(): void;

  /** Who is not known gets one answer on a connection of HTTP/2, which is dear and open to abuse (CVE-2023-44487). */
  abstract forNobody(): void;

  /** Breaks off an answer that has begun and cannot be finished: the client must not take it for complete. */
  abstract abort(): void;

  protected abstract respond(code: number, headers: Headers): void;

  closed(): void {
    if (!this.#isEnded) this.leave();
  }

  /** Nothing more is sent. */
  leave(): void {
    this.#isGone = true;
    this.#gone?.abort(CLIENT_GONE);
  }
}

interface Line {
  method: string;
  url: string;
}

export class Http1Exchange extends Exchange {
  readonly #response: ServerResponse;

  constructor(request: IncomingMessage, response: ServerResponse) {
    const { method = 'GET', url = '/' } = request;
    super(request, { method, url, bytes: request, out: response });
    this.#response = response;
  }

  flush(): void {
    this.#response.flushHeaders();
  }

  sendElsewhere(): void {
    this.set('connection', 'close');
  }

  forNobody(): void {} // as upstream

  abort(): void {
    this.#response.destroy();
  }

  protected respond(code: number, headers: Headers): void {
    this.#response.writeHead(code, headers);
  }
}

/** A class of its own: an object that is written out with a getter has a shape of its own each time, which is slow to make. */
class Http2Request implements Incoming {
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
  readonly #stream: ServerHttp2Stream;

  constructor(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, rawHeaders: readonly string[]) {
    this.#stream = stream;
    this.headers = headers;
    this.rawHeaders = rawHeaders;
  }

  get socket(): Incoming['socket'] {
    return this.#stream.session!.socket;
  }
}

/** On the stream itself: Node's layer that makes it look like HTTP/1 has two more objects and ten more listeners for each. */
export class Http2Exchange extends Exchange {
  readonly #stream: ServerHttp2Stream;

  constructor(
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders & { ':method'?: string; ':path'?: string },
    rawHeaders: readonly string[],
  ) {
    super(new Http2Request(stream, headers, rawHeaders), {
      method: headers[':method'] ?? 'GET',
      url: headers[':path'] ?? '/',
      bytes: stream,
      out: stream,
    });
    this.#stream = stream;
    if (headers.expect === '100-continue') stream.additionalHeaders({ ':status': 100 });
  }

  override end(last?: Uint8Array): void {
    super.end(last);
    // What of the body nobody has read, nobody will: the client is told to keep the rest (RFC 9113, 8.1).
    if (!this.#stream.readableEnded && !this.#stream.destroyed && this.method !== 'GET')
      this.#stream.once('finish', keepTheRest);
  }

  flush(): void {
    // The headers of HTTP/2 do not wait for a body.
  }

  /** GOAWAY: what is under way on the connection goes on to its end. */
  sendElsewhere(): void {
    this.#stream.session?.close();
  }

  forNobody(): void {
    this.sendElsewhere();
  }

  /** As an error: closed with a code alone, what had begun would look whole to the client. */
  abort(): void {
    this.#stream.destroy(new Error('the answer breaks off'));
  }

  protected respond(code: number, headers: Headers): void {
    const all: OutgoingHttpHeaders = headers;
    all[':status'] = code;
    if (!this.#stream.destroyed) this.#stream.respond(all);
  }
}

function keepTheRest(this: ServerHttp2Stream): void {
  this.close(constants.NGHTTP2_NO_ERROR);
}

/** With plain listeners: an iterator over a stream costs as much as reading it. */
function wholeOf(
  bytes: Readable,
  { limit, refuse }: { limit: number; refuse: () => Error },
): Promise<Buffer | undefined> {
  return new Promise((resolve, reject) => {
    let first: Buffer | undefined;
    let more: Buffer[] | undefined;
    let length = 0;
    bytes.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length > limit) return reject(refuse()); // the rest is read and thrown away, until the answer is out
      if (more) more.push(chunk);
      else if (first) more = [first, chunk];
      else first = chunk;
    });
    bytes.on('end', () => resolve(more ? Buffer.concat(more, length) : first));
    bytes.on('error', reject);
    bytes.on('close', () => reject(CLIENT_GONE));
  });
}

/** Plain listeners: `once` of node:events with a signal costs as much as the write that it waits for. */
const room = (out: Writable): Promise<void> =>
  new Promise((resolve) => {
    const done = () => {
      out.off('drain', done).off('close', done).off('error', done);
      resolve();
    };
    out.on('drain', done).on('close', done).on('error', done);
  });

const certificates = new WeakMap<object, X509Certificate | undefined>();

/** The same object for the whole life of a connection, so that whoever examines it needs to do so once. */
export function clientCertificateOf({ socket }: Incoming): X509Certificate | undefined {
  if (!certificates.has(socket)) certificates.set(socket, (socket as TLSSocket).getPeerX509Certificate?.());
  return certificates.get(socket);
}
