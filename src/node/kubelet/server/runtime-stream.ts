/** A connection to the runtime's streaming server, upgraded to SPDY/3.1. Source: node-local URLs that the CRI hands out. */
import { type IncomingHttpHeaders, request } from 'node:http';
import type { Duplex } from 'node:stream';
import { HttpError } from './http-error.ts';

export interface Upgraded {
  socket: Duplex;
  /** What the server sent behind its answer. */
  head: Buffer;
  headers: IncomingHttpHeaders;
}

const MAX_ERROR_BYTES = 4096;

/** @throws HttpError with the runtime's own words when it does not upgrade */
export function upgradeToSpdy(
  url: string,
  { protocols, method = 'POST' }: { protocols: readonly string[]; method?: string },
): Promise<Upgraded> {
  const headers = { Connection: 'Upgrade', Upgrade: 'SPDY/3.1', 'X-Stream-Protocol-Version': [...protocols] };
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { method, headers, agent: false });
    outgoing.once('upgrade', (response, socket, head) => resolve({ socket, head, headers: response.headers }));
    outgoing.once('response', (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text = (text + chunk).slice(0, MAX_ERROR_BYTES);
      });
      response.once('end', () => reject(new HttpError(response.statusCode ?? 500, text.trim())));
    });
    outgoing.once('error', (error) =>
      reject(new HttpError(500, `error dialing the container runtime: ${error.message}`)),
    );
    outgoing.end();
  });
}
