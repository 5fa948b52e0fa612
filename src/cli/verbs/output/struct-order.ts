/** JSON and KYAML of objects that kubectl knows as Go's structs: their fields stand as the types declare them, only maps are sorted. */
import { facts } from '#api/generated/facts.ts';
import type { TypeRef } from '#api/machinery/facts.ts';
import { isJsonObject, type Json, objectOf } from '#api/machinery/json-value.ts';
import type { Flags } from '../flags.ts';
import type { VerbIo } from '../verb.ts';
import { typeOfObject } from '../object-type.ts';
import { sorted, structJson } from './json.ts';
import { structKyaml } from './kyaml.ts';
import { resultPrinter, withoutManagedFields } from './output-flags.ts';

/** As `resultPrinter`, of objects that kubectl has as structs. */
export function structPrinter(flags: Flags, io: VerbIo): (object: unknown, operation: string) => string {
  const format = FORMATS[flags.string('output').toLowerCase()];
  if (!format) return resultPrinter(flags, io);
  return (object) => format(inTypesOrder(flags.bool('show-managed-fields') ? object : withoutManagedFields(object)));
}

/** YAML is sorted whatever it is made of. */
const FORMATS: Readonly<Record<string, (object: unknown) => string>> = { json: structJson, kyaml: structKyaml };

/** Fields that the type does not have come last. */
export function inTypesOrder(object: unknown): unknown {
  const type = typeOfObject(object);
  return type ? inOrder(object as Json, { ref: type.name }) : sorted(object);
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
