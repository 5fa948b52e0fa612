/** A measure and its floor in small pieces, turn about: what else the machine does meanwhile meets both. */
import type { Load } from './http2-load.ts';
import { median } from './row.ts';

export const ROUNDS = 4;

export async function turnAbout<T, F>(
  rounds: number,
  own: (round: number) => Promise<T>,
  floor: (round: number) => Promise<F>,
): Promise<{ own: T[]; floor: F[] }> {
  const done = { own: [] as T[], floor: [] as F[] };
  for (let round = 0; round < rounds; round++) {
    done.own.push(await own(round));
    done.floor.push(await floor(round));
  }
  return done;
}

/** Times of all pieces; the rate and the cost of the piece in the middle. */
export const mergedLoad = (pieces: readonly { done: Load; cpu: number }[]) => ({
  times: pieces.flatMap(({ done }) => done.times),
  perSecond: median(pieces.map(({ done }) => done.perSecond)),
  cpu: median(pieces.map(({ cpu }) => cpu)),
});
