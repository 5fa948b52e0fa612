/** A short name for a value: the same for the same value, so that two controllers, or a second try, make the same object. */

const SAFE = 'bcdfghjklmnpqrstvwxz2456789';

export const textOrder = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** FNV-1a, in letters that make no words. After a collision the count makes it another. */
export function hashOf(value: unknown, collisionCount: number | undefined): string {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(canonical(value) + (collisionCount ?? ''))) {
    hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  }
  return [...String(hash)].map((digit) => SAFE[digit.charCodeAt(0) % SAFE.length]).join('');
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const fields = Object.entries(value).filter(([, field]) => field !== undefined);
  fields.sort(([a], [b]) => textOrder(a, b));
  return `{${fields.map(([name, field]) => `${JSON.stringify(name)}:${canonical(field)}`).join(',')}}`;
}
