/** Informers of kinds of which there is nothing: they are complete without having asked, and begin with the first object. */
import type { Kind } from '#api/machinery/kind.ts';
import type { KubeObject, ResourceVersion } from '#api/machinery/object.ts';
import { type ReflectorOptions, reflect } from './reflector.ts';

export interface Absence {
  /**
   * As of which version there is nothing of this kind; undefined where there is something, or nobody knows. `over` is called once,
   * when that ends, and resolves when the informer knows what there is.
   */
  of(kind: Kind, over: () => Promise<void>): ResourceVersion | undefined;
}

/** Begins to follow. Resolves when what there is has been listed, or when nothing comes because the server refuses. */
export function whenFollowed<T extends KubeObject>(
  options: ReflectorOptions<T> & { paused(isPaused: boolean): void },
): Promise<void> {
  const { cache, signal, paused } = options;
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      stop();
      resolve();
    };
    const stop = cache.onProgress(done);
    const refused = (isPaused: boolean) => {
      paused(isPaused);
      if (isPaused) done();
    };
    void reflect({ ...options, paused: refused }).then(done);
  });
}
