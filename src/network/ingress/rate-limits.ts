/** How much one client may ask of one Ingress: a bucket that leaks, and a count of what is under way. Source: ngx_http_limit_req_module. */

export interface RateLimit {
  perSecond: number;
  /** So many may come at once before the rate counts. */
  burst: number;
}

export interface Limited {
  /** Of one Ingress: two of them count for themselves. */
  client: string;
  rates: readonly RateLimit[];
  /** Under way at once; 0: any number. */
  mostConnections: number;
}

/** To be called when the request has ended; undefined: it is one too many. */
export type Begun = (() => void) | undefined;

export interface Limits {
  /** Counts the request, unless it is one too many. A promise where somebody else is asked. */
  begin(limited: Limited): Begun | Promise<Begun>;
}

interface Bucket {
  level: number;
  atMs: number;
}

const MOST_CLIENTS = 100_000;
const nothing = () => undefined;

export class RateLimits implements Limits {
  readonly #nowMs: () => number;
  readonly #buckets = new Map<string, Bucket>();
  readonly #underWay = new Map<string, number>();

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  begin({ client, rates, mostConnections }: Limited): Begun {
    if (!rates.every((rate, i) => this.#mayAsk(`${client} ${i}`, rate))) return undefined;
    return mostConnections === 0 ? nothing : this.#beginOne(client, mostConnections);
  }

  #mayAsk(client: string, { perSecond, burst }: RateLimit): boolean {
    const nowMs = this.#nowMs();
    const bucket = this.#buckets.get(client) ?? { level: 0, atMs: nowMs };
    const level = Math.max(0, bucket.level - ((nowMs - bucket.atMs) / 1000) * perSecond);
    if (level > burst) return false;
    this.#buckets.delete(client); // the longest silent stay in front
    this.#buckets.set(client, { level: level + 1, atMs: nowMs });
    if (this.#buckets.size > MOST_CLIENTS) this.#buckets.delete(this.#buckets.keys().next().value as string);
    return true;
  }

  #beginOne(client: string, most: number): Begun {
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
