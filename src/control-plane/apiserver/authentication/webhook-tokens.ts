/**
 * Asks a service outside who the bearer of a token is, by TokenReview. What it said holds for a while. Source:
 * documentation, "Webhook Token Authentication".
 */
import { createHash } from 'node:crypto';
import type { Clock } from '#base/clock.ts';
import { ExpiringCache } from '#base/expiring-cache.ts';
import type { Log } from '#base/log.ts';
import type { UserInfo } from '#client/transport.ts';
import type { ReviewWebhook } from '../remote/review-webhook.ts';
import type { Authenticated, TokenAuthenticator } from './authenticator.ts';

export interface WebhookTokensOptions {
  webhook: ReviewWebhook;
  version: 'v1' | 'v1beta1';
  /** The API server's own: what a service that knows of none means. */
  audiences: readonly string[];
  /** 0: every token is asked about each time. */
  cacheMs: number;
  clock: Clock;
  log: Log;
}

type Answer = { known: Authenticated | undefined } | { refused: string };

const MAX_REMEMBERED = 4096;

export class WebhookTokens implements TokenAuthenticator {
  readonly #options: WebhookTokensOptions;
  readonly #answers: ExpiringCache<Answer>;
  readonly #asking = new Map<string, Promise<Answer>>();

  constructor(options: WebhookTokensOptions) {
    this.#options = options;
    this.#answers = new ExpiringCache({ max: MAX_REMEMBERED, clock: options.clock });
  }

  async authenticateToken(token: string, audiences: readonly string[]): Promise<Authenticated | undefined> {
    const key = keyOf(token, audiences);
    const answer = this.#answers.get(key) ?? (await this.#askOnce(key, token, audiences));
    if ('refused' in answer) throw new Error(answer.refused);
    return answer.known;
  }

  /** The same question is asked once, however many wait for it. */
  #askOnce(key: string, token: string, audiences: readonly string[]): Promise<Answer> {
    let asking = this.#asking.get(key);
    if (!asking) {
      asking = this.#ask(key, token, audiences).finally(() => this.#asking.delete(key));
      this.#asking.set(key, asking);
    }
    return asking;
  }

  async #ask(key: string, token: string, audiences: readonly string[]): Promise<Answer> {
    const { webhook, version, cacheMs, log } = this.#options;
    const wanted = audiences.length > 0 ? audiences : this.#options.audiences;
    const spec = { token, ...(wanted.length > 0 && { audiences: wanted }) };
    try {
      const status = await webhook.ask({ apiVersion: `authentication.k8s.io/${version}`, kind: 'TokenReview', spec });
      const answer = answerIn(status, wanted, this.#options.audiences);
      this.#answers.set(key, answer, cacheMs);
      return answer;
    } catch (error) {
      log.warn('the authentication webhook gave no answer', { error: (error as Error).message });
      throw error;
    }
  }
}

/** Tokens are not kept. */
const keyOf = (token: string, audiences: readonly string[]): string =>
  createHash('sha256')
    .update(JSON.stringify([token, audiences]))
    .digest('base64');

function answerIn(status: Record<string, unknown>, wanted: readonly string[], own: readonly string[]): Answer {
  const named = textsIn(status['audiences']);
  const got = named.length > 0 ? named : own;
  const common = wanted.filter((one) => got.includes(one));
  if (wanted.length > 0 && common.length === 0) return { known: undefined };
  if (status['authenticated'] !== true) {
    const { error } = status;
    return typeof error === 'string' && error ? { refused: error } : { known: undefined };
  }
  return { known: { user: userIn(status['user']), audiences: common } };
}

const textsIn = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((one): one is string => typeof one === 'string') : [];

function userIn(value: unknown): UserInfo {
  const { username, uid, groups, extra } = (value ?? {}) as Record<string, unknown>;
  const pairs = typeof extra === 'object' && extra !== null ? Object.entries(extra) : [];
  return {
    name: typeof username === 'string' ? username : '',
    groups: textsIn(groups),
    ...(typeof uid === 'string' && uid && { uid }),
    ...(pairs.length > 0 && { extra: Object.fromEntries(pairs.map(([key, values]) => [key, textsIn(values)])) }),
  };
}
