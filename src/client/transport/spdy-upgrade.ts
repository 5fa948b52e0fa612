/** A connection of SPDY/3.1 to the API server, for who needs several streams of which each side ends on its own. */
import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { Unreachable } from '../transport.ts';
import { SpdyConnection } from './spdy/connection.ts';
import { CONNECT_TIMEOUT_MS, headersOf, refusedBy, tlsOptionsOf, type UpgradeRequest } from './upgrade-request.ts';

/** Throws UpgradeRefused and Unreachable. */
export function openSpdy(request: UpgradeRequest, protocols: readonly string[]): Promise<SpdyConnection> {
  const { endpoint, path, signal } = request;
  const url = `${endpoint.server}${path}`;
  const sent = (url.startsWith('https:') ? requestHttps : requestHttp)(url, {
    method: 'POST',
    agent: false,
    signal,
    timeout: CONNECT_TIMEOUT_MS,
    ...tlsOptionsOf(endpoint),
    headers: {
      ...headersOf(request),
      connection: 'Upgrade',
      upgrade: 'SPDY/3.1',
      'x-stream-protocol-version': [...protocols],
    },
  });
  return new Promise((resolve, reject) => {
    sent.once('upgrade', (_answer, socket, head) => {
      socket.setTimeout(0);
      if (head.length > 0) socket.unshift(head);
      resolve(new SpdyConnection(socket, { side: 'client' }));
    });
    sent.once('response', (answer) => void refusedBy(answer).then(reject));
    sent.once('timeout', () => sent.destroy(new Error('the server does not answer')));
    sent.once('error', (error) => reject(new Unreachable(error.message, { cause: error })));
    sent.end();
  });
}
