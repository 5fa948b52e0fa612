/** Throws where no promise catches it, so that the process ends: for bugs. */
export function throwOutOfPromises(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}
