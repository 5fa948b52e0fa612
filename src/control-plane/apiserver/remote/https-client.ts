/**
 * Small requests to a server that an administrator named: an identity provider, a webhook. Answers are bounded, and
 * redirects are not followed: where they lead nobody has allowed. Texts as Go's client has them, which people search for.
 */
import type { IncomingMessage } from 'node:http';
import { Agent, request as httpsRequest } from 'node:https';
import type { Clock } from '#base/clock.ts';
import { dialProblem } from './dial-problem.ts';

/** How the server and this client know each other; PEM. Without `ca` the machine's authorities are trusted. */
export interface Trust {
  ca?: string | undefined;
  cert?: string | undefined;
  key?: string | undefined;
  serverName?: string | undefined;
  insecure?: boolean | undefined;
}

export interface HttpsRequest {
  method: 'GET' | 'POST';
  url: string;
  headers?: Readonly<Record<string, string>>;
  body?: string;
  timeoutMs: number;
}

export interface HttpsAnswer {
  code: number;
  headers: IncomingMessage['headers'];
  text: string;
}

/** No answer. `isTransient`: worth another try. */
export class NoAnswer extends Error {
  readonly isTransient: boolean;

  constructor(message: string, isTransient = false) {
    super(message);
    this.isTransient = isTransient;
  }
}

const IDLE_MS = 60_000;

export class HttpsClient {
  readonly #agent: Agent;
  readonly #clock: Clock;
  readonly #maxBytes: number;

  constructor({ trust = {}, clock, maxBytes }: { trust?: Trust; clock: Clock; maxBytes: number }) {
    const { ca, cert, key, serverName, insecure } = trust;
    this.#agent = new Agent({
      keepAlive: true,
      timeout: IDLE_MS,
      maxSockets: 32,
      ...(ca && { ca }),
      ...(cert && key && { cert, key }),
      ...(serverName && { servername: serverName }),
      ...(insecure && { rejectUnauthorized: false }),
    });
    this.#clock = clock;
    this.#maxBytes = maxBytes;
  }

  /** Throws NoAnswer. */
  async send(request: HttpsRequest): Promise<HttpsAnswer> {
    const abort = new AbortController();
    const late = new NoAnswer(`${requestText(request)}: context deadline exceeded`, true);
    const timer = this.#clock.timer(request.timeoutMs, () => abort.abort());
    try {
      for (let attempt = 1; ; attempt++) {
        const { answer, problem, isStale } = await this.#once(request, abort.signal);
        if (answer) return answer;
        if (abort.signal.aborted) throw late;
        // The other side closed a kept connection in the moment it was taken again: it has seen nothing of this.
        if (!isStale || attempt > 1) throw problem;
      }
    } finally {
      timer.cancel();
    }
  }

  close(): void {
    this.#agent.destroy();
  }

  #once(request: HttpsRequest, signal: AbortSignal): Promise<Sent> {
    const { method, url, headers, body } = request;
    return new Promise((resolve) => {
      const fail = (error: Error, isReused = false) => {
        const isReset = (error as NodeJS.ErrnoException).code === 'ECONNRESET';
        const problem = new NoAnswer(`${requestText(request)}: ${dialProblem(error, addressOf(url))}`, isReset);
        resolve({ problem, isStale: isReset && isReused });
      };
      try {
        const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
        const options = { agent: this.#agent, method, headers: { ...headers, ...length }, signal };
        const sent = httpsRequest(url, options, (response) => {
          wholeOf(response, this.#maxBytes).then(
            (text) => resolve({ answer: { code: response.statusCode ?? 0, headers: response.headers, text } }),
            fail,
          );
        });
        sent.on('error', (error) => fail(error, sent.reusedSocket));
        sent.end(body);
      } catch (error) {
        fail(error as Error); // an authority or a key that is none
      }
    });
  }
}

type Sent =
  | { answer: HttpsAnswer; problem?: undefined; isStale?: undefined }
  | { answer?: undefined; problem: NoAnswer; isStale: boolean };

const requestText = ({ method, url }: HttpsRequest): string =>
  `${method === 'GET' ? 'Get' : 'Post'} ${JSON.stringify(url)}`;

function addressOf(url: string): { host: string; port: string } {
  const { hostname, port } = new URL(url);
  return { host: hostname.replace(/^\[|\]$/g, ''), port: port || '443' };
}

async function wholeOf(response: IncomingMessage, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBytes) {
      response.destroy();
      throw new Error(`http: response body too large: limit is ${maxBytes}`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
