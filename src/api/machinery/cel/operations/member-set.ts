/** `x in [1, 2, 3]` with a list that never changes: a look-up instead of a walk. */
import type { Value } from '../value.ts';
import { numberOf } from './numbers.ts';

/** Whether a set can tell such values apart. */
export const isSimple = (value: Value): boolean =>
  value === null || typeof value === 'string' || typeof value === 'boolean' || numberOf(value) !== undefined;

/** Numbers of different types that are equal are one. */
export function memberSet(items: readonly Value[]): (value: Value) => boolean {
  const plain = (value: Value) => numberOf(value) ?? value;
  const set = new Set(items.map(plain).filter((item) => !Number.isNaN(item)));
  return (value) => {
    const found = plain(value);
    if (!set.has(found)) return typeof found === 'number' && Number.isInteger(found) && set.has(BigInt(found));
    return true;
  };
}
