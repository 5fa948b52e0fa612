import { MIN_SECONDS } from '../timestamp.ts';
import { Double, Duration, List, MapLike, Optional, StructValue, Timestamp, Uint, type Value } from '../value.ts';

/** Whether the value is the one that its type has when nothing is said: 0, '', [], null, the first instant. */
export function isZero(value: Value): boolean {
  if (value === null || value === false || value === 0 || value === '') return true;
  if (value instanceof Double || value instanceof Uint) return value.value === 0;
  if (value instanceof List || value instanceof MapLike) return value.size === 0;
  if (value instanceof Uint8Array) return value.length === 0;
  if (value instanceof StructValue) return value.fields.size === 0;
  if (value instanceof Duration) return value.nanos === 0n;
  if (value instanceof Timestamp) return value.seconds === MIN_SECONDS && value.nanos === 0;
  return value instanceof Optional && value.value === undefined;
}
