/**
 * Audit events sent to a server elsewhere, many at a time. What cannot be sent is tried again a few times; meanwhile others
 * wait, up to a limit, and what is beyond it is lost. Nobody waits for it. Source: kube-apiserver, --audit-webhook-*.
 */
import { type Clock, sleep, type Timer } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import { HttpsClient, NoAnswer } from '../remote/https-client.ts';
import type { WebhookEndpoint } from '../remote/review-webhook.ts';
import type { AuditEvent, AuditSink } from './audit-event.ts';

export interface WebhookSinkOptions {
  endpoint: WebhookEndpoint;
  clock: Clock;
  log: Log;
  /** Before the second try. */
  initialBackoffMs?: number;
  /** Events that may wait. */
  bufferSize?: number;
  maxBatchSize?: number;
  maxBatchWaitMs?: number;
}

const TRIES = 5;
const BACKOFF_FACTOR = 1.5;
const TIMEOUT_MS = 30_000;
const MAX_ANSWER_BYTES = 64 * 1024;
/** Batches that may be under way together: a slow server must not hold all events in memory twice. */
const MAX_UNDER_WAY = 4;

export class AuditWebhookSink implements AuditSink {
  readonly #options: Required<WebhookSinkOptions>;
  readonly #client: HttpsClient;
  readonly #underWay = new Set<Promise<void>>();
  readonly #stop = new AbortController();
  #waiting: AuditEvent[] = [];
  #timer: Timer | undefined;
  #lost = 0;

  constructor(options: WebhookSinkOptions) {
    this.#options = {
      initialBackoffMs: 10_000,
      bufferSize: 10_000,
      maxBatchSize: 400,
      maxBatchWaitMs: 30_000,
      ...options,
    };
    this.#client = new HttpsClient({ trust: options.endpoint, clock: options.clock, maxBytes: MAX_ANSWER_BYTES });
  }

  write(event: AuditEvent): void {
    const { bufferSize, maxBatchSize, maxBatchWaitMs, clock } = this.#options;
    if (this.#waiting.length >= bufferSize) {
      this.#lost++;
      return;
    }
    this.#waiting.push(event);
    if (this.#waiting.length >= maxBatchSize) this.#send();
    else this.#timer ??= clock.timer(maxBatchWaitMs, () => this.#send());
  }

  /** Sends what waits; other tries follow at once. */
  async close(): Promise<void> {
    this.#stop.abort();
    this.#send(true);
    await Promise.all(this.#underWay);
    this.#client.close();
  }

  #send(all = false): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    while (this.#waiting.length > 0 && (all || this.#underWay.size < MAX_UNDER_WAY)) {
      const batch = this.#waiting.splice(0, this.#options.maxBatchSize);
      const sending = this.#deliver(batch).finally(() => {
        this.#underWay.delete(sending);
        if (this.#waiting.length > 0) this.#send();
      });
      this.#underWay.add(sending);
    }
  }

  async #deliver(items: readonly AuditEvent[]): Promise<void> {
    const { clock, log, initialBackoffMs } = this.#options;
    const body = JSON.stringify({ kind: 'EventList', apiVersion: 'audit.k8s.io/v1', metadata: {}, items });
    let delayMs = initialBackoffMs;
    for (let attempt = 1; ; attempt++) {
      const problem = await this.#post(body);
      if (problem === undefined) break;
      if (attempt >= TRIES) {
        log.error('audit events could not be sent', { count: items.length, error: problem });
        break;
      }
      await sleep(clock, delayMs, this.#stop.signal).catch(() => undefined); // at the end nobody waits any longer
      delayMs *= BACKOFF_FACTOR;
    }
    if (this.#lost > 0) log.error('audit events were lost: their server does not keep up', { count: this.#lost });
    this.#lost = 0;
  }

  /** What went wrong; undefined: nothing. */
  async #post(body: string): Promise<string | undefined> {
    const { endpoint } = this.#options;
    const authorization = endpoint.authorization?.();
    const headers = {
      'content-type': 'application/json',
      'user-agent': 'kube-apiserver',
      ...(authorization && { authorization }),
    };
    try {
      const { code } = await this.#client.send({
        method: 'POST',
        url: endpoint.url,
        headers,
        body,
        timeoutMs: TIMEOUT_MS,
      });
      return code >= 200 && code < 300 ? undefined : `the server answered ${code}`;
    } catch (error) {
      if (error instanceof NoAnswer) return error.message;
      throw error;
    }
  }
}
