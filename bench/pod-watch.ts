/** When pods became Running, and when they were gone, as a client sees it. */
import type { ClientHttp2Session } from 'node:http2';
import { exchange, request } from './http2-load.ts';
import { podsPath } from './objects.ts';

const WITHIN_MS = 30_000;

interface PodEvent {
  type: string;
  object: { metadata: { name: string }; status?: { phase?: string } };
}

export class PodWatch {
  readonly #waiting = new Map<string, (atMs: number) => void>();
  #rest = '';

  static async open(session: ClientHttp2Session, namespace: string): Promise<PodWatch> {
    const watch = new PodWatch();
    const list = JSON.parse((await exchange(session, { path: podsPath(namespace) })).toString()) as {
      metadata: { resourceVersion: string };
    };
    const path = `${podsPath(namespace)}?watch=1&resourceVersion=${list.metadata.resourceVersion}`;
    const stream = request(session, { path });
    stream.on('error', () => undefined); // who waits is told by the time limit
    stream.setEncoding('utf8').on('data', (text: string) => watch.#read(text));
    return watch;
  }

  /** Resolves with the time at which the pod was seen so. */
  running(name: string): Promise<number> {
    return this.#until(`${name} Running`);
  }

  gone(name: string): Promise<number> {
    return this.#until(`${name} gone`);
  }

  #until(what: string): Promise<number> {
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`not within ${WITHIN_MS} ms: ${what}`)), WITHIN_MS);
      this.#waiting.set(what, (atMs) => {
        clearTimeout(late);
        this.#waiting.delete(what);
        resolve(atMs);
      });
    });
  }

  #read(text: string): void {
    const nowMs = performance.now();
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      const { type, object } = JSON.parse(line) as PodEvent;
      const state = type === 'DELETED' ? 'gone' : object.status?.phase;
      this.#waiting.get(`${object.metadata.name} ${state}`)?.(nowMs);
    }
  }
}
