/** An object that nobody can make anything of must not take away the traffic of all others: it is named, and left out. */
import type { KubeObject } from '#api/machinery/object.ts';
import { keyOf } from '#api/machinery/object.ts';
import type { Log } from '#base/log.ts';

export type Blame = (object: Blamed, error: unknown) => void;
type Blamed = Pick<KubeObject, 'metadata'> & { kind?: string };

/** For those who have nobody else to serve. */
export const blameByThrowing: Blame = (_, error) => {
  throw error;
};

/** Tells of each state of an object once. */
export function blameInLog(log: Log): Blame {
  const told = new WeakSet<Blamed>();
  return (object, error) => {
    if (told.has(object)) return;
    told.add(object);
    const { kind = 'object' } = object;
    log.error('nothing can be made of an object; others are served without it', {
      object: `${kind} ${keyOf(object)}`,
      error: error instanceof Error ? (error.stack ?? String(error)) : String(error),
    });
  };
}

/** @returns what `use` gives; `otherwise` where it fails, for whatever reason: the object is to blame. */
export function alone<T extends Blamed, R>(object: T, blame: Blame, use: (object: T) => R, otherwise: R): R {
  try {
    return use(object);
  } catch (error) {
    blame(object, error);
    return otherwise;
  }
}
