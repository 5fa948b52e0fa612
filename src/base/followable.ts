/**
 * Things that come one after another. Whoever wants them asks for one after the other, or is told of each: then none of them
 * costs a promise, of which every layer in between would make several.
 */
export interface Followable<T> extends AsyncIterable<T> {
  /** `take` is told of each that comes, never before this has returned. What it throws is the end of it. */
  follow?(take: (item: T) => void): Following;
}

export interface Following {
  /** Resolves at the end, rejects with what was the end. */
  readonly ended: Promise<void>;
  /** Nothing is taken any more. May be called more than once. */
  stop(): void;
}

/** Of what cannot tell by itself one is asked for after the other. */
export const follow = <T>(items: Followable<T>, take: (item: T) => void): Following =>
  items.follow ? items.follow(take) : followByAsking(items, take);

/** Follows what has yet to be opened. */
export function followOpened<T>(opening: Promise<Followable<T>>, take: (item: T) => void): Following {
  let isStopped = false;
  let following: Following | undefined;
  const ended = opening.then((items) => {
    following = follow(items, take);
    if (isStopped) following.stop();
    return following.ended;
  });
  return {
    ended,
    stop() {
      isStopped = true;
      following?.stop();
    },
  };
}

function followByAsking<T>(items: AsyncIterable<T>, take: (item: T) => void): Following {
  const iterator = items[Symbol.asyncIterator]();
  let isStopped = false;
  const asked = async () => {
    for await (const item of { [Symbol.asyncIterator]: () => iterator }) {
      if (isStopped) return;
      take(item);
    }
  };
  return {
    ended: asked(),
    stop() {
      if (isStopped) return;
      isStopped = true;
      iterator.return?.()?.catch(() => undefined); // what was the end is told by `ended`
    },
  };
}
