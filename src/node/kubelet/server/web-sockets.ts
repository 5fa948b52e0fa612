/** Accepting WebSockets with one of several subprotocols. */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { HttpError } from './http-error.ts';

/** A message of a client: a keystroke or a piece of a file, never more. */
const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;

export interface UpgradeRequest {
  request: IncomingMessage;
  socket: Duplex;
  head: Buffer;
}

/** As the client offers them, in its order. */
export const offeredProtocols = ({ headers }: IncomingMessage): string[] =>
  (headers['sec-websocket-protocol'] ?? '')
    .split(',')
    .map((protocol) => protocol.trim())
    .filter(Boolean);

export interface AcceptedSocket {
  client: WebSocket;
  /** Empty when the client offered none. */
  protocol: string;
}

/**
 * Resolves when the socket is open. The protocol is the first one offered that is supported. It is answered here and not
 * by the library, which refuses names with a slash. @throws HttpError before anything is answered
 */
export function acceptWebSocket(
  { request, socket, head }: UpgradeRequest,
  supported: readonly string[],
): Promise<AcceptedSocket> {
  const offered = offeredProtocols(request);
  const protocol = offered.find((one) => supported.includes(one));
  if (offered.length > 0 && protocol === undefined)
    throw new HttpError(
      403,
      `unable to upgrade: unable to negotiate protocol: client supports [${offered.join(' ')}], server accepts [${supported.join(' ')}]`,
    );
  delete request.headers['sec-websocket-protocol'];
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: MAX_MESSAGE_BYTES,
  });
  server.on('headers', (headers) => {
    if (protocol) headers.push(`Sec-WebSocket-Protocol: ${protocol}`);
  });
  return new Promise((resolve) => {
    server.handleUpgrade(request, socket, head, (client) => resolve({ client, protocol: protocol ?? '' }));
  });
}
