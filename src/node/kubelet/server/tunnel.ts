/** Two streams of bytes, tied together: what one says the other hears, and neither outlives the other. */
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

/** Resolves when both have closed. */
export async function tunnel(a: Duplex, b: Duplex): Promise<void> {
  a.pipe(b);
  b.pipe(a);
  await Promise.all([closed(a, b), closed(b, a)]);
}

/** How long a side that is told of the end may take to close. */
const LINGER_MS = 5_000;

function closed(one: Duplex, other: Duplex): Promise<void> {
  return new Promise((resolve) => {
    one.on('error', () => one.destroy());
    one.once('close', () => {
      // What is on its way to the other side still arrives; what it still says is read and dropped, because a socket
      // that is closed with something unread takes back what it sent last.
      other.end();
      other.unpipe();
      other.resume();
      if (other instanceof Socket) other.setTimeout(LINGER_MS, () => other.destroy());
      resolve();
    });
  });
}

/** An answer in the raw, for a request that was to be upgraded. */
export function refuseUpgrade(socket: Duplex, code: number, text: string): void {
  const body = Buffer.from(`${text}\n`);
  socket.end(
    Buffer.concat([
      Buffer.from(
        `HTTP/1.1 ${code} ${REASONS[code] ?? 'Error'}\r\nContent-Type: text/plain; charset=utf-8\r\n` +
          `Content-Length: ${body.length}\r\nConnection: close\r\n\r\n`,
      ),
      body,
    ]),
  );
}

const REASONS: Record<number, string> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
};
