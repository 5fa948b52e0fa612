import { setOwn } from './set-own.ts';

/** A frozen copy of a value whose shape is not known: what JSON can hold. */
export function cloneRaw(given: unknown, depthLeft: number): { value: unknown } | { problem: string } {
  let tooDeep = false;

  const clone = (value: unknown, left: number): unknown => {
    if (typeof value !== 'object' || value === null) return value;
    if (left <= 0) {
      tooDeep = true;
      return null;
    }
    if (Array.isArray(value)) return Object.freeze(value.map((element) => clone(element ?? null, left - 1)));
    const copy: Record<string, unknown> = {};
    for (const key of Object.keys(value)) {
      const element = (value as Record<string, unknown>)[key];
      if (element !== undefined) setOwn(copy, key, clone(element, left - 1));
    }
    return Object.freeze(copy);
  };

  const value = clone(given, depthLeft);
  return tooDeep ? { problem: 'exceeded max depth' } : { value };
}
