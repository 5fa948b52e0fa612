/** Pulls, so many at a time; containers that need the same image with the same passwords wait for one pull. */
import type { Clock } from '#base/clock.ts';
import type { Image } from '#node/runtime/image.ts';
import type { ContainerRuntime } from '#node/runtime/runtime.ts';
import { RuntimeError } from '#node/runtime/runtime-error.ts';
import type { Limiter } from '../limiter.ts';
import { SharedWork } from '../shared-work.ts';
import { type PullRecords, untagged } from './pull-records.ts';
import type { SourcedAuth } from './pull-source.ts';

export interface ImagePullsOptions {
  runtime: ContainerRuntime;
  clock: Clock;
  pulls: Limiter;
  records: PullRecords;
}

export interface PullRequest {
  /** With its tag. */
  name: string;
  /** As the pod has it. */
  said: string;
  credentials: readonly SourcedAuth[];
}

interface Pulled {
  reference: string;
  /** Which of the credentials was let in. */
  used: number;
  /** Without the time for which it had to wait for others. */
  tookMs: number;
}

export class ImagePulls {
  readonly #options: ImagePullsOptions;
  readonly #underway = new SharedWork<Pulled>();

  constructor(options: ImagePullsOptions) {
    this.#options = options;
  }

  /** Of those who wait here. */
  get waiting(): number {
    return this.#underway.waiting;
  }

  /** @throws RuntimeError, or the signal's reason */
  async pull(request: PullRequest, signal: AbortSignal | undefined): Promise<{ image: Image; tookMs: number }> {
    const { records } = this.#options;
    await records.load();
    await records.begin(request.said);
    try {
      return await this.#recorded(request, signal);
    } finally {
      await records.end(request.said);
    }
  }

  async #recorded({ name, said, credentials }: PullRequest, signal: AbortSignal | undefined) {
    const { runtime, records } = this.#options;
    const id = JSON.stringify([name, credentials.map(({ auth }) => auth)]);
    const pull = (wanted: AbortSignal) => this.#withCredentials(name, credentials, wanted);
    const { reference, used, tookMs } = await this.#underway.run(id, pull, signal);
    const image = (await runtime.imageStatus(reference)) ?? (await runtime.imageStatus(name));
    if (!image) throw new RuntimeError('NotFound', `image ${JSON.stringify(name)} is gone right after it was pulled`);
    await records.add(image.id, untagged(said), credentials[used]?.source ?? 'everybody');
    return { image, tookMs };
  }

  /** Each credential that fits, or none. The last refusal is the one that is told. */
  async #withCredentials(name: string, credentials: readonly SourcedAuth[], signal: AbortSignal): Promise<Pulled> {
    const { pulls, runtime, clock } = this.#options;
    let refusal: unknown;
    for (const [used, sourced] of (credentials.length > 0 ? credentials : [undefined]).entries()) {
      try {
        return await pulls.run(async () => {
          const startedMs = clock.monotonicMs();
          const reference = await runtime.pullImage(name, sourced?.auth, signal);
          return { reference, used, tookMs: clock.monotonicMs() - startedMs };
        });
      } catch (error) {
        if (!(error instanceof RuntimeError)) throw error;
        refusal = error;
      }
    }
    throw refusal;
  }
}
