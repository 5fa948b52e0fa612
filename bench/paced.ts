/** Begins so many a second, whether or not those before have ended. */

const TURN_MS = 5;

export interface Paced {
  /** Resolves when all that began have ended. */
  stop(): Promise<void>;
}

/** @param mostUnderWay what would come on top is left out: the machine has no more. */
export function paced(
  perSecond: number,
  one: () => Promise<void>,
  mostUnderWay: number = Number.POSITIVE_INFINITY,
): Paced {
  const underWay = new Set<Promise<void>>();
  const began = performance.now();
  let asked = 0;
  const timer = setInterval(() => {
    const due = ((performance.now() - began) / 1000) * perSecond;
    for (; asked < due; asked++) {
      if (underWay.size >= mostUnderWay) continue;
      const done = one();
      underWay.add(done);
      void done.finally(() => underWay.delete(done));
    }
  }, TURN_MS);
  return {
    async stop() {
      clearInterval(timer);
      await Promise.all(underWay);
    },
  };
}
