import { describe, expect, test } from 'vitest';
import { withDefaults } from './default-values.ts';
import { validateSchema } from './definition-rules.ts';
import { validateEmbedded } from './embedded-resources.ts';
import { pruneObject } from './prune.ts';
import { publishedSchema } from './published-schema.ts';
import type { JSONSchemaProps } from './schema-parts.ts';
import { fields, said, spec } from './schemas-fixture.ts';
import { validateListTypes } from './validate-list-types.ts';

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
