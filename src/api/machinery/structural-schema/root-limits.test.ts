import { expect, test } from 'vitest';
import { validateSchema } from './definition-rules.ts';
import { rootLimitErrors } from './root-limits.ts';

const FIELDS =
  'only [Description Type Format Title Maximum ExclusiveMaximum Minimum ExclusiveMinimum MaxLength MinLength Pattern MaxItems MinItems UniqueItems MultipleOf Required Items Properties ExternalDocs Example XPreserveUnknownFields XValidations] fields are allowed at the root of the schema if the status subresource is enabled';
const TYPE = 'only "object" is allowed as the type at the root of the schema if the status subresource is enabled';

const EMPTY = {
  ID: '',
  Schema: '',
  Ref: null,
  Description: '',
  Type: '',
  Nullable: false,
  Format: '',
  Title: '',
  Default: null,
  Maximum: null,
  ExclusiveMaximum: false,
  Minimum: null,
  ExclusiveMinimum: false,
  MaxLength: null,
  MinLength: null,
  Pattern: '',
  MaxItems: null,
  MinItems: null,
  UniqueItems: false,
  MultipleOf: null,
  Enum: null,
  MaxProperties: null,
  MinProperties: null,
  Required: null,
  Items: null,
  AllOf: null,
  OneOf: null,
  AnyOf: null,
  Not: null,
  Properties: null,
  AdditionalProperties: null,
  PatternProperties: null,
  Dependencies: null,
  AdditionalItems: null,
  Definitions: null,
  ExternalDocs: null,
  Example: null,
  XPreserveUnknownFields: null,
  XEmbeddedResource: false,
  XIntOrString: false,
  XListMapKeys: null,
  XListType: null,
  XMapType: null,
  XValidations: null,
};

const said = (schema: object) => rootLimitErrors(schema, 'at').map(({ field, message }) => `${field}: ${message}`);

test.each<[object, string[]]>([
  [
    {
      type: 'object',
      description: 'd',
      properties: {},
      required: ['a'],
      'x-kubernetes-validations': [{ rule: 'true' }],
    },
    [],
  ],
  [{ type: 'object', 'x-kubernetes-preserve-unknown-fields': true, minimum: 0, uniqueItems: false }, []],
  [{ type: 'array', minProperties: 1 }, [`at.type: Invalid value: "array": ${TYPE}`]],
  [
    { type: 'object', maxProperties: 0, nullable: true },
    [`at: Invalid value: ${JSON.stringify({ ...EMPTY, Type: 'object', Nullable: true, MaxProperties: 0 })}: ${FIELDS}`],
  ],
  [
    {
      type: 'object',
      not: { anyOf: [{ required: ['a'] }] },
      properties: {
        b: { type: 'array', items: { type: 'integer' }, 'x-kubernetes-list-type': 'set' },
        a: { additionalProperties: { 'x-kubernetes-validations': [{ rule: 'true' }] }, externalDocs: { url: 'u' } },
      },
    },
    [
      `at: Invalid value: ${JSON.stringify({
        ...EMPTY,
        Type: 'object',
        Not: { ...EMPTY, AnyOf: [{ ...EMPTY, Required: ['a'] }] },
        Properties: {
          a: {
            ...EMPTY,
            AdditionalProperties: {
              Allows: true,
              Schema: {
                ...EMPTY,
                XValidations: [
                  {
                    Rule: 'true',
                    Message: '',
                    MessageExpression: '',
                    Reason: null,
                    FieldPath: '',
                    OptionalOldSelf: null,
                  },
                ],
              },
            },
            ExternalDocs: { Description: '', URL: 'u' },
          },
          b: {
            ...EMPTY,
            Type: 'array',
            Items: { Schema: { ...EMPTY, Type: 'integer' }, JSONSchemas: null },
            XListType: 'set',
          },
        },
      })}: ${FIELDS}`,
    ],
  ],
])('the root %j of a schema whose status is a subresource is told %j', (schema, errors) => {
  expect(said(schema)).toEqual(errors);
});

test('nothing is said where there is no such subresource', () => {
  const schema = { type: 'object', maxProperties: 3 };
  expect(validateSchema(schema, 'at')).toEqual([]);
  expect(validateSchema(schema, 'at', { hasStatus: true })).toHaveLength(1);
});
