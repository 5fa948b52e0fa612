/** Lists that are sets or maps hold nothing twice. Source: "API concepts", merge strategy; upstream's listtype validation. */
import { duplicateValue, type FieldError, invalidValue } from '../field-error.ts';
import { collectErrors } from './collect-errors.ts';
import { listKeyOf } from './correlation.ts';
import { childOf, isMap, isSame, itemsOf, type JSONSchemaProps, valuesOf } from './schema-parts.ts';
import type { Placed } from './validate-value.ts';

/** Each duplicate once, however often it stands there. A value that an update leaves as it was is not judged again. */
export function validateListTypes(schema: JSONSchemaProps, { path, value, old }: Placed): FieldError[] {
  if (old !== undefined && isSame(value, old)) return [];
  if (Array.isArray(value)) {
    const items = itemsOf(schema);
    return [
      ...duplicates(schema, path, value),
      ...(items
        ? collectErrors(value, (item, i) => validateListTypes(items, { path: `${path}[${i}]`, value: item }))
        : []),
    ];
  }
  if (!isMap(value)) return [];
  const before = isMap(old) ? old : {};
  const entries = valuesOf(schema) !== undefined;
  return collectErrors(Object.keys(value), (name) => {
    const child = childOf(schema, name);
    const at = entries ? `${path}[${name}]` : path ? `${path}.${name}` : name;
    const was = Object.hasOwn(before, name) ? before[name] : undefined;
    return child ? validateListTypes(child, { path: at, value: value[name], old: was }) : [];
  });
}

function duplicates(schema: JSONSchemaProps, path: string, list: readonly unknown[]): FieldError[] {
  const type = schema['x-kubernetes-list-type'];
  if (type !== 'set' && type !== 'map') return [];
  const odd = type === 'map' ? list.findIndex((item) => item !== null && !isMap(item)) : -1;
  if (odd >= 0) return [invalidValue(`${path}[${odd}]`, list[odd], 'must be an object for an array of list-type map')];
  const counts = new Map<string, number>();
  return collectErrors(list, (item, index) => {
    const key = type === 'map' ? listKeyOf(schema, item) : canonical(item);
    const count = (counts.get(key) ?? 0) + 1;
    counts.set(key, count);
    return count === 2 ? [duplicateValue(`${path}[${index}]`, type === 'map' ? keysOf(schema, item) : item)] : [];
  });
}

const keysOf = (schema: JSONSchemaProps, item: unknown): unknown =>
  Object.fromEntries(
    (schema['x-kubernetes-list-map-keys'] ?? [])
      .filter((key) => isMap(item) && Object.hasOwn(item, key))
      .map((key) => [key, (item as Record<string, unknown>)[key]]),
  );

/** The same text for the same value, in whatever order its fields stand. */
const canonical = (value: unknown): string =>
  JSON.stringify(value, (_, inner: unknown) =>
    isMap(inner) ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1))) : inner,
  );
