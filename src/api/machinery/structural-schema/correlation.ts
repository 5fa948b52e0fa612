/** Which of the old values is the one that a new value came from. Source: Kubernetes documentation, "Validation ratcheting". */
import { childOf, isMap, isSame, itemsOf, type JSONSchemaProps, type JsonMap } from './schema-parts.ts';

/** Only the items of a list that is a map can be told which of the old ones they are. */
export function oldItems(schema: JSONSchemaProps, old: unknown): ((item: unknown) => unknown) | undefined {
  if (!Array.isArray(old) || schema['x-kubernetes-list-type'] !== 'map') return undefined;
  const byKey = new Map(old.map((item) => [listKeyOf(schema, item), item]));
  return (item) => byKey.get(listKeyOf(schema, item));
}

/** What tells an item of a list that is a map from the others: its key fields as text. */
export const listKeyOf = (schema: JSONSchemaProps, item: unknown): string =>
  JSON.stringify((schema['x-kubernetes-list-map-keys'] ?? []).map((key) => (isMap(item) ? item[key] : undefined)));

/** Lists that are maps have no order. */
export function isUnchanged(schema: JSONSchemaProps | undefined, value: unknown, old: unknown): boolean {
  if (value === old) return true;
  if (Array.isArray(value))
    return Array.isArray(old) && value.length === old.length && areItemsSame(schema, value, old);
  return isMap(value) ? isMap(old) && areFieldsSame(schema, value, old) : isSame(value, old);
}

function areItemsSame(
  schema: JSONSchemaProps | undefined,
  value: readonly unknown[],
  old: readonly unknown[],
): boolean {
  const before = schema && oldItems(schema, old);
  if (!before) return isSame(value, old);
  const items = itemsOf(schema);
  return value.every((item) => before(item) !== undefined && isUnchanged(items, item, before(item)));
}

function areFieldsSame(schema: JSONSchemaProps | undefined, value: JsonMap, old: JsonMap): boolean {
  const names = Object.keys(value);
  return (
    names.length === Object.keys(old).length &&
    names.every(
      (name) => Object.hasOwn(old, name) && isUnchanged(schema && childOf(schema, name), value[name], old[name]),
    )
  );
}
