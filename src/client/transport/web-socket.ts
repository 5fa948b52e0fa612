/** A WebSocket to the API server, for commands and connections that go through it. */
import { WebSocket } from 'ws';
import { Unreachable } from '../transport.ts';
import { CONNECT_TIMEOUT_MS, headersOf, refusedBy, tlsOptionsOf, type UpgradeRequest } from './upgrade-request.ts';

/** Open. Throws UpgradeRefused and Unreachable. */
export function openWebSocket(request: UpgradeRequest, protocols: readonly string[]): Promise<WebSocket> {
  const { endpoint, path, signal } = request;
  const socket = new WebSocket(`${endpoint.server.replace(/^http/, 'ws')}${path}`, [...protocols], {
    ...tlsOptionsOf(endpoint),
    handshakeTimeout: CONNECT_TIMEOUT_MS,
    followRedirects: false,
    headers: headersOf(request) as Record<string, string>,
  });
  const abort = () => socket.terminate();
  signal.addEventListener('abort', abort, { once: true });
  socket.once('close', () => signal.removeEventListener('abort', abort));
  return new Promise((resolve, reject) => {
    socket.once('open', () => resolve(socket));
    socket.once('error', (error) => reject(new Unreachable(error.message, { cause: error })));
    socket.once('unexpected-response', (_request, answer) => {
      void refusedBy(answer).then((refused) => {
        reject(refused);
        socket.terminate();
      });
    });
  });
}
