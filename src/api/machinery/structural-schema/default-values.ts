/**
 * Fills in what a schema has defaults for. A null where none is allowed counts as absent: it is defaulted, or goes.
 * Source: "Extend the Kubernetes API with CustomResourceDefinitions", defaulting and nullable.
 */
import {
  childOf,
  isMap,
  itemsOf,
  type JSONSchemaProps,
  type JsonMap,
  mapFields,
  mapItems,
  propertiesOf,
  valuesOf,
} from './schema-parts.ts';

/** The same value where nothing was missing; defaults are shared with the schema, so freeze both. */
export function withDefaults(schema: JSONSchemaProps, value: unknown): unknown {
  if (!changesValues(schema)) return value;
  if (Array.isArray(value)) {
    const items = itemsOf(schema);
    return items ? mapItems(value, (item) => withDefaults(items, notNull(item, items) ?? item)) : value;
  }
  if (!isMap(value)) return value;
  const filled = withMissingFields(schema, value);
  return mapFields(filled, (field, name) => {
    const child = childOf(schema, name);
    if (!child) return field;
    const given = notNull(field, child);
    return given === undefined ? undefined : withDefaults(child, given);
  });
}

/** The default in place of a null that may not be; undefined when there is neither. */
const notNull = (value: unknown, schema: JSONSchemaProps): unknown =>
  value === null && !schema.nullable ? defaultOf(schema) : value;

/** A default of null says nothing. */
const defaultOf = (schema: JSONSchemaProps): unknown => schema.default ?? undefined;

function withMissingFields(schema: JSONSchemaProps, value: JsonMap): JsonMap {
  let filled: Record<string, unknown> | undefined;
  for (const [name, property] of propertiesOf(schema)) {
    const wanted = defaultOf(property);
    if (wanted === undefined || Object.hasOwn(value, name)) continue;
    filled ??= { ...value };
    filled[name] = wanted;
  }
  return filled ?? value;
}

const known = new WeakMap<JSONSchemaProps, boolean>();

/** False only for scalars: any object or list may hold a null that has to go. */
function changesValues(schema: JSONSchemaProps): boolean {
  const before = known.get(schema);
  if (before !== undefined) return before;
  const changes = Boolean(schema.properties ?? valuesOf(schema) ?? itemsOf(schema));
  known.set(schema, changes);
  return changes;
}
