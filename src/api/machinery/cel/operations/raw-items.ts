/** Lists of JSON as the JSON that they are of. */
import { escapeName } from '../escaping.ts';
import { type List, MapLike } from '../value.ts';
import { spendWork } from '../work.ts';

export function rawItemsOf(list: List): unknown[] {
  spendWork(list.size);
  return Array.from({ length: list.size }, (_, i) => list.rawAt(i));
}

/** What tells the items of a list of type map apart; an item is JSON, or already a value. */
export const keyOf = (item: unknown, keys: readonly string[]): string =>
  JSON.stringify(keys.map((key) => partOf(item, key)));

function partOf(item: unknown, key: string): unknown {
  if (typeof item !== 'object' || item === null) return undefined;
  const part = item instanceof MapLike ? item.find(escapeName(key) ?? key) : (item as Record<string, unknown>)[key];
  return typeof part === 'bigint' ? String(part) : part;
}
