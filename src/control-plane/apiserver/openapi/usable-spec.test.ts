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

test('parameters that are told once for all paths are put where they are meant, with what they need', () => {
  const body = { in: 'body', name: 'body', required: true, schema: { $ref: '#/definitions/Options' } };
  const pretty = { in: 'query', name: 'pretty', type: 'string', uniqueItems: true };
  const at = (name: string) => ({ $ref: `#/parameters/${name}` });
  const item = (of: object, own: object[], all: object[]) => ({
    [AT]: { parameters: all, delete: { ...of, parameters: own } },
  });
  const { responses } = get;
  const given = document({
    paths: item({ responses }, [at('body-2Y1'), at('gone'), at('__proto__')], [at('pretty-tJG')]),
    parameters: { 'body-2Y1': body, 'pretty-tJG': pretty },
    definitions: { Thing: { type: 'object' }, Options: { type: 'object' } },
  });
  expect(usableSpec(given, ROOT)).toEqual({
    paths: item({ responses }, [body, at('gone'), at('__proto__')], [pretty]),
    definitions: { Thing: { type: 'object' }, Options: { type: 'object' } },
  });
});

test('nothing is taken of a short document that would become one without end', () => {
  const parameters = Array.from({ length: 1000 }, () => ({ $ref: '#/parameters/long' }));
  const long = { in: 'query', name: 'long', type: 'string', description: 'x'.repeat(20_000) };
  const given = document({ paths: { [AT]: { get: { ...get, parameters } } }, parameters: { long } });
  expect(usableSpec(given, ROOT)).toBeUndefined();
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
  ['parameters in a list', { parameters: [] }],
  ['what is nested too deep', { definitions: { Thing: { items: deep } } }],
])('nothing is taken of a document with %s', (_, more) => {
  expect(usableSpec(document(more), ROOT)).toBeUndefined();
});

test('nothing is taken of what is no document', () => {
  for (const given of [undefined, null, 5, 'x', [], deep]) expect(usableSpec(given, ROOT)).toBeUndefined();
});
