/** JSON as it comes from outside: a key may be anything, `__proto__` too, so objects are only made from entries. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json;
}

export const isJsonObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export const fieldOf = (object: JsonObject, key: string): Json | undefined =>
  Object.hasOwn(object, key) ? object[key] : undefined;

/** In the order of the entries; a later one replaces an earlier one of the same key. */
export const objectOf = (entries: Iterable<readonly [string, Json]>): JsonObject => Object.fromEntries(entries);

export const withField = (object: JsonObject, key: string, value: Json): JsonObject =>
  objectOf([...Object.entries(object), [key, value]]);
