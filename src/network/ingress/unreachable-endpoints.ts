/**
 * Endpoints that could not be reached are asked last for a while, so that a node that went away does not hold up every request until
 * the API says so. None is ever left out: who has no other is asked. Of the requests that come after that while one tries again,
 * and the others wait for what becomes of it. Source: nginx, `fail_timeout` with `max_fails=1`.
 */
import { errors } from 'undici';
import { at, type Endpoint } from './backends.ts';

const FOR_MS = 10_000;

export class UnreachableEndpoints {
  /** When one may be tried again, by address and port. */
  readonly #until = new Map<string, number>();

  /** So that who has none need not ask for the time. */
  get isEmpty(): boolean {
    return this.#until.size === 0;
  }

  failed(endpoint: Endpoint, nowMs: number): void {
    this.#until.set(at(endpoint), nowMs + FOR_MS);
  }

  answered(endpoint: Endpoint): void {
    if (!this.isEmpty) this.#until.delete(at(endpoint));
  }

  /**
   * At most so many of these endpoints, those that can be reached before those that are in doubt, both in the order that they had.
   * One whose time is over is in doubt until it has answered, but for the one request that has it first.
   */
  order(endpoints: readonly Endpoint[], nowMs: number, most = Number.POSITIVE_INFINITY): readonly Endpoint[] {
    const [first] = endpoints;
    if (!first) return endpoints;
    const isTried = (this.#until.get(at(first)) ?? Number.POSITIVE_INFINITY) <= nowMs;
    if (isTried) this.failed(first, nowMs); // for the requests after this one
    const reachable: Endpoint[] = [];
    const inDoubt: Endpoint[] = [];
    for (const each of endpoints) {
      const isInDoubt = this.#until.has(at(each)) && !(isTried && each === first);
      (isInDoubt ? inDoubt : reachable).push(each);
      if (reachable.length >= most) return reachable;
    }
    return [...reachable, ...inDoubt].slice(0, most);
  }

  /** Those that are endpoints no more. */
  forget(isUsed: (endpoint: string) => boolean): void {
    for (const key of this.#until.keys()) if (!isUsed(key)) this.#until.delete(key);
  }
}

const CODES = new Set(['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH']);

/** No connection came about, so that nothing of the request has arrived. */
export const isUnreached = (error: Error & { code?: string }): boolean =>
  error instanceof errors.ConnectTimeoutError || CODES.has(error.code ?? '');
