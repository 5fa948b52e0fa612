/** JSON of objects that kubectl knows as Go's structs: their fields stand as the types declare them, only maps are sorted. */
import { facts } from '#api/generated/facts.ts';
import type { TypeRef } from '#api/machinery/facts.ts';
import { isJsonObject, type Json, type JsonObject, objectOf } from '#api/machinery/json-value.ts';
import { escapeHtml, sorted } from './json.ts';

/** Four blanks, as `formatJson`. Fields that the type does not have come last. */
export function formatStructJson(object: object, type: string): string {
  return `${escapeHtml(JSON.stringify(inOrder(object as JsonObject, { ref: type }), undefined, 4))}\n`;
}

function inOrder(value: Json, type: TypeRef): Json {
  if (Array.isArray(value)) return 'list' in type ? value.map((item) => inOrder(item, type.list)) : value;
  if (!isJsonObject(value)) return value;
  const fields = 'ref' in type ? facts.type(type.ref)?.jsonFields : undefined;
  if (!fields) return sorted(value) as Json;
  const declared = [...fields.values()].filter(({ name }) => Object.hasOwn(value, name));
  return objectOf([
    ...declared.map((field): [string, Json] => [field.name, inOrder(value[field.name]!, field.type)]),
    ...Object.entries(value).filter(([name]) => !fields.has(name)),
  ]);
}
