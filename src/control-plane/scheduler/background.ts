/** What goes on beside deciding: pods being placed, room being made, and what is being written down about those without a place. */
import { StatusError } from '#api/machinery/status.ts';
import type { Log } from '#base/log.ts';
import { Unreachable } from '#client/transport.ts';

export interface BackgroundOptions {
  log: Log;
  /** A bug: neither an answer of a server nor a lost one. */
  onBug(error: unknown): void;
}

export class Background {
  readonly #options: BackgroundOptions;
  #underWay = 0;

  constructor(options: BackgroundOptions) {
    this.#options = options;
  }

  get underWay(): number {
    return this.#underWay;
  }

  /** `what`: said when a server refuses it or does not answer, which is nothing worse. */
  readonly run = (act: Promise<unknown>, what: string): void => {
    this.#underWay++;
    void act
      .catch((error: unknown) => this.#serverSaid(error, what))
      .then(() => {
        this.#underWay--;
      });
  };

  /** Of what is under way: it waits for others meanwhile, and is no work of the scheduler's. */
  readonly whileOthers = async <T>(act: Promise<T>): Promise<T> => {
    this.#underWay--;
    try {
      return await act;
    } finally {
      this.#underWay++;
    }
  };

  #serverSaid(error: unknown, what: string): void {
    const { log, onBug } = this.#options;
    if (!(error instanceof StatusError) && !(error instanceof Unreachable)) onBug(error);
    else log.debug(what, { error: error.message });
  }
}
