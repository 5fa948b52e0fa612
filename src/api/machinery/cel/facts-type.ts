/**
 * The types of built-in kinds, from the generated tables: what a policy's expressions are checked against for its
 * `status.typeChecking`. Sizes are not known of them.
 */
import type { Facts, FieldFacts, Scalar, TypeFacts, TypeRef } from '../facts.ts';
import { objectAdapter } from './adapt.ts';
import * as cel from './cel-type.ts';
import {
  boolType,
  bytesType,
  type DeclaredField,
  type DeclaredType,
  doubleType,
  dynType,
  field,
  intType,
  listType,
  mapType,
  stringType,
  timestampType,
} from './declared-type.ts';
import { escapeName } from './escaping.ts';
import type { Adapter } from './value.ts';

/** `typeName` as in the tables, `apps.v1.Deployment`. undefined when there is no such type. */
export function builtInType(facts: Facts, typeName: string): DeclaredType | undefined {
  const found = facts.type(typeName);
  return found && declareObject(found, { facts, known: new Map() });
}

interface Scope {
  facts: Facts;
  /** Types refer to themselves (JSONSchemaProps): each is made once, its fields when they are first asked for. */
  known: Map<string, DeclaredType>;
}

function declareObject(type: TypeFacts, scope: Scope): DeclaredType {
  const known = scope.known.get(type.name);
  if (known) return known;
  let fields: ReadonlyMap<string, DeclaredField> | undefined;
  let adapt: Adapter | undefined;
  const declared: DeclaredType = {
    type: cel.objectNamed(type.name),
    maxElements: 0,
    minSerializedSize: 2,
    get fields() {
      fields ??= fieldsOf(type, scope);
      return fields;
    },
    adapt(json) {
      adapt ??= objectAdapter(new Map([...type.jsonFields].map(([name, facts]) => [name, lazily(facts, scope)])));
      return adapt(json);
    },
  };
  scope.known.set(type.name, declared);
  return declared;
}

function fieldsOf(type: TypeFacts, scope: Scope): ReadonlyMap<string, DeclaredField> {
  const fields = new Map<string, DeclaredField>();
  for (const [name, facts] of type.jsonFields) {
    const escaped = escapeName(name);
    if (escaped !== undefined) fields.set(escaped, field(declare(facts.type, scope), facts.required));
  }
  return fields;
}

function lazily(facts: FieldFacts, scope: Scope): Adapter {
  let adapt: Adapter | undefined;
  return (json) => {
    adapt ??= declare(facts.type, scope).adapt;
    return adapt(json);
  };
}

function declare(ref: TypeRef, scope: Scope): DeclaredType {
  if ('list' in ref) return listType(declare(ref.list, scope));
  if ('map' in ref) return mapType(stringType, declare(ref.map, scope));
  if ('scalar' in ref) return SCALARS[ref.scalar];
  const type = scope.facts.type(ref.ref);
  return type && !type.union ? declareObject(type, scope) : dynType;
}

const SCALARS: Readonly<Record<Scalar, DeclaredType>> = {
  string: stringType,
  int32: intType,
  int64: intType,
  bool: boolType,
  double: doubleType,
  bytes: bytesType,
  quantity: dynType, // int or string, as its schema says
  time: timestampType,
  microTime: timestampType,
  intOrString: dynType,
  raw: dynType,
  fieldsV1: dynType,
};
