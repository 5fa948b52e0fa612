/**
 * Where a configuration has null and the type of its kind a scalar: such a configuration is not merged, for null of an
 * expression is a value of its own. Texts as structured-merge-diff prints them, which shows values as Go does.
 */
import type { Facts, Scalar, TypeRef } from '#api/machinery/facts.ts';
import { isJsonObject, type Json } from '#api/machinery/json-value.ts';

/** `.spec.replicas: expected numeric (int or float), got structpb.NullValue`. */
export function nullProblems(facts: Facts, type: TypeRef, value: Json, path = ''): string[] {
  if ('scalar' in type) {
    const problem = value === null ? REFUSED[type.scalar] : undefined;
    return problem === undefined ? [] : [`${path}: ${problem}`];
  }
  if ('list' in type)
    return Array.isArray(value)
      ? value.flatMap((item: Json, index) => nullProblems(facts, type.list, item, `${path}[${index}]`))
      : [];
  if (!isJsonObject(value)) return [];
  const fields = 'ref' in type ? facts.type(type.ref)?.jsonFields : undefined;
  return Object.entries(value).flatMap(([name, field]) => {
    const of = 'map' in type ? type.map : fields?.get(name)?.type;
    return of ? nullProblems(facts, of, field, `${path}.${name}`) : [];
  });
}

const NO_NUMBER = 'expected numeric (int or float), got structpb.NullValue';
const NO_TEXT = 'expected string, got &value.valueUnstructured{Value:0}';
const REFUSED: Readonly<Partial<Record<Scalar, string>>> = {
  int32: NO_NUMBER,
  int64: NO_NUMBER,
  double: NO_NUMBER,
  string: NO_TEXT,
  bytes: NO_TEXT,
  bool: 'expected boolean, got &{0}',
};
