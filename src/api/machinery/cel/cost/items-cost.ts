import { CelError, List, MapLike, type Result } from '../value.ts';
import { TRAVERSAL } from './size.ts';

const encoder = new TextEncoder();

/** For looking at everything in a value: texts by their bytes, all else one unit each. */
export function itemsCost(value: Result): number {
  if (typeof value === 'string') return Math.floor(encoder.encode(value).length * TRAVERSAL);
  if (value instanceof Uint8Array) return Math.floor(value.length * TRAVERSAL);
  if (value instanceof List) return sum(value.size, (i) => value.at(i));
  if (!(value instanceof MapLike)) return 1;
  const keys = value.keys();
  return sum(keys.length, (i) => keys[i]!) + sum(keys.length, (i) => value.find(keys[i]!) ?? null);
}

function sum(count: number, at: (index: number) => Result): number {
  let cost = 0;
  for (let i = 0; i < count; i++) {
    const part = at(i);
    cost += part instanceof CelError ? 1 : itemsCost(part);
  }
  return cost;
}
