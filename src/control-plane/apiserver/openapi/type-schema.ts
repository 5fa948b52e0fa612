/** The OpenAPI schema of each type, from its facts. Version 2 and 3 differ in how a reference stands beside other words. */
import type { Facts, FieldFacts, Scalar, TypeFacts, TypeRef } from '#api/machinery/facts.ts';
import {
  definitionName,
  FIELDS_V1,
  INT_OR_STRING,
  JSON_VALUE,
  MICRO_TIME,
  PATCH,
  QUANTITY,
  RAW_EXTENSION,
  TIME,
} from './definition-name.ts';
import type { Descriptions } from './descriptions.ts';

export type OpenApiVersion = 2 | 3;

/** A JSON schema as OpenAPI has it; also with `x-kubernetes-…` words. */
export type Schema = Record<string, unknown>;

export interface SchemaOptions {
  facts: Facts;
  version: OpenApiVersion;
  descriptions: Descriptions | undefined;
}

const DEFINED_SCALARS: Partial<Record<Scalar, string>> = {
  quantity: QUANTITY,
  time: TIME,
  microTime: MICRO_TIME,
  intOrString: INT_OR_STRING,
  fieldsV1: FIELDS_V1,
};

const INLINE_SCALARS: Partial<Record<Scalar, Schema>> = {
  string: { type: 'string' },
  int32: { type: 'integer', format: 'int32' },
  int64: { type: 'integer', format: 'int64' },
  bool: { type: 'boolean' },
  double: { type: 'number', format: 'double' },
  bytes: { type: 'string', format: 'byte' },
};

// Keys of lists that are maps must have a value before defaulting runs, so the schema itself has these.
const DEFAULTS: Readonly<Record<string, unknown>> = {
  'core.v1.ContainerPort.protocol': 'TCP',
  'core.v1.ServicePort.protocol': 'TCP',
};

/** The definitions that are not made from facts. */
export function specialDefinition(name: string, version: OpenApiVersion): Schema | undefined {
  switch (name) {
    case QUANTITY:
      return version === 2 ? { type: 'string' } : { oneOf: [{ type: 'string' }, { type: 'number' }] };
    case TIME:
    case MICRO_TIME:
      return { type: 'string', format: 'date-time' };
    case INT_OR_STRING:
      return version === 2
        ? { type: 'string', format: 'int-or-string' }
        : { oneOf: [{ type: 'integer' }, { type: 'string' }], format: 'int-or-string' };
    case RAW_EXTENSION:
    case FIELDS_V1:
    case PATCH:
      return { type: 'object' };
    case JSON_VALUE:
      return {};
    default:
      return undefined;
  }
}

/** Also tells which other definitions it refers to, by calling `refer` with each. */
export function schemaOfType(type: TypeFacts, options: SchemaOptions, refer: (name: string) => void): Schema {
  const [description, fieldDescriptions] = options.descriptions?.[type.name] ?? ['', {}];
  if (type.union) return described({}, description);
  const properties: Record<string, Schema> = {};
  for (const field of type.jsonFields.values())
    properties[field.name] = propertySchema(type, field, {
      ...options,
      refer,
      description: fieldDescriptions[field.name],
    });
  const required = [...type.jsonFields.values()].filter((field) => field.required).map(({ name }) => name);
  return {
    ...described({}, description),
    type: 'object',
    ...(required.length > 0 && { required }),
    ...(Object.keys(properties).length > 0 && { properties }),
    ...(type.atomic && { 'x-kubernetes-map-type': 'atomic' }),
  };
}

interface Context extends SchemaOptions {
  refer(name: string): void;
  description: string | undefined;
}

const described = (schema: Schema, description: string | undefined): Schema =>
  description ? { description, ...schema } : schema;

function propertySchema(owner: TypeFacts, field: FieldFacts, context: Context): Schema {
  const own = DEFAULTS[`${owner.name}.${field.name}`];
  const schema = refSchema(field.type, owner, context);
  const target =
    field.enum && 'list' in field.type
      ? { ...schema, items: { ...(schema['items'] as Schema), enum: field.enum } }
      : schema;
  return {
    ...withReference(described(target, context.description), context.version),
    ...(field.enum && !('list' in field.type) && { enum: field.enum }),
    ...(own !== undefined && { default: own }),
    ...(field.listMapKeys && { 'x-kubernetes-list-map-keys': field.listMapKeys }),
    ...(field.listType && { 'x-kubernetes-list-type': field.listType }),
    ...(field.mapType && { 'x-kubernetes-map-type': field.mapType }),
    ...(field.patchMergeKey && { 'x-kubernetes-patch-merge-key': field.patchMergeKey }),
    ...(field.patchStrategy && { 'x-kubernetes-patch-strategy': field.patchStrategy.join(',') }),
  };
}

/** In version 3 nothing may stand beside `$ref`, so it moves into an `allOf`. */
function withReference(schema: Schema, version: OpenApiVersion): Schema {
  const { $ref, ...others } = schema;
  if ($ref === undefined || version === 2 || Object.keys(others).length === 0) return schema;
  return { ...others, allOf: [{ $ref }] };
}

function refSchema(type: TypeRef, owner: TypeFacts, context: Context): Schema {
  if ('list' in type) return { type: 'array', items: refSchema(type.list, owner, context) };
  if ('map' in type) return { type: 'object', additionalProperties: refSchema(type.map, owner, context) };
  const name = 'ref' in type ? definitionName(type.ref) : definedScalar(type.scalar, owner);
  if (name === undefined) return INLINE_SCALARS[(type as { scalar: Scalar }).scalar]!;
  context.refer(name);
  return { $ref: refTo(name, context.version) };
}

const definedScalar = (scalar: Scalar, owner: TypeFacts): string | undefined =>
  scalar === 'raw' ? (owner.name.startsWith('apiextensions.') ? JSON_VALUE : RAW_EXTENSION) : DEFINED_SCALARS[scalar];

export const refTo = (name: string, version: OpenApiVersion): string =>
  version === 2 ? `#/definitions/${name}` : `#/components/schemas/${name}`;
