/** What of a table is different from what was told last. */
import type { HostRoutes } from './route-table.ts';

/** What is to be told so that who knows `told` knows `now`; null: it is gone. It counts as told from here on. */
export function changes<K, T>(
  told: Map<K, T>,
  now: ReadonlyMap<K, T>,
  isSame: (one: T | undefined, other: T) => boolean,
): [K, T | null][] {
  const changed: [K, T | null][] = [];
  for (const key of told.keys()) {
    if (now.has(key)) continue;
    told.delete(key);
    changed.push([key, null]);
  }
  for (const [key, value] of now) {
    if (isSame(told.get(key), value)) continue;
    told.set(key, value);
    changed.push([key, value]);
  }
  return changed;
}

/** Routes of an Ingress that did not change are the same objects: with thousands of them only the others are looked into. */
export function isSameHost(one: HostRoutes | undefined, other: HostRoutes): boolean {
  const { routes = [] } = one ?? {};
  if (!one || one.certificate !== other.certificate || one.hasRule !== other.hasRule) return false;
  if (routes.length !== other.routes.length) return false;
  return routes.every((route, i) => route === other.routes[i] || isAlike(route, other.routes[i]));
}

export const isAlike = (one: unknown, other: unknown): boolean =>
  JSON.stringify(one, mapsToo) === JSON.stringify(other, mapsToo);
const mapsToo = (_: string, value: unknown): unknown => (value instanceof Map ? [...value] : value);
