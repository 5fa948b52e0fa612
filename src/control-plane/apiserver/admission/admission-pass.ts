/** One round of a request by the plugins whom it concerns: at once, as long as each of them answers at once. */
import type { KubeObject } from '#api/machinery/object.ts';
import type { Clock } from '#base/clock.ts';
import type { Distribution } from '#base/distribution.ts';
import { otherwise, type Soon } from '#base/soon.ts';
import type { TimesOf } from './admission-times.ts';
import type { AdmissionPlugin, AdmissionRequest } from './define-admission.ts';

export interface Timed {
  plugin: AdmissionPlugin;
  times: TimesOf;
}

/** The object as this plugin leaves it. Throws the StatusError of its refusal. */
export type Ask = (plugin: AdmissionPlugin, request: AdmissionRequest) => Soon<KubeObject | undefined>;

export class AdmissionPass {
  readonly #plugins: readonly Timed[];
  readonly #all: TimesOf;
  readonly #clock: Clock;
  readonly #ask: Ask;
  readonly #beganMs: number;
  #lastMs: number;
  #times: TimesOf;

  /** `all`: what is counted of the round as a whole. */
  constructor(plugins: readonly Timed[], { all, clock, ask }: { all: TimesOf; clock: Clock; ask: Ask }) {
    this.#plugins = plugins;
    this.#all = all;
    this.#clock = clock;
    this.#ask = ask;
    this.#beganMs = clock.monotonicMs();
    this.#lastMs = this.#beganMs;
    this.#times = all;
  }

  run(request: AdmissionRequest): Soon<KubeObject | undefined> {
    return otherwise(
      () => this.#from(0, request),
      (error) => this.#refused(error),
    );
  }

  #from(first: number, request: AdmissionRequest): Soon<KubeObject | undefined> {
    let current = request;
    for (let at = first; at < this.#plugins.length; at++) {
      const { plugin, times } = this.#plugins[at]!;
      this.#times = times;
      const answer = this.#ask(plugin, current);
      if (answer instanceof Promise) {
        const asked = current;
        return answer.then((object) => this.#from(at + 1, this.#passed(asked, object)));
      }
      current = this.#passed(current, answer);
    }
    this.#all.passed.observe((this.#lastMs - this.#beganMs) / 1000);
    return current.object;
  }

  #passed(request: AdmissionRequest, object: KubeObject | undefined): AdmissionRequest {
    this.#observe(this.#times.passed);
    return object === request.object ? request : { ...request, object };
  }

  #refused(error: unknown): never {
    this.#observe(this.#times.rejected);
    this.#all.rejected.observe((this.#lastMs - this.#beganMs) / 1000);
    throw error;
  }

  /** The end of one is the beginning of the next: the clock is read once for each. */
  #observe(times: Distribution): void {
    const nowMs = this.#clock.monotonicMs();
    times.observe((nowMs - this.#lastMs) / 1000);
    this.#lastMs = nowMs;
  }
}
