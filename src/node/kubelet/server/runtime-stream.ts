/** A connection to the runtime's streaming server, upgraded. Source: node-local URLs that the CRI hands out. */
import { type IncomingMessage, request } from 'node:http';
import type { Socket } from 'node:net';
import { HttpError } from './http-error.ts';

export interface Upgraded {
  response: IncomingMessage;
  socket: Socket;
  /** What the server sent behind its answer. */
  head: Buffer;
}

const MAX_ERROR_BYTES = 4096;

/** @throws HttpError with the runtime's own words when it does not upgrade */
export function upgradeToSpdy(
  url: string,
  { protocols, method = 'POST' }: { protocols: readonly string[]; method?: string },
): Promise<Upgraded> {
  const headers = { Connection: 'Upgrade', Upgrade: 'SPDY/3.1', 'X-Stream-Protocol-Version': [...protocols] };
  return upgrade(url, { method, headers });
}

/** @throws HttpError with the runtime's own words when it does not upgrade */
export function upgrade(
  url: string,
  { method, headers }: { method: string; headers: Record<string, string | string[]> },
): Promise<Upgraded> {
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { method, headers, agent: false });
    outgoing.once('upgrade', (response, socket, head) => {
      hearOut(socket);
      resolve({ response, socket, head });
    });
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

/** How long a peer that takes nothing any more may go on speaking. */
const LAST_WORDS_MS = 5_000;

/**
 * A command that ends before it has read all of its input makes the runtime close while we still write. Node would drop
 * the whole socket at the first write that fails, and with it the exit code, which has arrived but was not read yet. So a
 * failed write, and all that follow it, count as written: that the peer has gone is learnt from reading.
 */
export function hearOut(socket: Socket): void {
  let isDeaf = false;
  const settled = (done: (error?: Error | null) => void) => (error?: Error | null) => {
    if (error && !isDeaf) {
      isDeaf = true;
      socket.setTimeout(LAST_WORDS_MS, () => socket.destroy());
    }
    done();
  };
  const write = socket._write.bind(socket);
  const writeMany = socket._writev?.bind(socket);
  socket._write = (chunk, encoding, done) => (isDeaf ? done() : write(chunk, encoding, settled(done)));
  if (writeMany) socket._writev = (chunks, done) => (isDeaf ? done() : writeMany(chunks, settled(done)));
}
