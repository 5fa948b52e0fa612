/**
 * A controller on bad ground: it can crash in the middle of a step and start anew without its memory, its writes can be
 * refused or their answers lost, its watches cut, expired, or held up for a while.
 */
import { expired, internalError } from '#api/machinery/status.ts';
import { firstOf, type Signal } from '#base/plain-signal.ts';
import type { ApiReply, ApiRequest, Transport, UserInfo, WatchEvent } from '#client/transport.ts';
import { Unreachable } from '#client/transport.ts';
import type { Controller } from '#control-plane/controllers/define-controller.ts';
import { type RunningControllers, startControllers } from '#control-plane/controllers/start-controllers.ts';
import type { ComponentServices, TestComponent } from '#testing/cluster.ts';

interface Incarnation {
  controllers: RunningControllers;
  die(): void;
}

export class ShakyController implements TestComponent {
  readonly #controller: Controller;
  readonly #services: ComponentServices & { onBug(error: unknown): void };
  #current: Incarnation;
  /** The server has received them, and answers them, whatever becomes of who asked. */
  readonly #open = new Set<Promise<unknown>>();
  #isStopped = false;
  #isStarting = false;
  #writesUntilCrash: number | undefined;
  #refusals = 0;
  #lost = 0;
  /** Ends the open watches, with this. */
  #cut = new AbortController();
  #held: { open: Promise<void>; release: () => void } | undefined;

  constructor(controller: Controller, services: ComponentServices & { onBug(error: unknown): void }) {
    this.#controller = controller;
    this.#services = services;
    this.#current = this.#start();
  }

  get busy(): number {
    return this.#current.controllers.busy + Number(this.#isStarting);
  }

  get informers(): RunningControllers['informers'] {
    return this.#current.controllers.informers;
  }

  stop(): void {
    this.#isStopped = true;
    this.heal();
    this.#current.die();
  }

  /** At once: what it has asked for still happens, it does not hear of it. To start anew takes longer than that. */
  crash(): void {
    this.#current.die();
    if (this.#isStarting) return;
    this.#isStarting = true;
    void this.#startAnew();
  }

  /** Right after its n-th write from now took effect, before it hears of that. */
  crashAfter(writes: number): void {
    this.#writesUntilCrash = writes;
  }

  /** So many of its writes are answered with an error, and do nothing. */
  refuse(writes: number): void {
    this.#refusals += writes;
  }

  /** So many of its writes take effect without an answer. */
  loseAnswers(writes: number): void {
    this.#lost += writes;
  }

  cutWatches(how: 'closed' | 'expired'): void {
    const cut = this.#cut;
    this.#cut = new AbortController();
    cut.abort(how === 'expired' ? expired('too old resource version: 1 (2)') : new Unreachable('the watch was cut'));
  }

  /** It hears of no change any more, until `release`. */
  hold(): void {
    if (this.#held) return;
    const opening = new AbortController();
    const open = new Promise<void>((resolve) => {
      opening.signal.addEventListener('abort', () => resolve());
    });
    this.#held = { open, release: () => opening.abort() };
  }

  release(): void {
    this.#held?.release();
    this.#held = undefined;
  }

  /** From now on all goes well. */
  heal(): void {
    this.release();
    this.#writesUntilCrash = undefined;
    this.#refusals = 0;
    this.#lost = 0;
  }

  async #startAnew(): Promise<void> {
    while (this.#open.size > 0) await Promise.allSettled(this.#open);
    this.#isStarting = false;
    if (!this.#isStopped) this.#current = this.#start();
  }

  #start(): Incarnation {
    const { onBug, ...services } = this.#services;
    const death = new AbortController();
    const transportFor = (user: UserInfo) => this.#shaky(services.transportFor(user), death.signal);
    const reported = (error: unknown) => {
      if (!death.signal.aborted) onBug(error);
    };
    const controllers = startControllers({
      controllers: [this.#controller],
      ...services,
      transportFor,
      onBug: reported,
    });
    return {
      controllers,
      die() {
        death.abort(new Unreachable('the controller is dead'));
        controllers.stop();
      },
    };
  }

  #shaky(inner: Transport, death: AbortSignal): Transport {
    return {
      request: (request) => this.#request(inner, request, death),
      watch: (request) => this.#watch(inner, request, death),
    };
  }

  async #request(inner: Transport, request: ApiRequest, death: AbortSignal): Promise<ApiReply> {
    death.throwIfAborted();
    const isWrite = request.method !== 'GET' && !request.path.includes('/events');
    if (isWrite && this.#refusals > 0) {
      this.#refusals--;
      throw internalError('refused by the test');
    }
    const answering = inner.request(request);
    this.#open.add(answering);
    const reply = await answering.finally(() => this.#open.delete(answering));
    death.throwIfAborted();
    if (!isWrite) return reply;
    if (this.#writesUntilCrash !== undefined && --this.#writesUntilCrash <= 0) {
      this.#writesUntilCrash = undefined;
      this.crash();
      death.throwIfAborted();
    }
    if (this.#lost > 0) {
      this.#lost--;
      throw new Unreachable('the answer was lost');
    }
    return reply;
  }

  async *#watch(
    inner: Transport,
    request: { path: string; signal: Signal },
    death: AbortSignal,
  ): AsyncIterable<WatchEvent> {
    death.throwIfAborted();
    const cut = this.#cut.signal;
    const signal = firstOf(request.signal, AbortSignal.any([death, cut])).signal;
    for await (const event of inner.watch({ ...request, signal })) {
      await this.#held?.open;
      if (signal.aborted) break;
      yield event;
    }
    death.throwIfAborted();
    cut.throwIfAborted();
  }
}
