/** How often webhooks were asked, what they said and how long it took: counted here, shown by `/metrics`. Labels as upstream. */
import { Distribution } from '#base/distribution.ts';

export type WebhookType = 'admit' | 'validating';

export interface Asked {
  name: string;
  type: WebhookType;
  operation: string;
}

export interface Outcome {
  /** Of the webhook's answer, 200 where it allowed; of the failure, where there was no answer that could be used. */
  code: number;
  /** Why the request was refused; undefined: it was not. */
  rejection?: 'no_error' | 'calling_webhook_error' | 'apiserver_internal_error';
  seconds: number;
}

/** In seconds. Upstream's. */
const BOUNDS = [0.005, 0.025, 0.1, 0.5, 1, 2.5, 10, 25];
/** Webhooks invent codes; the series of one are bounded. */
const MAX_CODE = 600;
/** Series are made of names of webhooks that exist: so many there may be. */
const MAX_SERIES = 5000;

type Labels = Record<string, string>;

class Counts {
  readonly #series = new Map<string, { labels: Labels; count: number }>();

  add(labels: Labels): void {
    const key = Object.values(labels).join(' ');
    const known = this.#series.get(key);
    if (known) known.count++;
    else if (this.#series.size < MAX_SERIES) this.#series.set(key, { labels, count: 1 });
  }

  [Symbol.iterator]() {
    return this.#series.values();
  }
}

export class WebhookCalls {
  readonly requests = new Counts();
  readonly rejections = new Counts();
  readonly passedOver = new Counts();
  readonly #seconds = new Map<string, [Labels, Distribution]>();

  answered(asked: Asked, { code, rejection, seconds }: Outcome): void {
    const shown = String(Math.min(code, MAX_CODE));
    const rejected = String(rejection !== undefined);
    this.requests.add({ ...asked, code: shown, rejected });
    if (rejection) this.rejections.add({ ...asked, error_type: rejection, rejection_code: shown });
    this.#secondsOf({ ...asked, rejected })?.observe(seconds);
  }

  failedOpen({ name, type }: Asked): void {
    this.passedOver.add({ name, type });
  }

  seconds(): [Labels, Distribution][] {
    return [...this.#seconds.values()];
  }

  #secondsOf(labels: Labels): Distribution | undefined {
    const key = Object.values(labels).join(' ');
    const known = this.#seconds.get(key);
    if (known || this.#seconds.size >= MAX_SERIES) return known?.[1];
    const made = new Distribution(BOUNDS);
    this.#seconds.set(key, [labels, made]);
    return made;
  }
}
