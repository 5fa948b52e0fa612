import { expect, test } from 'vitest';
import type { Json } from '#api/machinery/json-value.ts';
import { usableSpec } from './usable-spec.ts';

const ROOT = '/apis/a.example.com/v1/';
const AT = `${ROOT}things`;
const get = { responses: { '200': { description: 'OK', schema: { $ref: '#/definitions/Thing' } } } };
const document = (more: object): Json => ({
  paths: { [AT]: { get }, '/other': { get } },
  definitions: { Thing: { type: 'object' }, Other: { type: 'object' } },
  ...more,
});

test('what is about the group is taken', () => {
  expect(usableSpec(document({}), ROOT)).toEqual({
    paths: { [AT]: { get } },
    definitions: { Thing: { type: 'object' } },
  });
});

let deep: Json = {};
for (let i = 0; i < 100_000; i++) deep = [deep];

test.each<[string, object]>([
  ['no paths', { paths: 5 }],
  ['a path that is null', { paths: { [AT]: null } }],
  ['an operation that is null', { paths: { [AT]: { get: null } } }],
  ['a response that is null', { paths: { [AT]: { get: { responses: { '200': null } } } } }],
  ['a property that is null', { definitions: { Thing: { properties: { a: null } } } }],
  ['definitions in a list', { definitions: [] }],
  ['what is nested too deep', { definitions: { Thing: { items: deep } } }],
])('nothing is taken of a document with %s', (_, more) => {
  expect(usableSpec(document(more), ROOT)).toBeUndefined();
});

test('nothing is taken of what is no document', () => {
  for (const given of [undefined, null, 5, 'x', [], deep]) expect(usableSpec(given, ROOT)).toBeUndefined();
});
