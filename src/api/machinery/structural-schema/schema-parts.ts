/**
 * How the other files here walk a schema of a CustomResourceDefinition (JSONSchemaProps). Names of fields come from
 * clients: nothing is looked up that an object has not itself, and `__proto__` is no field.
 */
import type { JSONSchemaProps } from '#api/generated/schema.ts';

export type { JSONSchemaProps };

export type JsonMap = Readonly<Record<string, unknown>>;

export const isMap = (value: unknown): value is JsonMap =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export const propertiesOf = (schema: JSONSchemaProps): [string, JSONSchemaProps][] =>
  Object.entries(schema.properties ?? {}).filter(([name]) => name !== '__proto__');

export function propertyOf({ properties }: JSONSchemaProps, name: string): JSONSchemaProps | undefined {
  return properties && name !== '__proto__' && Object.hasOwn(properties, name) ? properties[name] : undefined;
}

/** The schema of a list's items; the form with one schema for each place is refused in definitions. */
export const itemsOf = ({ items }: JSONSchemaProps): JSONSchemaProps | undefined =>
  Array.isArray(items) ? undefined : (items as JSONSchemaProps | undefined);

/** The schema of a map's values; undefined also where any value is allowed. */
export const valuesOf = ({ additionalProperties: values }: JSONSchemaProps): JSONSchemaProps | undefined =>
  typeof values === 'object' ? values : undefined;

/** Of the field of an object or the entry of a map. */
export const childOf = (schema: JSONSchemaProps, name: string): JSONSchemaProps | undefined =>
  propertyOf(schema, name) ?? valuesOf(schema);

/** `child` under `path`; the root has the empty path. */
export const under = (path: string, name: string): string => (path ? `${path}.${name}` : name);

/** What belongs to every object that is a resource, whatever its schema says. */
export const isTypeOrMetadata = (name: string): boolean =>
  name === 'apiVersion' || name === 'kind' || name === 'metadata';

/** The same object where no field changed, else a copy. `undefined` takes a field away. */
export function mapFields(map: JsonMap, change: (value: unknown, name: string) => unknown): JsonMap {
  let copy: Record<string, unknown> | undefined;
  for (const name of Object.keys(map)) {
    const next = change(map[name], name);
    if (next === map[name]) continue;
    copy ??= { ...map };
    if (next === undefined) delete copy[name];
    else copy[name] = next;
  }
  return copy ?? map;
}

/** The same list where no item changed, else a copy. */
export function mapItems(list: readonly unknown[], change: (item: unknown, index: number) => unknown) {
  let copy: unknown[] | undefined;
  list.forEach((item, index) => {
    const next = change(item, index);
    if (next === item) return;
    copy ??= [...list];
    copy[index] = next;
  });
  return copy ?? list;
}

/** The schema itself and all schemas in it, from the outside in. */
export function schemasInside(schema: JSONSchemaProps): JSONSchemaProps[] {
  const found: JSONSchemaProps[] = [];
  const waiting = [schema];
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    const { allOf = [], anyOf = [], oneOf = [], not } = next;
    const properties = propertiesOf(next).map(([, property]) => property);
    const inside = [itemsOf(next), ...allOf, ...anyOf, ...oneOf, not, ...properties, valuesOf(next)];
    found.push(next);
    waiting.push(...inside.filter((one) => one !== undefined).reverse());
  }
  return found;
}

/** Exactly: an empty list is another value than none, which a schema may refuse. Only the order of fields is no matter. */
export function isSame(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (Array.isArray(a))
    return Array.isArray(b) && a.length === b.length && a.every((item, index) => isSame(item, b[index]));
  if (!isMap(a) || !isMap(b)) return false;
  const names = Object.keys(a);
  return (
    names.length === Object.keys(b).length && names.every((name) => Object.hasOwn(b, name) && isSame(a[name], b[name]))
  );
}
