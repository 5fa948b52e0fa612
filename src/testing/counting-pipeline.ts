/** Counts the requests under way, so that a test knows when none is. */
import type { ApiRequest, RequestPipeline, UserInfo } from '#client/transport.ts';

export class CountingPipeline implements RequestPipeline {
  readonly #inner: RequestPipeline;
  #open = 0;

  constructor(inner: RequestPipeline) {
    this.#inner = inner;
  }

  get open(): number {
    return this.#open;
  }

  async handle(request: ApiRequest & { user: UserInfo }) {
    this.#open++;
    try {
      return await this.#inner.handle(request);
    } finally {
      this.#open--;
    }
  }

  watch(request: { user: UserInfo; path: string; signal: AbortSignal }) {
    return this.#inner.watch(request);
  }
}
