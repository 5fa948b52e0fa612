/**
 * The types that MutatingAdmissionPolicy builds its patches with: `Object{…}`, `Object.spec{…}` and so on, whose fields are
 * whatever is written, and `JSONPatch{op, path, from, value}`.
 */
import { adaptAny } from './adapt.ts';
import { objectNamed } from './cel-type.ts';
import { type DeclaredType, dynType, field, stringType } from './declared-type.ts';
import type { TypeSource } from './environment.ts';
import { List, MapLike, StructValue, type Value } from './value.ts';

const OBJECT = 'Object';

export const JSON_PATCH: DeclaredType = {
  type: objectNamed('JSONPatch'),
  adapt: adaptAny,
  maxElements: 0,
  minSerializedSize: 2,
  fields: new Map([
    ['op', field(stringType)],
    ['path', field(stringType)],
    ['from', field(stringType)],
    ['value', field(dynType)],
  ]),
};

/** For `environment({ types: [patchTypes] })`. */
export const patchTypes: TypeSource = (name) => {
  if (name === 'JSONPatch') return JSON_PATCH;
  return name === OBJECT || name.startsWith(`${OBJECT}.`) ? openType(name) : undefined;
};

const openType = (name: string): DeclaredType => ({
  type: objectNamed(name),
  adapt: adaptAny,
  maxElements: 0,
  minSerializedSize: 2,
  isOpen: true,
});

/** What an apply configuration's expression must evaluate to. */
export const OBJECT_TYPE = openType(OBJECT);

/**
 * Why the types of nested objects are not those of the fields they stand in (`Object.spec` must be at `spec`); upstream's
 * texts. Maps and lists between them have no name.
 */
export const typeNameErrors = (value: Value): readonly string[] =>
  value instanceof StructValue ? namesBelow(value, value.type.name) : [];

function namesBelow(value: unknown, path: string): string[] {
  if (value instanceof StructValue) {
    const { name } = value.type;
    const here =
      name === path
        ? []
        : [`unexpected type name "${name}", expected "${path}", which matches field name path from root Object type`];
    return [...here, ...[...value.fields].flatMap(([field, part]) => namesBelow(part, `${path}.${field}`))];
  }
  if (value instanceof List)
    return Array.from({ length: value.size }, (_, i) => value.at(i)).flatMap((item) => namesBelow(item, path));
  if (value instanceof MapLike) return value.keys().flatMap((key) => namesBelow(value.find(key), path));
  return [];
}
