import { expect, test } from 'vitest';
import { customShape } from './custom-shape.ts';
import { validateSchema } from './definition-rules.ts';
import { validateEmbedded } from './embedded-resources.ts';
import type { JSONSchemaProps } from './schema-parts.ts';

const said = (errors: readonly { field: string; message: string }[]) =>
  errors.map(({ field, message }) => `${field}: ${message}`);

const resource: JSONSchemaProps = {
  type: 'object',
  'x-kubernetes-embedded-resource': true,
  'x-kubernetes-preserve-unknown-fields': true,
};
const schema: JSONSchemaProps = {
  type: 'object',
  properties: {
    one: resource,
    list: { type: 'array', items: resource },
    map: { type: 'object', additionalProperties: resource },
  },
};
const pod = { apiVersion: 'v1', kind: 'Pod' };

test.each<[string, unknown, string[]]>([
  ['needs no name', { one: { ...pod, metadata: { labels: { a: 'b' } } } }, []],
  ['needs its type', { one: {} }, ['one.apiVersion: Required value', 'one.kind: Required value']],
  ['in a list', { list: [pod, { kind: 'Pod' }] }, ['list[1].apiVersion: Required value']],
  ['in a map', { map: { a: { apiVersion: 'v1' } } }, ['map[a].kind: Required value']],
  [
    'with an empty type',
    { one: { apiVersion: '', kind: '' } },
    ['one.apiVersion: Invalid value: "": must not be empty', 'one.kind: Invalid value: "": must not be empty'],
  ],
  [
    'with a type that cannot be',
    { one: { apiVersion: 'a/b/c', kind: '%' } },
    [
      'one.apiVersion: Invalid value: "a/b/c": unexpected GroupVersion string: a/b/c',
      `one.kind: Invalid value: "%": may have mixed case, but should otherwise match: a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')`,
    ],
  ],
  [
    'with metadata that nobody may have',
    { one: { ...pod, metadata: { name: 'a/b', namespace: 'n' } } },
    [`one.metadata.name: Invalid value: "a/b": may not contain '/'`],
  ],
])('a resource inside another: %s', (_, value, errors) => {
  expect(said(validateEmbedded(schema, { path: '', value }))).toEqual(errors);
});

test('what a resource never is, is not understood', () => {
  const { prune } = customShape(schema);
  expect(prune({ one: { ...pod, metadata: {} } }).problem).toBeUndefined();
  expect(prune({ list: [{ ...pod, kind: 1 }] }).problem).toBe('list[0].kind: Invalid value: 1: must be a string');
  expect(prune({ one: { ...pod, metadata: { labels: { a: 1 } } } }).problem).toBe(
    'one.metadata: Invalid value: {"labels":{"a":1}}: json: cannot unmarshal number into Go struct field ObjectMeta.labels of type string',
  );
});

const at = 'spec.validation.openAPIV3Schema';
test.each<[string, JSONSchemaProps, string[]]>([
  ['good ones', { default: { ...pod, metadata: { name: 'x' } } }, []],
  ['of a whole resource', { default: { kind: 'Pod' } }, [`${at}.properties[inner].default.apiVersion: Required value`]],
  [
    'of a part of its metadata',
    { properties: { metadata: { type: 'object', properties: { name: { type: 'string', default: '%' } } } } },
    [
      `${at}.properties[inner].properties[metadata].properties[name].default: Invalid value: "%": must result in valid metadata: metadata.name: Invalid value: "%": may not contain '%'`,
    ],
  ],
  [
    'of its type, which is no text',
    { properties: { kind: { type: 'string', default: 42 } } },
    [
      `${at}.properties[inner].properties[kind].default: Invalid value: 42: must result in valid metadata: kind: Invalid value: 42: must be a string`,
    ],
  ],
])('defaults: %s', (_, more, errors) => {
  const whole: JSONSchemaProps = { type: 'object', properties: { inner: { ...resource, ...more } } };
  expect(said(validateSchema(whole, at))).toEqual(errors);
});
