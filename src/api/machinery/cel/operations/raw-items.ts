/** Lists of JSON as the JSON that they are of. */
import type { List } from '../value.ts';
import { spendWork } from '../work.ts';

export function rawItemsOf(list: List): unknown[] {
  spendWork(list.size);
  return Array.from({ length: list.size }, (_, i) => list.rawAt(i));
}

/** What tells the items of a list of type map apart. */
export const keyOf = (item: unknown, keys: readonly string[]): string =>
  JSON.stringify(keys.map((key) => (item as Record<string, unknown> | null)?.[key]));
