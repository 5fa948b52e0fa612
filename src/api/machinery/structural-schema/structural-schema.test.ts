import { describe, expect, test } from 'vitest';
import { withDefaults } from './default-values.ts';
import { validateSchema } from './definition-rules.ts';
import { validateEmbedded } from './embedded-resources.ts';
import { hasFormat } from './formats.ts';
import { pruneObject } from './prune.ts';
import { publishedSchema } from './published-schema.ts';
import type { JSONSchemaProps } from './schema-parts.ts';
import { validateListTypes } from './validate-list-types.ts';
import { validateValue } from './validate-value.ts';

const spec = (schema: JSONSchemaProps): JSONSchemaProps => ({ type: 'object', properties: { spec: schema } });
const fields = (properties: Record<string, JSONSchemaProps>, more: JSONSchemaProps = {}): JSONSchemaProps =>
  spec({ type: 'object', properties, ...more });
const said = (errors: readonly { field: string; message: string }[]) =>
  errors.map(({ field, message }) => `${field}: ${message}`);

describe('values', () => {
  const judge = (schema: JSONSchemaProps, value: unknown) =>
    said(validateValue(fields({ x: schema }), { path: '', value: { spec: { x: value } } }));

  test.each<[JSONSchemaProps, unknown, string[]]>([
    [{ type: 'integer' }, 3, []],
    [{ type: 'integer' }, 'a', ['spec.x: Invalid value: "string": spec.x in body must be of type integer: "string"']],
    [{ type: 'integer' }, 0.5, ['spec.x: Invalid value: "number": spec.x in body must be of type integer: "number"']],
    [{ type: 'number' }, 3, []],
    [{ type: 'string' }, null, ['spec.x: Invalid value: "null": spec.x in body must be of type string: "null"']],
    [{ type: 'string', nullable: true }, null, []],
    [{ 'x-kubernetes-int-or-string': true }, '80%', []],
    [
      { 'x-kubernetes-int-or-string': true },
      true,
      ['spec.x: Invalid value: "boolean": spec.x in body must be of type integer,string: "boolean"'],
    ],
    [{ type: 'string', enum: ['b', 'c'] }, 'a', ['spec.x: Unsupported value: "a": supported values: "b", "c"']],
    [
      { type: 'integer', minimum: 1 },
      0,
      ['spec.x: Invalid value: 0: spec.x in body should be greater than or equal to 1'],
    ],
    [
      { type: 'integer', maximum: 5, exclusiveMaximum: true },
      5,
      ['spec.x: Invalid value: 5: spec.x in body should be less than 5'],
    ],
    [{ type: 'number', multipleOf: 0.1 }, 0.3, []],
    [{ type: 'integer', multipleOf: 5 }, 7, ['spec.x: Invalid value: 7: spec.x in body should be a multiple of 5']],
    [{ type: 'string', maxLength: 2 }, 'ä🙂', []],
    [{ type: 'string', maxLength: 2 }, 'abc', ['spec.x: Too long: may not be more than 2 bytes']],
    [
      { type: 'string', minLength: 2 },
      'a',
      ['spec.x: Invalid value: "a": spec.x in body should be at least 2 chars long'],
    ],
    [{ type: 'string', pattern: '^a+$' }, 'b', [`spec.x: Invalid value: "b": spec.x in body should match '^a+$'`]],
    [{ type: 'string', format: 'uuid' }, 'u', ['spec.x: Invalid value: "u": spec.x in body must be of type uuid: "u"']],
    [
      { type: 'array', items: { type: 'string' }, maxItems: 1 },
      ['a', 1],
      [
        'spec.x[1]: Invalid value: "integer": spec.x[1] in body must be of type string: "integer"',
        'spec.x: Too many: 2: must have at most 1 item',
      ],
    ],
    [
      { type: 'object', additionalProperties: { type: 'string' } },
      { a: 1 },
      ['spec.x.a: Invalid value: "integer": spec.x.a in body must be of type string: "integer"'],
    ],
    [
      { type: 'object', minProperties: 1, additionalProperties: { type: 'string' } },
      {},
      ['spec.x: Invalid value: 0: spec.x in body should have at least 1 properties'],
    ],
    [
      { type: 'object', minProperties: 1, required: ['a'], properties: { a: { type: 'string' } } },
      {},
      ['spec.x: Invalid value: 0: spec.x in body should have at least 1 properties', 'spec.x.a: Required value'],
    ],
    [
      { type: 'object', maxProperties: 1, additionalProperties: { type: 'string' } },
      { a: 1, b: 'b' },
      [
        'spec.x: Too many: 2: must have at most 1 item',
        'spec.x.a: Invalid value: "integer": spec.x.a in body must be of type string: "integer"',
      ],
    ],
    [
      { type: 'integer', oneOf: [{ minimum: 1 }, { minimum: 2 }] },
      3,
      ['<nil>: Invalid value: "": "spec.x" must validate one and only one schema (oneOf). Found 2 valid alternatives'],
    ],
    [
      { type: 'integer', anyOf: [{ minimum: 5 }, { enum: [1] }] },
      3,
      [
        '<nil>: Invalid value: "": "spec.x" must validate at least one schema (anyOf)',
        'spec.x: Invalid value: 3: spec.x in body should be greater than or equal to 5',
      ],
    ],
    [
      { type: 'integer', not: { minimum: 1 } },
      3,
      ['<nil>: Invalid value: "": "spec.x" must not validate the schema (not)'],
    ],
    [{ type: 'integer' }, 2 ** 53 - 1, []],
    [
      { type: 'integer' },
      2 ** 53,
      [
        'spec.x: Invalid value: 9007199254740992: spec.x in body is a whole number beyond 9007199254740991, which is not kept exactly; write it as a string',
      ],
    ],
    [{ type: 'number' }, 2 ** 60, []],
  ])('%j of %j: %j', (schema, value, expected) => expect(judge(schema, value)).toEqual(expected));

  test('all errors come at once, a missing field among them', () => {
    const schema = fields({ a: { type: 'string' }, b: { type: 'string' } }, { required: ['a', 'b'] });
    expect(said(validateValue(schema, { path: '', value: { spec: { b: 1 } } }))).toEqual([
      'spec.b: Invalid value: "integer": spec.b in body must be of type string: "integer"',
      'spec.a: Required value',
    ]);
  });

  test('an empty list where there was none is new', () => {
    const schema = fields({
      list: { type: 'array', minItems: 1, items: { type: 'string' } },
      text: { type: 'string', nullable: true },
    });
    const judged = (value: object, old: object) =>
      said(validateValue(schema, { path: '', value: { spec: value }, old: { spec: old } }));
    const tooFew = 'spec.list: Invalid value: 0: spec.list in body should have at least 1 items';
    expect(judged({ list: [] }, {})).toEqual([tooFew]);
    expect(judged({ list: [], text: 'a' }, { text: 'a' })).toEqual([tooFew]);
    expect(judged({ text: [] }, { text: null })).toEqual([
      'spec.text: Invalid value: "array": spec.text in body must be of type string: "array"',
    ]);
    expect(judged({ list: [], text: 'b' }, { list: [], text: 'a' })).toEqual([]);
  });

  test('what an update leaves as it was is not judged again', () => {
    const schema = fields({
      a: { type: 'string', enum: ['x'] },
      list: {
        type: 'array',
        'x-kubernetes-list-type': 'map',
        'x-kubernetes-list-map-keys': ['k'],
        items: { type: 'object', properties: { k: { type: 'string' }, v: { type: 'integer', maximum: 1 } } },
      },
    });
    const old = { spec: { a: 'old', list: [{ k: 'p', v: 9 }] } };
    const judged = (value: unknown) => said(validateValue(schema, { path: '', value, old }));
    expect(
      judged({
        spec: {
          a: 'old',
          list: [
            { k: 'q', v: 1 },
            { k: 'p', v: 9 },
          ],
        },
      }),
    ).toEqual([]);
    expect(judged({ spec: { a: 'old', list: [{ k: 'p', v: 9 }], other: 1 } })).toEqual([]);
    expect(judged({ spec: { a: 'new', list: [{ k: 'p', v: 8 }] } })).toEqual([
      'spec.a: Unsupported value: "new": supported values: "x"',
      'spec.list[0].v: Invalid value: 8: spec.list[0].v in body should be less than or equal to 1',
    ]);
  });

  test('a list of half a million wrong items is refused with the first of them', () => {
    const items: JSONSchemaProps = { type: 'integer' };
    const value = Array.from({ length: 500_000 }, () => 'a');
    const list: JSONSchemaProps = { type: 'array', items };
    const minimum: JSONSchemaProps = { items: { enum: ['b'] } };
    expect(validateValue(list, { path: 'x', value })).toHaveLength(1000);
    expect(validateValue({ ...list, allOf: [minimum] }, { path: 'x', value })).toHaveLength(1000);
    expect(validateValue({ type: 'array', anyOf: [minimum] }, { path: 'x', value })).toHaveLength(1000);
  });

  test('a pattern that would explode elsewhere takes no time', () => {
    const schema: JSONSchemaProps = { type: 'string', pattern: '^(a+)+$' };
    expect(validateValue(schema, { path: 'x', value: `${'a'.repeat(5000)}b` })).toHaveLength(1);
  });
});

test.each<[string, string, boolean]>([
  ['date-time', '2026-01-01T10:00:00Z', true],
  ['date-time', '2026-01-01T10:00:00+01:00', true],
  ['date-time', '2026-13-01T10:00:00Z', false],
  ['date', '2024-02-29', true],
  ['date', '2023-02-29', false],
  ['ipv4', '10.0.0.1', true],
  ['ipv4', '::1', false],
  ['ipv6', 'fd00::1', true],
  ['cidr', '10.0.0.0/8', true],
  ['cidr', '10.0.0.0', false],
  ['byte', 'YWJj', true],
  ['byte', 'YWJ*', false],
  ['uri', 'https://example.com/a', true],
  ['uri', 'no uri', false],
  ['email', 'a@example.com', true],
  ['email', 'a', false],
  ['hostname', 'a.example.com', true],
  ['hostname', '-a', false],
  ['duration', '1h30m', true],
  ['duration', '3 days', true],
  ['duration', 'soon', false],
  ['uuid', '123e4567-e89b-12d3-a456-426614174000', true],
  ['uuid4', '12345678-1234-4234-8234-123456789abc', true],
  ['uuid4', '12345678-1234-4234-1234-123456789ABC', false],
  ['uuid5', '12345678-1234-5234-B234-123456789abc', true],
  ['uuid5', '12345678-1234-4234-8234-123456789abc', false],
  ['int32', 'anything', true],
  ['unheard-of', 'anything', true],
])('format %s of %s: %s', (format, text, expected) => expect(hasFormat(text, format)).toBe(expected));

describe('unknown fields', () => {
  const prune = (schema: JSONSchemaProps, object: Record<string, unknown>) => pruneObject(schema, object);

  test('go, and are named', () => {
    const schema = fields({
      a: { type: 'string' },
      list: { type: 'array', items: { type: 'object', properties: {} } },
    });
    const object = {
      apiVersion: 'v',
      kind: 'K',
      metadata: { name: 'n' },
      spec: { a: 'x', b: 1, list: [{ c: 1 }] },
      z: 1,
    };
    expect(prune(schema, object)).toEqual({
      value: { apiVersion: 'v', kind: 'K', metadata: { name: 'n' }, spec: { a: 'x', list: [{}] } },
      unknownFields: ['spec.b', 'spec.list[0].c', 'z'],
    });
    expect(object.spec.b).toBe(1);
  });

  test('stay where the schema says so, but not in what it names below', () => {
    const schema = fields(
      { known: { type: 'object', properties: { a: { type: 'string' } } } },
      { 'x-kubernetes-preserve-unknown-fields': true },
    );
    expect(prune(schema, { spec: { other: { deep: 1 }, known: { a: 'x', b: 1 } } }).value).toEqual({
      spec: { other: { deep: 1 }, known: { a: 'x' } },
    });
  });

  test('of a resource inside, apiVersion, kind and metadata stay', () => {
    const schema = spec({
      type: 'object',
      'x-kubernetes-embedded-resource': true,
      properties: { a: { type: 'string' } },
    });
    const inner = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'n' } };
    expect(prune(schema, { spec: { ...inner, a: 'x', b: 1 } }).value).toEqual({ spec: { ...inner, a: 'x' } });
    const strange = { ...inner, metadata: { name: 'n', strange: 1 } };
    expect(prune(schema, { metadata: { name: 'n' }, spec: strange })).toEqual({
      value: { metadata: { name: 'n' }, spec: inner },
      unknownFields: ['spec.metadata.strange'],
    });
    expect(said(validateEmbedded(schema, { path: '', value: { spec: { kind: 'Pod' } } }))).toEqual([
      'spec.apiVersion: Required value',
    ]);
  });

  test('a field called __proto__ or constructor is as unknown as any', () => {
    const object = JSON.parse('{"spec":{"constructor":1,"__proto__":{"a":1}}}') as Record<string, unknown>;
    expect(prune(fields({}), object).value).toEqual({ spec: {} });
    expect(({} as Record<string, unknown>)['a']).toBeUndefined();
  });
});

test.each<[unknown, unknown]>([
  [{ spec: {} }, { spec: { a: 'x', o: { n: 1 } } }],
  [{ spec: { a: null } }, { spec: { a: 'x', o: { n: 1 } } }],
  [{ spec: { a: 'y', o: {} } }, { spec: { a: 'y', o: { n: 1 } } }],
  [{ spec: { a: 'y', o: {}, may: null, not: null } }, { spec: { a: 'y', o: { n: 1 }, may: null } }],
  [{ spec: { a: 'y', o: {}, list: [{}, { n: 2 }] } }, { spec: { a: 'y', o: { n: 1 }, list: [{ n: 1 }, { n: 2 }] } }],
  [{}, {}],
])('%j becomes %j', (given, expected) => {
  const n: JSONSchemaProps = { type: 'object', properties: { n: { type: 'integer', default: 1 } } };
  const schema = fields({
    a: { type: 'string', default: 'x' },
    o: { ...n, default: {} },
    may: { type: 'string', nullable: true },
    not: { type: 'string' },
    list: { type: 'array', items: n },
  });
  expect(withDefaults(schema, given)).toEqual(expected);
});

test('sets and maps hold nothing twice', () => {
  const schema = fields({
    set: { type: 'array', 'x-kubernetes-list-type': 'set', items: { type: 'string' } },
    map: {
      type: 'array',
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['k'],
      items: { type: 'object', properties: { k: { type: 'string' } } },
    },
  });
  const value = { spec: { set: ['a', 'b', 'a', 'a'], map: [{ k: '1' }, { k: '1', v: 2 }] } };
  expect(said(validateListTypes(schema, { path: '', value }))).toEqual([
    'spec.set[2]: Duplicate value: "a"',
    'spec.map[1]: Duplicate value: {"k":"1"}',
  ]);
  const odd = { spec: { map: [{ k: '1' }, null, 'a', 'a'] } };
  expect(said(validateListTypes(schema, { path: '', value: odd }))).toEqual([
    'spec.map[2]: Invalid value: "a": must be an object for an array of list-type map',
  ]);
});

describe('schemas', () => {
  const at = 'spec.validation.openAPIV3Schema';
  test.each<[string, JSONSchemaProps, string[]]>([
    ['good', fields({ a: { type: 'string', default: 'x' }, b: { 'x-kubernetes-int-or-string': true } }), []],
    ['no type', {}, [`${at}.type: Required value: must not be empty at the root`]],
    [
      'no type of a field',
      fields({ a: {} }),
      [`${at}.properties[spec].properties[a].type: Required value: must not be empty for specified object fields`],
    ],
    [
      'array without items',
      spec({ type: 'array' }),
      [`${at}.properties[spec].items: Required value: must be specified`],
    ],
    [
      'shape in a junction',
      spec({ type: 'object', anyOf: [{ type: 'object', properties: { a: { minimum: 1 } } }] }),
      [
        `${at}.properties[spec].anyOf[0].type: Forbidden: must be empty to be structural`,
        `${at}.properties[spec].properties[a]: Required value: because it is defined in ${at}.properties[spec].anyOf[0].properties[a]`,
      ],
    ],
    [
      'int or string by its long name',
      fields({ a: { 'x-kubernetes-int-or-string': true, anyOf: [{ type: 'integer' }, { type: 'string' }] } }),
      [],
    ],
    [
      'metadata restricted to names',
      {
        type: 'object',
        properties: { metadata: { type: 'object', properties: { name: { type: 'string', maxLength: 9 } } } },
      },
      [],
    ],
    [
      'metadata described otherwise',
      { type: 'object', properties: { metadata: { type: 'object', properties: { labels: { type: 'object' } } } } },
      [
        `${at}.properties[metadata]: Forbidden: must not specify anything other than name and generateName, but metadata is implicitly specified`,
      ],
    ],
    [
      'properties beside additionalProperties',
      fields({ a: { type: 'string' } }, { additionalProperties: { type: 'string' } }),
      [
        `${at}.properties[spec].additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive`,
      ],
    ],
    [
      'a default of another type',
      fields({ a: { type: 'string', default: 1 } }),
      [
        `${at}.properties[spec].properties[a].default: Invalid value: "integer":  in body must be of type string: "integer"`,
      ],
    ],
    [
      "a default of what is the server's",
      { type: 'object', properties: { kind: { type: 'string', default: 'K' } } },
      [`${at}.properties[kind].default: Forbidden: must not be set in top-level kind`],
    ],
    [
      'a default in the values of a map',
      spec({
        type: 'object',
        additionalProperties: { type: 'object', properties: { a: { type: 'string', default: 'x' } } },
      }),
      [],
    ],
    [
      'a list that is a map by an optional field and a set of maps',
      fields({
        map: {
          type: 'array',
          'x-kubernetes-list-type': 'map',
          'x-kubernetes-list-map-keys': ['k', 'none'],
          items: { type: 'object', properties: { k: { type: 'string' } } },
        },
        set: { type: 'array', 'x-kubernetes-list-type': 'set', items: { type: 'object' } },
      }),
      [
        `${at}.properties[spec].properties[map].items.properties[k].default: Required value: this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property`,
        `${at}.properties[spec].properties[map].x-kubernetes-list-map-keys: Invalid value: ["k","none"]: entries must all be names of item properties`,
        `${at}.properties[spec].properties[set].items.x-kubernetes-map-type: Invalid value: null: must be atomic as item of a list with x-kubernetes-list-type=set`,
      ],
    ],
    [
      'a default with unknown fields',
      fields({ a: { type: 'object', properties: {}, default: { b: 1 } } }),
      [`${at}.properties[spec].properties[a].default: Invalid value: {"b":1}: must not have unknown fields`],
    ],
  ])('%s', (_, schema, expected) => expect(said(validateSchema(schema, at))).toEqual(expected));

  test('one that is no end deep is refused, not walked', () => {
    let deep: JSONSchemaProps = { type: 'string' };
    for (let level = 0; level < 5000; level++) deep = { type: 'object', properties: { a: deep } };
    expect(validateSchema(deep, at)).toHaveLength(1);
  });

  test('are published with the metadata of every object', () => {
    const schema = fields({ a: { type: 'string', description: 'An a.', nullable: true } });
    const objectMeta = '#/definitions/ObjectMeta';
    expect(publishedSchema(schema, { version: 3, objectMeta })).toMatchObject({
      properties: {
        kind: { type: 'string' },
        metadata: { allOf: [{ $ref: objectMeta }] },
        spec: { properties: { a: { type: 'string', description: 'An a.', nullable: true } } },
      },
    });
    const a = { description: 'An a.' };
    expect(publishedSchema(schema, { version: 2, objectMeta })).toMatchObject({
      properties: { metadata: { $ref: objectMeta }, spec: { properties: { a } } },
    });
  });
});
