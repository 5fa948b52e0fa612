/** Node's keepers of HTTP connections: a new connection of a request that says its way (`way`) is made by it. */
import { type ClientRequestArgs, Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent, type RequestOptions } from 'node:https';
import type { Duplex } from 'node:stream';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import type { Way } from './tunnels.ts';

/** Beside the options of a request. */
interface WithWay {
  way?: Way | undefined;
}

/** undefined: it is still being made. */
type Made = (error: Error | null, socket: Duplex) => void;

export class WayHttpsAgent extends HttpsAgent {
  override createConnection(options: RequestOptions & WithWay, made?: Made): Duplex | null | undefined {
    const { way } = options;
    if (!way) return super.createConnection(options as never, made as never);
    hand(
      way().then((socket) => tlsOver(socket, options as ConnectionOptions)),
      made,
    );
    return undefined;
  }
}

export class WayHttpAgent extends HttpAgent {
  override createConnection(options: ClientRequestArgs & WithWay, made?: Made): Duplex | null | undefined {
    const { way } = options;
    if (!way) return super.createConnection(options as never, made as never);
    hand(way(), made);
    return undefined;
  }
}

/** TLS within a connection that is there. */
export function tlsOver(socket: Duplex, options: ConnectionOptions): TLSSocket {
  const { host: _host, port: _port, path: _path, ...rest } = options;
  return connect({ ...rest, socket: socket as never });
}

const hand = (connection: Promise<Duplex>, made: Made | undefined): void =>
  void connection.then(
    (socket) => made?.(null, socket),
    (error: Error) => made?.(error, undefined as never),
  );
