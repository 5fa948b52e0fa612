/** What is common to int, uint and double. JavaScript compares numbers and bigints exactly. */
import { Double, type Int, Uint, type Value } from '../value.ts';

/** Numbers that are compared: beside a double the other is a double, too, even where that loses digits. */
export function comparable(a: Value, b: Value): readonly [Int, Int] | undefined {
  const [left, right] = [numberOf(a), numberOf(b)];
  if (left === undefined || right === undefined) return undefined;
  return a instanceof Double || b instanceof Double ? [Number(left), Number(right)] : [left, right];
}

/** undefined for what is no number. */
export function numberOf(value: Value): Int | undefined {
  if (typeof value === 'number' || typeof value === 'bigint') return value;
  return value instanceof Double || value instanceof Uint ? value.value : undefined;
}
