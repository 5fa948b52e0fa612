/**
 * Where a configuration has another scalar than the type of its kind says: such a configuration is not merged. Texts as
 * structured-merge-diff prints them, which shows values as Go does.
 */
import type { Facts, Scalar, TypeRef } from '#api/machinery/facts.ts';
import { isJsonObject, type Json } from '#api/machinery/json-value.ts';

/** `.spec.replicas: expected numeric (int or float), got string`. */
export function scalarProblems(facts: Facts, type: TypeRef, value: Json, path = ''): string[] {
  if ('scalar' in type) {
    const problem = misfit(type.scalar, value);
    return problem === undefined ? [] : [`${path}: ${problem}`];
  }
  if ('list' in type)
    return Array.isArray(value)
      ? value.flatMap((item: Json, index) => scalarProblems(facts, type.list, item, `${path}[${index}]`))
      : [];
  if (!isJsonObject(value)) return [];
  const fields = 'ref' in type ? facts.type(type.ref)?.jsonFields : undefined;
  return Object.entries(value).flatMap(([name, field]) => {
    const of = 'map' in type ? type.map : fields?.get(name)?.type;
    return of ? scalarProblems(facts, of, field, `${path}.${name}`) : [];
  });
}

function misfit(scalar: Scalar, value: Json): string | undefined {
  switch (scalar) {
    case 'int32':
    case 'int64':
    case 'double':
      return typeof value === 'number' ? undefined : `expected numeric (int or float), got ${goTypeOf(value)}`;
    case 'string':
    case 'bytes':
      return typeof value === 'string'
        ? undefined
        : `expected string, got &value.valueUnstructured{Value:${goValueOf(value)}}`;
    case 'bool':
      return typeof value === 'boolean' ? undefined : `expected boolean, got &{${goValueOf(value)}}`;
    default:
      return undefined;
  }
}

function goTypeOf(value: Json): string {
  if (value === null) return 'structpb.NullValue';
  if (Array.isArray(value)) return '[]interface {}';
  return typeof value === 'object' ? 'map[string]interface {}' : typeof value === 'boolean' ? 'bool' : typeof value;
}

const goValueOf = (value: Json): string => (value === null ? '0' : JSON.stringify(value));
