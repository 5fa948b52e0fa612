/** What version 2 shows of a custom kind: only what its readers do not stumble over. */
import { expect, test } from 'vitest';
import { publishedSchema } from './published-schema.ts';
import type { JSONSchemaProps } from './schema-parts.ts';
import { spec } from './schemas-fixture.ts';

const objectMeta = '#/definitions/ObjectMeta';
const inV2 = (schema: JSONSchemaProps) => publishedSchema(schema, { version: 2, objectMeta });
const specInV2 = (schema: JSONSchemaProps) => (inV2(spec(schema))['properties'] as Record<string, unknown>)['spec'];

test('where the root keeps what nobody knows nothing is named, or readers would refuse the rest', () => {
  const schema = { ...spec({ type: 'object' }), 'x-kubernetes-preserve-unknown-fields': true };
  expect(inV2(schema)).toEqual({ type: 'object' });
  expect(inV2({ ...schema, description: 'Any.' })).toEqual({ type: 'object' });
  expect(publishedSchema(schema, { version: 3, objectMeta })).toHaveProperty('properties.metadata');
});

test('what may be null has neither a type nor what only a type has', () => {
  const list: JSONSchemaProps = { type: 'array', items: { type: 'string' }, nullable: true, description: 'A list.' };
  expect(specInV2(list)).toEqual({ description: 'A list.' });
  expect(specInV2({ type: 'object', properties: { a: { type: 'string' } }, nullable: true })).toEqual({});
});

test('what may be null is not required', () => {
  const a: JSONSchemaProps = { type: 'string' };
  const orNull: JSONSchemaProps = { ...a, nullable: true };
  const properties = { a, b: orNull };
  const shown = { type: 'object', properties: { a, b: {} } };
  expect(specInV2({ type: 'object', properties, required: ['a', 'b'] })).toEqual({ ...shown, required: ['a'] });
  expect(specInV2({ type: 'object', properties, required: ['b'] })).toEqual(shown);
  const map: JSONSchemaProps = { type: 'object', additionalProperties: orNull, required: ['c'] };
  expect(specInV2(map)).toEqual({ type: 'object', additionalProperties: {} });
});

test('rules are shown, as in version 3', () => {
  const ruled: JSONSchemaProps = { type: 'string', 'x-kubernetes-validations': [{ rule: "self != ''" }] };
  expect(specInV2(ruled)).toEqual(ruled);
});
