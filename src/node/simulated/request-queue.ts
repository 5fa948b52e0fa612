/** Requests, so many at a time, in the order in which they came. */
const AT_ONCE = 64;

export class RequestQueue {
  readonly #waiting: (() => void)[] = [];
  #running = 0;
  #isClosed = false;

  /** Waiting and running ones. */
  get size(): number {
    return this.#waiting.length + this.#running;
  }

  run<T>(request: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#waiting.push(() => {
        void request()
          .then(resolve, reject)
          .then(() => {
            this.#running -= 1;
            this.#next();
          });
      });
      this.#next();
    });
  }

  /** What waits is not sent any more; its promises stay open, like those of a process that ended. */
  close(): void {
    this.#isClosed = true;
    this.#waiting.length = 0;
  }

  #next(): void {
    while (!this.#isClosed && this.#running < AT_ONCE) {
      const start = this.#waiting.shift();
      if (!start) return;
      this.#running += 1;
      start();
    }
  }
}
