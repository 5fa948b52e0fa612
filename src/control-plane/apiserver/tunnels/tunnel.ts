/**
 * One node's connection, which it opened, over which the API server reaches what only that node can. After the upgrade the
 * roles of HTTP/2 are the other way round: the API server asks, a CONNECT for each connection (RFC 9113, section 8.5).
 */
import { type ClientHttp2Session, connect, constants } from 'node:http2';
import { Duplex } from 'node:stream';
import type { Clock, Timer } from '#base/clock.ts';
import { TunnelSocket } from './tunnel-socket.ts';

/** At a time: a node that many want something of does not fill the memory of all. */
const MOST_STREAMS = 1_000;
const DIAL_MS = 15_000;
/** A connection that is gone without a word is noticed within two of these. */
const PING_EVERY_MS = 15_000;
/** Of each stream; what more one of them sends waits at the node. */
const WINDOW_BYTES = 2 ** 20;
/** For one session Node allows 10 MB of everything; all streams of a node share this one. */
const SESSION_MB = 256;

/** Why there is no connection, with the codes that a dial of one's own would give. */
class DialFailed extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

export class Tunnel {
  /** Resolves when the connection is gone. */
  readonly closed: Promise<void>;
  readonly #session: ClientHttp2Session;
  readonly #clock: Clock;
  #open = 0;
  #ping: Timer | undefined;

  constructor(socket: Duplex, clock: Clock) {
    this.#clock = clock;
    // Not the socket itself: HTTP/2 would take its handle, while what was written before may still be under way there.
    const bytes = Duplex.from({ readable: socket, writable: socket });
    bytes.on('error', () => socket.destroy());
    this.#session = connect('http://node', {
      createConnection: () => bytes as never,
      settings: { initialWindowSize: WINDOW_BYTES, enablePush: false },
      maxSessionMemory: SESSION_MB,
    });
    this.#session.setMaxListeners(0);
    this.#session.on('error', () => this.#session.destroy());
    this.#session.once('connect', () => {
      if (!this.#session.destroyed) this.#session.setLocalWindowSize(16 * WINDOW_BYTES);
    });
    this.closed = new Promise((resolve) => {
      this.#session.once('close', () => {
        this.#ping?.cancel();
        socket.destroy();
        resolve();
      });
    });
    this.#pingLater();
  }

  /** Throws, with the `code` of a dial that failed. */
  open(host: string, port: number): Promise<Duplex> {
    if (this.#open >= MOST_STREAMS)
      throw new DialFailed('EMFILE', `${MOST_STREAMS} connections go through this tunnel already`);
    const authority = `${host.includes(':') ? `[${host}]` : host}:${port}`;
    const stream = this.#session.request({ ':method': 'CONNECT', ':authority': authority }, { endStream: false });
    this.#open++;
    stream.once('close', () => this.#open--);
    return new Promise((resolve, reject) => {
      const failed = (error: Error) => {
        timer.cancel();
        stream.close(constants.NGHTTP2_CANCEL);
        reject(error);
      };
      const timer = this.#clock.timer(DIAL_MS, () => failed(new DialFailed('ETIMEDOUT', 'i/o timeout')));
      stream.once('error', failed);
      stream.once('close', () => failed(new DialFailed('ECONNRESET', 'the tunnel of the node closed')));
      stream.once('response', (headers) => {
        if (headers[':status'] !== 200) return failed(refusal(headers['kedge-dial-error']));
        timer.cancel();
        stream.off('error', failed);
        resolve(new TunnelSocket(stream));
      });
    });
  }

  close(): void {
    this.#session.destroy();
  }

  #pingLater(): void {
    this.#ping = this.#clock.timer(PING_EVERY_MS, () => {
      if (this.#session.destroyed) return; // and soon closed
      const late = this.#clock.timer(PING_EVERY_MS, () => this.#session.destroy());
      const isSent = this.#session.ping((error) => {
        late.cancel();
        if (error) this.#session.destroy();
        else if (!this.#session.destroyed) this.#pingLater();
      });
      if (!isSent) late.cancel();
    });
  }
}

const CODES = ['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'ETIMEDOUT', 'ECONNRESET', 'EACCES'];

/** The node says the code of its own dial. */
function refusal(said: string | string[] | undefined): DialFailed {
  const code = [said].flat()[0] ?? '';
  return CODES.includes(code)
    ? new DialFailed(code, `the node says ${code}`)
    : new DialFailed('ECONNRESET', 'the node refused');
}
