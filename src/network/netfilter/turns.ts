/** Work on everything there is, in pieces: among ten thousand Services it would hold up whatever else the process does. */

export const turnOfOthers = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Yields where others may have their turn. */
export type InPieces<Result> = Generator<void, Result>;

/** Others have their turn between two pieces. */
export async function inTurns<Result>(work: InPieces<Result>): Promise<Result> {
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
    await turnOfOthers();
  }
}

/** For what is known to be little. */
export function atOnce<Result>(work: InPieces<Result>): Result {
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
  }
}

/** All of them, one after the other, with a pause after so many. */
export function* piecewise<Item>(items: Iterable<Item>, atATime: number, each: (item: Item) => void): InPieces<void> {
  let count = 0;
  for (const item of items) {
    each(item);
    if (++count % atATime === 0) yield;
  }
}
