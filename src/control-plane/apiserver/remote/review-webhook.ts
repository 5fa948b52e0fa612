/**
 * A service outside the cluster that is asked by POST of a review object and answers with its status: TokenReview,
 * SubjectAccessReview. Where it is and how both sides know each other stands in a kubeconfig file.
 */
import { type Clock, sleep } from '#base/clock.ts';
import type { Random } from '#base/random.ts';
import { type HttpsAnswer, HttpsClient, NoAnswer, type Trust } from './https-client.ts';

export interface WebhookEndpoint extends Trust {
  /** Where reviews are posted to, path and all. */
  url: string;
  /** `Bearer …`, `Basic …`; asked for with each request, because files with tokens are renewed. */
  authorization?(): string | undefined;
}

export interface ReviewWebhookOptions {
  endpoint: WebhookEndpoint;
  clock: Clock;
  random: Random;
  timeoutMs?: number;
  /** Tries in all. Default 5, as upstream. */
  attempts?: number;
}

const TIMEOUT_MS = 30_000;
const MAX_ANSWER_BYTES = 1024 * 1024;
const FIRST_DELAY_MS = 500;
const GROWTH = 1.5;
const JITTER = 0.2;

export class ReviewWebhook {
  readonly #client: HttpsClient;
  readonly #options: Required<ReviewWebhookOptions>;

  constructor(options: ReviewWebhookOptions) {
    this.#options = { timeoutMs: TIMEOUT_MS, attempts: 5, ...options };
    this.#client = new HttpsClient({ trust: options.endpoint, clock: options.clock, maxBytes: MAX_ANSWER_BYTES });
  }

  /** The `status` of the answer, unchecked. Throws an Error with Go's text when none came. */
  async ask(review: { apiVersion: string; kind: string; spec: object }): Promise<Record<string, unknown>> {
    const body = JSON.stringify({ ...review, metadata: {}, status: EMPTY_STATUS[review.kind] ?? {} });
    const { clock, random, attempts } = this.#options;
    let delayMs = FIRST_DELAY_MS;
    for (let attempt = 1; ; attempt++) {
      const outcome = await this.#once(body, review.kind);
      if ('status' in outcome) return outcome.status;
      if (!outcome.isTransient || attempt >= attempts) throw outcome;
      await sleep(clock, delayMs * (1 + JITTER * random.next()));
      delayMs *= GROWTH;
    }
  }

  close(): void {
    this.#client.close();
  }

  async #once(body: string, kind: string): Promise<{ status: Record<string, unknown> } | NoAnswer> {
    const { endpoint, timeoutMs } = this.#options;
    const authorization = endpoint.authorization?.();
    const headers = {
      'content-type': 'application/json',
      accept: 'application/json, */*',
      'user-agent': 'kube-apiserver',
      ...(authorization && { authorization }),
    };
    try {
      return statusIn(await this.#client.send({ method: 'POST', url: endpoint.url, headers, body, timeoutMs }), kind);
    } catch (error) {
      if (error instanceof NoAnswer) return error;
      throw error;
    }
  }
}

/** What Go always prints of a status that nobody has filled in. */
const EMPTY_STATUS: Readonly<Record<string, object>> = {
  TokenReview: { user: {} },
  SubjectAccessReview: { allowed: false },
};

const TRANSIENT: ReadonlySet<number> = new Set([429, 500, 504]);
const MAX_QUOTED = 2048;

function statusIn({ code, headers, text }: HttpsAnswer, kind: string): { status: Record<string, unknown> } | NoAnswer {
  if (code < 200 || code > 299) {
    return new NoAnswer(refusedText(code, text), TRANSIENT.has(code) || headers['retry-after'] !== undefined);
  }
  const answer = parsed(text);
  if (answer?.['kind'] !== kind || !isRecord(answer['status']))
    return new NoAnswer(`the webhook's answer is not a ${kind} with a status`);
  return { status: answer['status'] };
}

function refusedText(code: number, text: string): string {
  if (code >= 500) {
    const said = text.trim().slice(0, MAX_QUOTED) || 'unknown';
    return `an error on the server (${JSON.stringify(said)}) has prevented the request from succeeding`;
  }
  if (code === 401) return 'Unauthorized';
  if (code === 404) return 'the server could not find the requested resource';
  return `the server responded with the status code ${code} but did not return more information`;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function parsed(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? value : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
