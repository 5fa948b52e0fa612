/**
 * Requests of HTTP/1.1 over connections that are kept, one at a time on each. Sockets without a parser: the client shall take as
 * little of the machine as it can. Every answer ends with `BODY`, whose last byte stands nowhere else at the end of a piece.
 */
import { connect, type Socket } from 'node:net';
import type { Load } from './http2-load.ts';

const END = '~';
export const BODY = `${'hello from a pod '.repeat(8)}${END}`;
const STATUS_AT = 'HTTP/1.1 '.length;

export interface Http1LoadOptions {
  port: number;
  host: string;
  connections: number;
  forMs: number;
}

/** Rejects when an answer is not 200, and when a connection ends. */
export async function http1Load(options: Http1LoadOptions): Promise<Load> {
  const { connections, forMs } = options;
  const times: number[] = [];
  const began = performance.now();
  const until = began + forMs;
  let bytes = 0;
  const note = (ms: number, size: number) => {
    times.push(ms);
    bytes += size;
  };
  await Promise.all(Array.from({ length: connections }, () => oneConnection(options, until, note)));
  return { times, perSecond: times.length / ((performance.now() - began) / 1000), bytes };
}

function oneConnection(
  { port, host }: Http1LoadOptions,
  until: number,
  note: (ms: number, size: number) => void,
): Promise<void> {
  const request = Buffer.from(
    `GET /some/path?with=query HTTP/1.1\r\nHost: ${host}\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n`,
  );
  return new Promise((resolve, reject) => {
    const socket: Socket = connect({ port, host: '127.0.0.1', noDelay: true });
    let start = 0;
    let size = 0;
    const ask = () => {
      size = 0;
      start = performance.now();
      socket.write(request);
    };
    socket.once('connect', ask);
    socket.on('data', (part: Buffer) => {
      if (size === 0 && part.toString('latin1', STATUS_AT, STATUS_AT + 3) !== '200')
        reject(new Error(part.toString('latin1', 0, 200)));
      size += part.length;
      if (part[part.length - 1] !== END.charCodeAt(0)) return;
      const now = performance.now();
      note(now - start, size);
      if (now < until) return ask();
      socket.destroy();
      resolve();
    });
    socket.once('error', reject);
    socket.once('end', () => reject(new Error('the connection was ended')));
  });
}
