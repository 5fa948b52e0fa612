/** The transport inside the API server's own process: whole pipeline, frozen objects, no JSON. */
import type { ApiReply, ApiRequest, RequestPipeline, Transport, UserInfo, WatchEvent } from '../transport.ts';

export class InProcessTransport implements Transport {
  readonly #pipeline: RequestPipeline;
  readonly #user: UserInfo;

  constructor(pipeline: RequestPipeline, user: UserInfo) {
    this.#pipeline = pipeline;
    this.#user = user;
  }

  async request(request: ApiRequest): Promise<ApiReply> {
    request.signal?.throwIfAborted();
    const reply = await this.#pipeline.handle({ ...request, user: this.#user });
    request.signal?.throwIfAborted();
    return reply;
  }

  watch(request: { path: string; signal: AbortSignal }): AsyncIterable<WatchEvent> {
    return this.#pipeline.watch({ ...request, user: this.#user });
  }
}
