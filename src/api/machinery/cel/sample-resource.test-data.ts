/** A schema with each kind of field, and an object of it: what the tests' expressions are about. */
import type { JSONSchemaProps } from '../structural-schema/schema-parts.ts';

export const sampleSchema: JSONSchemaProps = {
  type: 'object',
  properties: {
    i: { type: 'integer' },
    n: { type: 'number' },
    s: { type: 'string', maxLength: 10 },
    u: { type: 'string' },
    b: { type: 'boolean' },
    l: { type: 'array', maxItems: 5, items: { type: 'string', maxLength: 20 } },
    ll: { type: 'array', items: { type: 'integer' } },
    o: {
      type: 'object',
      properties: {
        x: { type: 'integer' },
        y: { type: 'string' },
        'a-b': { type: 'string' },
        namespace: { type: 'string' },
      },
    },
    m: { type: 'object', additionalProperties: { type: 'string' } },
    mi: { type: 'object', maxProperties: 3, additionalProperties: { type: 'integer' } },
    lo: {
      type: 'array',
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['k'],
      items: { type: 'object', required: ['k'], properties: { k: { type: 'string' }, v: { type: 'integer' } } },
    },
    set: { type: 'array', 'x-kubernetes-list-type': 'set', items: { type: 'string' } },
    ios: { 'x-kubernetes-int-or-string': true },
    t: { type: 'string', format: 'date-time' },
    d: { type: 'string', format: 'duration' },
    by: { type: 'string', format: 'byte' },
    date: { type: 'string', format: 'date' },
    nul: { type: 'string', nullable: true },
    e: { type: 'string', enum: ['a', 'bbb'] },
  },
};

export const sampleSelf = {
  i: 3,
  n: 1.5,
  s: 'abc',
  u: 'üñ😀x',
  b: true,
  l: ['a', 'bb', 'ccc'],
  ll: [3, 1, 2],
  o: { x: 1, y: 'why', 'a-b': 'ab', namespace: 'ns' },
  m: { k1: 'v1', k2: 'v2' },
  mi: { a: 1 },
  lo: [
    { k: 'a', v: 1 },
    { k: 'b', v: 2 },
  ],
  set: ['x', 'y'],
  ios: '50%',
  t: '2020-01-02T03:04:05Z',
  d: '1h',
  by: 'AQID',
  date: '2020-01-02',
  nul: null,
  e: 'a',
};

/** Of no known type. */
export const sampleObject = {
  a: 1,
  s: 'str',
  f: 1.5,
  l: [1, 2, 3],
  m: { x: { y: 'z' } },
  n: null,
  t: true,
  ls: ['a', 'b'],
};
