/** How much one client may ask of one Ingress: a bucket that leaks, and a count of what is under way. Source: ngx_http_limit_req_module. */

export interface RateLimit {
  perSecond: number;
  /** So many may come at once before the rate counts. */
  burst: number;
}

interface Bucket {
  level: number;
  atMs: number;
}

const MOST_CLIENTS = 100_000;

export class RateLimits {
  readonly #nowMs: () => number;
  readonly #buckets = new Map<string, Bucket>();
  readonly #underWay = new Map<string, number>();

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** Counts the request, unless it is one too many. */
  mayAsk(client: string, { perSecond, burst }: RateLimit): boolean {
    const nowMs = this.#nowMs();
    const bucket = this.#buckets.get(client) ?? { level: 0, atMs: nowMs };
    const level = Math.max(0, bucket.level - ((nowMs - bucket.atMs) / 1000) * perSecond);
    if (level > burst) return false;
    this.#buckets.delete(client); // the longest silent stay in front
    this.#buckets.set(client, { level: level + 1, atMs: nowMs });
    if (this.#buckets.size > MOST_CLIENTS) this.#buckets.delete(this.#buckets.keys().next().value as string);
    return true;
  }

  /** undefined: too many are under way already. Otherwise to be called when this one has ended. */
  begin(client: string, most: number): (() => void) | undefined {
    const count = this.#underWay.get(client) ?? 0;
    if (count >= most) return undefined;
    this.#underWay.set(client, count + 1);
    return () => {
      const left = (this.#underWay.get(client) ?? 1) - 1;
      if (left > 0) this.#underWay.set(client, left);
      else this.#underWay.delete(client);
    };
  }
}
