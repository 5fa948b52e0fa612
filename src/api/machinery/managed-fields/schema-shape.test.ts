import { expect, test } from 'vitest';
import { facts } from '#api/generated/facts.ts';
import type { JSONSchemaProps } from '#api/generated/schema.ts';
import type { JsonObject } from '../json-value.ts';
import { fieldsOfConfiguration, mergeConfiguration } from './applied-configuration.ts';
import { shapeOfSchema } from './schema-shape.ts';

const text = { type: 'string' };
const object = (properties: Record<string, unknown>, more: object = {}) => ({ type: 'object', properties, ...more });
const list = (items: unknown, more: object = {}) => ({ type: 'array', items, ...more });
const schema = object({
  spec: object({
    colours: list(text, { 'x-kubernetes-list-type': 'set' }),
    doors: list(object({ name: text, side: { type: 'string', default: 'left' }, lock: text }), {
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['name', 'side'],
    }),
    steps: list(text),
    point: object({ x: { type: 'integer' } }, { 'x-kubernetes-map-type': 'atomic' }),
    limits: { type: 'object', additionalProperties: text },
    anything: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
    port: { 'x-kubernetes-int-or-string': true },
    since: { type: 'string', format: 'date-time' },
    template: object({ spec: object({ size: text }) }, { 'x-kubernetes-embedded-resource': true }),
  }),
}) as unknown as JSONSchemaProps;
const shape = shapeOfSchema(facts, schema);

const named = (spec: JsonObject) => fieldsOfConfiguration({ metadata: { name: 'a' }, spec }, shape);
const setOf = (spec: JsonObject) => (named(spec) as { set?: Record<string, unknown> }).set?.['f:spec'];

test.each([
  ['items of a set are themselves', { colours: ['red'] }, { 'f:colours': { 'v:"red"': {} } }],
  [
    'items of a map are known by their keys, defaulted ones too',
    { doors: [{ name: 'front', lock: 'x' }] },
    {
      'f:doors': { 'k:{"name":"front","side":"left"}': { '.': {}, 'f:lock': {}, 'f:name': {} } },
    },
  ],
  ['any other list is one value', { steps: ['a', 'b'] }, { 'f:steps': {} }],
  ['an atomic map is one value', { point: { x: 1 } }, { 'f:point': {} }],
  ['a map has entries', { limits: { a: '1' } }, { 'f:limits': { 'f:a': {} } }],
  [
    'what the schema leaves open is deduced',
    { anything: { list: [1], deep: { a: 1 } } },
    { 'f:anything': { 'f:deep': { 'f:a': {} }, 'f:list': {} } },
  ],
  ['a number or a string is one value', { port: 8 }, { 'f:port': {} }],
  [
    'an embedded object has metadata',
    { template: { metadata: { labels: { a: 'b' } }, spec: { size: 'x' } } },
    { 'f:template': { 'f:metadata': { 'f:labels': { 'f:a': {} } }, 'f:spec': { 'f:size': {} } } },
  ],
])('%s', (_, spec, wanted) => {
  expect(setOf(spec as unknown as JsonObject)).toEqual(wanted);
});

test('a field that the schema does not have is named', () => {
  expect(named({ colour: 'red' })).toEqual({ problems: ['.spec.colour: field not declared in schema'] });
});

test('lists of maps are merged item by item, sets value by value', () => {
  const live = { spec: { colours: ['red'], doors: [{ name: 'front', side: 'left', lock: 'a' }], steps: ['a'] } };
  const applied = {
    spec: { colours: ['blue'], doors: [{ name: 'front', lock: 'b' }, { name: 'back' }], steps: ['b'] },
  };
  expect(mergeConfiguration(live as unknown as JsonObject, applied as unknown as JsonObject, shape)).toEqual({
    spec: {
      colours: ['red', 'blue'],
      doors: [{ name: 'front', side: 'left', lock: 'b' }, { name: 'back' }],
      steps: ['b'],
    },
  });
});

test.each<[string, unknown, string]>([
  ['a text in a set', { colours: [5] }, '.colours[=5]: expected string, got &value.valueUnstructured{Value:5}'],
  [
    'a field of an item',
    { doors: [{ name: 'a', lock: true }] },
    '.doors[name="a",side="left"].lock: expected string, got &value.valueUnstructured{Value:true}',
  ],
  [
    'an item of a list',
    { steps: ['a', {}] },
    '.steps[1]: expected string, got &value.valueUnstructured{Value:map[string]interface {}{}}',
  ],
  ['a list', { steps: 'a' }, '.steps: expected list, got &{a}'],
  ['a field of what is one value', { point: { x: '1' } }, '.point.x: expected numeric (int or float), got string'],
  ['a field that what is one value has not', { point: { y: 1 } }, '.point.y: field not declared in schema'],
  ['an entry', { limits: { a: 1 } }, '.limits.a: expected string, got &value.valueUnstructured{Value:1}'],
  [
    'the kind of an object',
    { template: { kind: 1 } },
    '.template.kind: expected string, got &value.valueUnstructured{Value:1}',
  ],
  ['a date', { since: {} }, '.since: expected any scalar, got &{map[]}'],
])('%s of another type is named', (_, spec, problem) => {
  expect(named(spec as JsonObject)).toEqual({ problems: [`.spec${problem}`] });
});

test('null, and what more than one type may stand for, is of no other type', () => {
  expect(named({ port: {}, steps: null, colours: null, point: { x: null }, since: 5, anything: [1] })).toHaveProperty(
    'set',
  );
});
