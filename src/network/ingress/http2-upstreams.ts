/** Connections of HTTP/2 to pods, one to each endpoint, for backends that speak nothing else (gRPC). */
import { type ClientHttp2Session, connect } from 'node:http2';
import type { Endpoint } from './backends.ts';
import type { RouteOptions } from './route-options.ts';

export class Http2Upstreams {
  readonly #sessions = new Map<string, ClientHttp2Session>();

  /** Calls back with one that is connected; undefined: the endpoint cannot be reached in time. */
  reach(
    { address, port }: Endpoint,
    { backendProtocol, connectTimeoutMs }: RouteOptions,
    reached: (session: ClientHttp2Session | undefined) => void,
  ): void {
    const host = address.includes(':') ? `[${address}]` : address;
    const origin = `${backendProtocol === 'grpcs' || backendProtocol === 'https' ? 'https' : 'http'}://${host}:${port}`;
    const known = this.#sessions.get(origin);
    const session = known && !known.closed && !known.destroyed ? known : this.#connect(origin);
    if (!session.connecting) {
      reached(session);
      return;
    }
    session.setTimeout(connectTimeoutMs, () => {
      if (session.connecting) session.destroy();
    });
    let isTold = false;
    const tell = (is: ClientHttp2Session | undefined) => {
      if (!isTold) reached(is);
      isTold = true;
    };
    session.once('connect', () => {
      session.setTimeout(0);
      tell(session);
    });
    session.once('close', () => tell(undefined));
  }

  #connect(origin: string): ClientHttp2Session {
    const session = connect(origin, { rejectUnauthorized: false, ALPNProtocols: ['h2'] });
    session.setMaxListeners(0);
    const forget = () => {
      if (this.#sessions.get(origin) === session) this.#sessions.delete(origin);
    };
    session.on('error', () => session.destroy()); // whoever waits hears of its end
    session.on('goaway', forget);
    session.on('close', forget);
    session.unref();
    this.#sessions.set(origin, session);
    return session;
  }

  /** To endpoints that are none any more: they end when their last answer has. @param isUsed of `ADDRESS:PORT` in a URL. */
  closeUnused(isUsed: (at: string) => boolean): void {
    for (const [origin, session] of this.#sessions) {
      if (isUsed(origin.slice(origin.indexOf('//') + 2))) continue;
      this.#sessions.delete(origin);
      session.close();
    }
  }

  close(): void {
    for (const session of this.#sessions.values()) session.destroy();
  }
}
