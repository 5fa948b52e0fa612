import { describe, expect, test } from 'vitest';
import type { JSONSchemaProps } from './schema-parts.ts';
import { fields, said } from './schemas-fixture.ts';
import { validateValue } from './validate-value.ts';

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
