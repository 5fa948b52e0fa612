/** Doing several things at once, within bounds. */

/**
 * Runs `work` `count` times in batches of 1, 2, 4 …: when something is wrong (a quota, a failed admission) it is learnt from
 * one call, not from a thousand. Returns how many succeeded; stops after the first batch with a failure and hands that on.
 */
export async function inBatches(
  count: number,
  work: (index: number) => Promise<unknown>,
): Promise<{ succeeded: number; error: unknown }> {
  let begun = 0;
  let succeeded = 0;
  for (let size = 1; begun < count; size *= 2) {
    const batch = Array.from({ length: Math.min(size, count - begun) }, (_, i) => work(begun + i));
    const results = await Promise.allSettled(batch);
    begun += batch.length;
    succeeded += results.filter(({ status }) => status === 'fulfilled').length;
    const failed = results.find((result) => result.status === 'rejected');
    if (failed) return { succeeded, error: failed.reason };
  }
  return { succeeded, error: undefined };
}

/** Runs `work` for all items, at most `limit` at a time; waits for all of them, then throws the first failure. */
export async function inParallel<T>(
  items: readonly T[],
  work: (item: T) => Promise<unknown>,
  limit = 64,
): Promise<void> {
  if (items.length === 0) return;
  const failures: unknown[] = [];
  let next = 0;
  const worker = async () => {
    while (next < items.length) {
      const item = items[next++] as T;
      try {
        await work(item);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker));
  if (failures.length > 0) throw failures[0];
}
