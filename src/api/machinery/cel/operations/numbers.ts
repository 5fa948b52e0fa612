/** What is common to int, uint and double. JavaScript compares numbers and bigints exactly. */
import { Double, type Int, Uint, type Value } from '../value.ts';

/** undefined for what is no number. */
export function numberOf(value: Value): Int | undefined {
  if (typeof value === 'number' || typeof value === 'bigint') return value;
  return value instanceof Double || value instanceof Uint ? value.value : undefined;
}
