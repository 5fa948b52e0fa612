/**
 * The one HTTP/2 connection that all requests and watches of a process share. Made when first needed, made anew when it
 * breaks, is told to go away, stops answering pings, or when the client certificate has been renewed.
 */
import type { ClientHttp2Session, ClientHttp2Stream, OutgoingHttpHeaders } from 'node:http2';
import { connect, constants } from 'node:http2';
import { isIP } from 'node:net';
import type { Clock, Timer } from '#base/clock.ts';
import { Unreachable } from '../transport.ts';
import type { CurrentCredentials } from './credentials.ts';

export interface ConnectionOptions {
  /** `https://host:port`. */
  server: string;
  /** PEM; the system's roots when absent. */
  certificateAuthority?: string;
  /** The name the server's certificate must carry, when it is not the host of `server`. */
  serverName?: string;
  /** Accept any certificate. For a user who asked for it in a kubeconfig, never a default. */
  insecure?: boolean;
  credentials: CurrentCredentials;
  clock: Clock;
}

// Source: client-go, HTTP2_READ_IDLE_TIMEOUT_SECONDS and HTTP2_PING_TIMEOUT_SECONDS.
const PING_EVERY_MS = 30_000;
const PING_TIMEOUT_MS = 15_000;
const CONNECT_TIMEOUT_MS = 10_000;
/** Watches of many kinds share the connection: one slow reader must not stop the others. */
const STREAM_WINDOW_BYTES = 4 * 1024 * 1024;
const SESSION_WINDOW_BYTES = 64 * 1024 * 1024;

export class Connection {
  readonly #options: ConnectionOptions;
  #session: ClientHttp2Session | undefined;
  #opening: Promise<ClientHttp2Session> | undefined;
  #generation = 0;

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  /** Opens a stream. Throws Unreachable when no connection can be had. */
  async open(headers: OutgoingHttpHeaders, endStream: boolean): Promise<ClientHttp2Stream> {
    const session = await this.#current();
    const stream = requested(session, headers, endStream);
    session.ref();
    const count = (openStreams.get(session) ?? 0) + 1;
    openStreams.set(session, count);
    stream.once('close', () => {
      const left = (openStreams.get(session) ?? 1) - 1;
      openStreams.set(session, left);
      if (left === 0) session.unref(); // an idle connection does not keep the process alive
    });
    return stream;
  }

  close(): void {
    this.#session?.destroy();
    this.#session = undefined;
  }

  async #current(): Promise<ClientHttp2Session> {
    const { generation } = this.#options.credentials;
    if (this.#session && generation !== this.#generation) {
      this.#session.close(); // what is open ends by itself
      this.#session = undefined;
    }
    this.#generation = generation;
    if (this.#session && !this.#session.closed && !this.#session.destroyed) return this.#session;
    this.#opening ??= this.#connect().finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  #connect(): Promise<ClientHttp2Session> {
    const { server, certificateAuthority, serverName, insecure, credentials, clock } = this.#options;
    const { hostname } = new URL(server);
    const bareHost = hostname.replace(/^\[|\]$/g, '');
    return new Promise((resolve, reject) => {
      const session = connect(server, {
        ...(certificateAuthority && { ca: certificateAuthority }),
        ...credentials.certificate(),
        // An address is never sent as SNI (RFC 6066), yet is what the certificate is checked against.
        servername: serverName ?? (isIP(bareHost) ? '' : bareHost),
        rejectUnauthorized: !insecure,
        settings: { initialWindowSize: STREAM_WINDOW_BYTES, enablePush: false },
      });
      const timer = clock.timer(CONNECT_TIMEOUT_MS, () => session.destroy(new Error('connecting timed out')));
      const drop = () => {
        timer.cancel();
        if (this.#session === session) this.#session = undefined;
      };
      session.on('error', (error) => {
        drop();
        reject(new Unreachable(`${server}: ${error.message}`, { cause: error }));
      });
      session.once('close', () => {
        drop();
        reject(new Unreachable(`${server}: the connection was closed`));
      });
      session.once('goaway', drop);
      session.once('connect', () => {
        timer.cancel();
        session.setLocalWindowSize(SESSION_WINDOW_BYTES);
        keepAlive(session, clock);
        this.#session = session;
        resolve(session);
      });
    });
  }
}

/** A session that has ended in this very moment refuses by throwing. */
function requested(session: ClientHttp2Session, headers: OutgoingHttpHeaders, endStream: boolean): ClientHttp2Stream {
  try {
    return session.request(headers, { endStream });
  } catch (error) {
    throw new Unreachable((error as Error).message, { cause: error });
  }
}

const openStreams = new WeakMap<ClientHttp2Session, number>();

/** A peer that vanished without a word is noticed by its missing answer to a ping. */
function keepAlive(session: ClientHttp2Session, clock: Clock): void {
  let timer: Timer = clock.timer(PING_EVERY_MS, ping);
  session.once('close', () => timer.cancel());
  function ping() {
    if (session.destroyed) return;
    timer = clock.timer(PING_TIMEOUT_MS, () => session.destroy(new Error('no answer to a ping')));
    session.ping((error) => {
      timer.cancel();
      if (error || session.destroyed) return;
      timer = clock.timer(PING_EVERY_MS, ping);
    });
  }
}

/** The server did not begin on this request: it may be sent again whatever it was. */
export const wasRefused = (stream: ClientHttp2Stream): boolean => stream.rstCode === constants.NGHTTP2_REFUSED_STREAM;
