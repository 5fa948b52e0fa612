/** Many watches at once, and when each of them got which event. */
import type { ClientHttp2Session } from 'node:http2';
import { openAll, request, type Target } from './http2-load.ts';

const STREAMS_A_CONNECTION = 100;
const LINE_END = 0x0a;
const EVENT_WITHIN_MS = 30_000;

export interface Watchers {
  /** Resolves when every watcher has had `events` more events than at the last call, with the time of the last. */
  haveHad(events: number): Promise<number>;
  /** The bytes of the first event that the first watcher had. */
  firstEvent(): Buffer;
  close(): void;
}

/** Resolves when all of them are answered with a 200. */
export async function openWatchers(target: Target, path: string, count: number): Promise<Watchers> {
  const sessions = await openAll(target, Math.ceil(count / STREAMS_A_CONNECTION));
  const seen = new Uint32Array(count);
  const first: Buffer[] = [];
  let wanted = 0;
  let behind = 0;
  let allHad: ((atMs: number) => void) | undefined;
  const had = (watcher: number, chunk: Buffer) => {
    if (watcher === 0 && !first.some((part) => part.includes(LINE_END))) first.push(chunk);
    for (let at = chunk.indexOf(LINE_END); at >= 0; at = chunk.indexOf(LINE_END, at + 1)) {
      seen[watcher] = (seen[watcher] ?? 0) + 1;
      if (seen[watcher] === wanted && --behind === 0) allHad?.(performance.now());
    }
  };
  const at = (i: number) => sessions[Math.floor(i / STREAMS_A_CONNECTION)] as ClientHttp2Session;
  await Promise.all(Array.from({ length: count }, (_, i) => openWatch(at(i), path, (chunk) => had(i, chunk))));
  return {
    haveHad(events) {
      wanted += events;
      behind = seen.reduce((left, got) => left + (got < wanted ? 1 : 0), 0);
      if (behind === 0) return Promise.resolve(performance.now());
      return new Promise((resolve, reject) => {
        const late = setTimeout(() => reject(new Error(`${behind} of ${count} watchers miss events`)), EVENT_WITHIN_MS);
        allHad = (atMs) => {
          clearTimeout(late);
          resolve(atMs);
        };
      });
    },
    firstEvent() {
      const bytes = Buffer.concat(first);
      return bytes.subarray(0, bytes.indexOf(LINE_END) + 1);
    },
    close() {
      for (const session of sessions) session.destroy();
    },
  };
}

function openWatch(session: ClientHttp2Session, path: string, onChunk: (chunk: Buffer) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const stream = request(session, { path });
    stream.on('error', reject);
    stream.on('data', onChunk);
    stream.on('response', (headers) => {
      const code = Number(headers[':status']);
      if (code === 200) resolve();
      else reject(new Error(`${path}: ${code}`));
    });
  });
}
