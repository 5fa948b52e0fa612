/**
 * The least that could answer: `node:http2` over TLS with client certificates, in a process of its own, that sends the bytes it was
 * given. `GET /fixed` answers with them, `GET /watch` stays open, and every `POST /emit` writes them once to each open one.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { createSecureServer, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { Bench } from './bench.ts';
import type { Target } from './http2-load.ts';
import type { BenchPki } from './bench-pki.ts';

interface Start {
  cert: string;
  key: string;
  ca: string;
}

export interface FloorServer {
  target: Target;
  pid: number;
  /** From the next request on. */
  sends(bytes: Buffer): Promise<void>;
}

export async function startFloorServer(bench: Bench, pki: BenchPki): Promise<FloorServer> {
  const child = fork(fileURLToPath(import.meta.url), [], {
    execArgv: ['--import', 'tsx'],
    serialization: 'advanced',
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  bench.atEnd(() => child.kill('SIGKILL'));
  const start: Start = { cert: pki.server.certificate, key: pki.server.key, ca: pki.ca };
  const port = await answer<number>(child, start);
  return {
    target: { origin: `https://127.0.0.1:${port}`, tls: pki.clientTls },
    pid: child.pid ?? 0,
    sends: async (bytes) => void (await answer(child, { bytes })),
  };
}

async function answer<T>(child: ChildProcess, message: object): Promise<T> {
  child.send(message);
  const [reply] = await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(([code]) => {
      throw new Error(`the floor server ended with ${code}`);
    }),
  ]);
  return reply as T;
}

function serve(): void {
  let bytes: Buffer = Buffer.alloc(0);
  const watchers = new Set<ServerHttp2Stream>();
  process.on('message', (message: Start | { bytes: Uint8Array }) => {
    if ('cert' in message) return listen(message);
    bytes = Buffer.from(message.bytes);
    process.send?.('done');
  });
  process.on('disconnect', () => process.exit(0));

  const listen = (tls: Start) => {
    const settings = { maxConcurrentStreams: 1_000, initialWindowSize: 1024 * 1024 };
    const server = createSecureServer({
      ...tls,
      requestCert: true,
      rejectUnauthorized: true,
      maxSessionMemory: 256,
      settings,
    });
    server.on('stream', (stream, headers) => {
      stream.on('error', () => undefined); // the client went away
      if (headers[':path'] === '/watch') {
        stream.respond({ ':status': 200, 'content-type': 'application/json' });
        watchers.add(stream);
        stream.once('close', () => watchers.delete(stream));
        return;
      }
      if (headers[':path'] === '/emit') for (const watcher of watchers) watcher.write(bytes);
      stream.respond({ ':status': 200, 'content-type': 'application/json' });
      stream.end(headers[':path'] === '/emit' ? '{}' : bytes);
    });
    server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url) && process.send) serve();
