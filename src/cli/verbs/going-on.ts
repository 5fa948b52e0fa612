/** Several things are done one after the other: where one of them fails the others still are. */
import { throwIfAny } from './verb-error.ts';

/** @returns what went wrong, in the order of `items` */
export async function failuresAmong<T>(items: Iterable<T>, act: (item: T) => unknown): Promise<unknown[]> {
  const failures: unknown[] = [];
  for (const item of items) {
    try {
      await act(item);
    } catch (error) {
      failures.push(error);
    }
  }
  return failures;
}

/** Throws in the end what went wrong; first `errors`, those of the search for `targets`. */
export async function forEachTarget<T>(
  { targets, errors }: { targets: Iterable<T>; errors: readonly unknown[] },
  act: (target: T) => unknown,
): Promise<void> {
  throwIfAny([...errors, ...(await failuresAmong(targets, act))]);
}
