/** What people ask of the cluster as it is now: answered one after the other between decisions, for each ends what it has held still. */
export interface Still {
  holdStill(): void;
  goOn(): void;
}

export class Questions {
  readonly #cluster: Still;
  readonly #asked: (() => Promise<void>)[] = [];
  #answering: Promise<void> | undefined;

  constructor(cluster: Still) {
    this.#cluster = cluster;
  }

  get areWaiting(): boolean {
    return this.#asked.length > 0;
  }

  /** `answer` is called when it is its turn; nothing changes until it resolves. */
  ask<T>(answer: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#asked.push(() => answer().then(resolve, reject));
    });
  }

  /** Resolves when there are none left. */
  async answerAll(): Promise<void> {
    if (this.areWaiting) this.#answering ??= this.#answerInTurn();
    await this.#answering;
  }

  async #answerInTurn(): Promise<void> {
    try {
      for (let next = this.#asked.shift(); next; next = this.#asked.shift()) {
        this.#cluster.holdStill();
        try {
          await next();
        } finally {
          this.#cluster.goOn();
        }
      }
    } finally {
      this.#answering = undefined;
    }
  }
}
