/** Two streams of bytes, tied together: what one says the other hears, and neither outlives the other. */
import type { Duplex } from 'node:stream';

/** Resolves when both have closed. */
export async function tunnel(a: Duplex, b: Duplex): Promise<void> {
  a.pipe(b);
  b.pipe(a);
  await Promise.all([closed(a, b), closed(b, a)]);
}

function closed(one: Duplex, other: Duplex): Promise<void> {
  return new Promise((resolve) => {
    one.on('error', () => one.destroy());
    one.once('close', () => {
      other.destroy();
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
