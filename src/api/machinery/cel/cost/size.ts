/** How large a value is, in the sense of its cost: characters, bytes, items, entries; 1 for what has no size. */
import { lengthOf } from '../operations/text.ts';
import { List, MapLike, Opaque, Optional, type Result } from '../value.ts';

export function sizeOf(value: Result): number {
  if (typeof value === 'string') return lengthOf(value);
  if (value instanceof List || value instanceof MapLike || value instanceof Opaque) return value.size;
  if (value instanceof Uint8Array) return value.length;
  return value instanceof Optional && value.value !== undefined ? sizeOf(value.value) : 1;
}

/** A look at ten characters is one unit. */
export const TRAVERSAL = 0.1;
/** Four characters of a pattern are about one part of the expression. */
export const PATTERN = 0.25;

/** For looking once through something of this size. */
export const traversal = (size: number): number => Math.ceil(size * TRAVERSAL);

/** For a pattern of that length over a text of that length. */
export const matching = (text: number, pattern: number): number =>
  Math.ceil((1 + text) * TRAVERSAL) * Math.ceil(pattern * PATTERN);
