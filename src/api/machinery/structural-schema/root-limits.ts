/**
 * What may stand at the root of a schema whose status is a subresource: its own part is judged alone there, so that nothing
 * at the root may say something of it. Source: API reference of CustomResourceDefinition v1; texts as upstream, which shows
 * the schema as its internal type has it: every field, under Go's names.
 */
import { type FieldError, invalidValue } from '../field-error.ts';
import { isJsonObject } from '../json-value.ts';
import type { JSONSchemaProps } from './schema-parts.ts';

/** Go's name, the name in JSON, and what stands there when nobody gives it. In upstream's order. */
const FIELDS: readonly (readonly [go: string, json: string, absent: unknown])[] = [
  ['ID', 'id', ''],
  ['Schema', '$schema', ''],
  ['Ref', '$ref', null],
  ['Description', 'description', ''],
  ['Type', 'type', ''],
  ['Nullable', 'nullable', false],
  ['Format', 'format', ''],
  ['Title', 'title', ''],
  ['Default', 'default', null],
  ['Maximum', 'maximum', null],
  ['ExclusiveMaximum', 'exclusiveMaximum', false],
  ['Minimum', 'minimum', null],
  ['ExclusiveMinimum', 'exclusiveMinimum', false],
  ['MaxLength', 'maxLength', null],
  ['MinLength', 'minLength', null],
  ['Pattern', 'pattern', ''],
  ['MaxItems', 'maxItems', null],
  ['MinItems', 'minItems', null],
  ['UniqueItems', 'uniqueItems', false],
  ['MultipleOf', 'multipleOf', null],
  ['Enum', 'enum', null],
  ['MaxProperties', 'maxProperties', null],
  ['MinProperties', 'minProperties', null],
  ['Required', 'required', null],
  ['Items', 'items', null],
  ['AllOf', 'allOf', null],
  ['OneOf', 'oneOf', null],
  ['AnyOf', 'anyOf', null],
  ['Not', 'not', null],
  ['Properties', 'properties', null],
  ['AdditionalProperties', 'additionalProperties', null],
  ['PatternProperties', 'patternProperties', null],
  ['Dependencies', 'dependencies', null],
  ['AdditionalItems', 'additionalItems', null],
  ['Definitions', 'definitions', null],
  ['ExternalDocs', 'externalDocs', null],
  ['Example', 'example', null],
  ['XPreserveUnknownFields', 'x-kubernetes-preserve-unknown-fields', null],
  ['XEmbeddedResource', 'x-kubernetes-embedded-resource', false],
  ['XIntOrString', 'x-kubernetes-int-or-string', false],
  ['XListMapKeys', 'x-kubernetes-list-map-keys', null],
  ['XListType', 'x-kubernetes-list-type', null],
  ['XMapType', 'x-kubernetes-map-type', null],
  ['XValidations', 'x-kubernetes-validations', null],
];

const ALLOWED =
  'Description Type Format Title Maximum ExclusiveMaximum Minimum ExclusiveMinimum MaxLength MinLength Pattern MaxItems MinItems UniqueItems MultipleOf Required Items Properties ExternalDocs Example XPreserveUnknownFields XValidations';
const ALLOWED_NAMES: ReadonlySet<string> = new Set(ALLOWED.split(' '));

/** Only the first field that may not stand there is told of. */
export function rootLimitErrors(schema: JSONSchemaProps, path: string): FieldError[] {
  const given = schema as Readonly<Record<string, unknown>>;
  for (const [go, json, absent] of FIELDS) {
    const value = given[json];
    if (value === undefined || value === absent || value === null) continue;
    if (go === 'Type' && value !== 'object')
      return [
        invalidValue(
          `${path}.type`,
          value,
          'only "object" is allowed as the type at the root of the schema if the status subresource is enabled',
        ),
      ];
    if (!ALLOWED_NAMES.has(go))
      return [
        invalidValue(
          path,
          internalForm(given),
          `only [${ALLOWED}] fields are allowed at the root of the schema if the status subresource is enabled`,
        ),
      ];
  }
  return [];
}

type Form = (value: unknown) => unknown;

const internalForm: Form = (schema) =>
  isJsonObject(schema)
    ? Object.fromEntries(FIELDS.map(([go, json, absent]) => [go, formOf(json, schema[json]) ?? absent]))
    : null;

const eachOf: Form = (schemas) => (Array.isArray(schemas) ? schemas.map(internalForm) : undefined);

const byName: Form = (schemas) =>
  isJsonObject(schemas)
    ? Object.fromEntries(
        Object.keys(schemas)
          .sort()
          .map((name) => [name, internalForm(schemas[name])]),
      )
    : undefined;

const schemaOrBool: Form = (value) => {
  if (value === undefined || value === null) return undefined;
  return typeof value === 'boolean' ? { Allows: value, Schema: null } : { Allows: true, Schema: internalForm(value) };
};

const schemaOrList: Form = (value) => {
  if (value === undefined || value === null) return undefined;
  return Array.isArray(value)
    ? { Schema: null, JSONSchemas: value.map(internalForm) }
    : { Schema: internalForm(value), JSONSchemas: null };
};

const docs: Form = (value) =>
  isJsonObject(value) ? { Description: value['description'] ?? '', URL: value['url'] ?? '' } : undefined;

const rules: Form = (value) =>
  Array.isArray(value)
    ? value.map((rule: Readonly<Record<string, unknown>>) => ({
        Rule: rule['rule'] ?? '',
        Message: rule['message'] ?? '',
        MessageExpression: rule['messageExpression'] ?? '',
        Reason: rule['reason'] ?? null,
        FieldPath: rule['fieldPath'] ?? '',
        OptionalOldSelf: rule['optionalOldSelf'] ?? null,
      }))
    : undefined;

const FORMS: ReadonlyMap<string, Form> = new Map([
  ['items', schemaOrList],
  ['allOf', eachOf],
  ['oneOf', eachOf],
  ['anyOf', eachOf],
  ['not', (value) => (value === undefined ? undefined : internalForm(value))],
  ['properties', byName],
  ['patternProperties', byName],
  ['definitions', byName],
  ['additionalProperties', schemaOrBool],
  ['additionalItems', schemaOrBool],
  ['externalDocs', docs],
  ['x-kubernetes-validations', rules],
]);

const formOf = (field: string, value: unknown): unknown => FORMS.get(field)?.(value) ?? value;
