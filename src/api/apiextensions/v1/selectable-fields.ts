/** Which fields of a custom kind a field selector may name. Source: KEP-4358; texts as upstream. */
import type { CustomResourceDefinitionSpec, JSONSchemaProps, SelectableField } from '#api/generated/schema.ts';
import { isEqual } from '#api/machinery/equal.ts';
import { duplicateValue, type FieldError, invalidValue, requiredValue, tooMany } from '#api/machinery/field-error.ts';
import { repeatedIn } from '#api/machinery/repeated.ts';
import { childOf } from '#api/machinery/structural-schema/schema-parts.ts';

const MAX_SELECTABLE_FIELDS = 8;
const SIMPLE_PATH = /^(\.[^.[\]]+)+$/;
const SELECTABLE_TYPES = ['string', 'boolean', 'integer'];

export function validateSelectableFields({ versions }: CustomResourceDefinitionSpec): FieldError[] {
  const [first, ...others] = versions;
  // As upstream calls them: fields that all versions share have a path of their own.
  const areShared = others.every(({ selectableFields }) => isEqual(selectableFields, first?.selectableFields));
  return versions.flatMap(({ selectableFields = [], schema }, index) => {
    if (areShared && index > 0) return [];
    const at = areShared ? 'spec.selectableFields' : `spec.versions[${index}].selectableFields`;
    if (selectableFields.length > 0 && !schema?.openAPIV3Schema && !areShared)
      return [invalidValue(at, '', 'may only be set when `version.schema.openAPIV3Schema` is not included')];
    return fieldErrors(selectableFields, schema?.openAPIV3Schema ?? {}, at);
  });
}

function fieldErrors(fields: readonly SelectableField[], schema: JSONSchemaProps, at: string): FieldError[] {
  const repeated = repeatedIn(fields.map(({ jsonPath }) => jsonPath));
  const errors = fields.flatMap(({ jsonPath }, index) => {
    const here = `${at}[${index}].jsonPath`;
    if (!jsonPath) return [requiredValue(here)];
    const problem = problemOf(jsonPath, schema);
    if (problem) return [invalidValue(here, jsonPath, problem)];
    return repeated.has(index) ? [duplicateValue(here, jsonPath)] : [];
  });
  const count = new Set(fields.map(({ jsonPath }) => jsonPath)).size;
  if (count > MAX_SELECTABLE_FIELDS) errors.push(tooMany(at, count, MAX_SELECTABLE_FIELDS));
  return errors;
}

function problemOf(jsonPath: string, schema: JSONSchemaProps): string | undefined {
  if (jsonPath.includes('[')) return 'is an invalid path: array notation is not allowed';
  if (!jsonPath.startsWith('.')) return `is an invalid path: expected [ or . but got: ${jsonPath.split(/[.[]/)[0]}`;
  let found: JSONSchemaProps | undefined = SIMPLE_PATH.test(jsonPath) ? schema : undefined;
  for (const name of jsonPath.split('.').slice(1)) found = found && childOf(found, name);
  if (!found) return 'is an invalid path: does not refer to a valid field';
  if (jsonPath.split('.')[1] === 'metadata') return 'must not point to fields in metadata';
  if (found.type && SELECTABLE_TYPES.includes(found.type)) return undefined;
  return 'must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.';
}
