import { expect, test } from 'vitest';
import type { JSONSchemaProps } from '../structural-schema/schema-parts.ts';
import { optionalType } from './declared-type.ts';
import { environment } from './environment.ts';
import { escapeName, unescapeName } from './escaping.ts';
import { schemaType } from './schema-type.ts';

/** The outcome of an expression about one object of a schema. */
function evaluate(schema: JSONSchemaProps, self: unknown, source: string, isResourceRoot = false) {
  const { program, issues } = environment({ variables: { self: schemaType(schema, { isResourceRoot })! } }).compile(
    source,
  );
  return program ? program.evaluate({ self }) : { error: issues.map(({ message }) => message).join() };
}

test.each([
  ['a-b.c/d', 'a__dash__b__dot__c__slash__d'],
  ['a__b', 'a__underscores__b'],
  ['namespace', '__namespace__'],
  ['plain_name', 'plain_name'],
])('the field %s is written %s', (name, escaped) => {
  expect(escapeName(name)).toBe(escaped);
  expect(unescapeName(escaped)).toBe(name);
});

test.each(['', '1st', 'ü', 'a b', 'a$'])('the field %j cannot be written', (name) => {
  expect(escapeName(name)).toBeUndefined();
});

test.each(['a__nope__', 'x__in__y'])('%s is no escape', (name) => {
  expect(unescapeName(name)).toBeUndefined();
});

const text: JSONSchemaProps = { type: 'string' };
const fields: JSONSchemaProps = { type: 'object', properties: { 'a-b': text, namespace: text, ü: text, free: {} } };

test('fields are asked for by their escaped names, reserved words with and without', () => {
  const self = { 'a-b': 'x', namespace: 'y' };
  expect(evaluate(fields, self, "self.a__dash__b == 'x' && self.namespace == self.__namespace__")).toMatchObject({
    value: true,
  });
});

test('fields of no type, and those whose names cannot be written, are not there', () => {
  expect(evaluate(fields, {}, 'has(self.free)').error).toBe("undefined field 'free'");
});

test('the root of a resource has its type and its name, whatever the schema says', () => {
  const self = { apiVersion: 'v1', kind: 'K', metadata: { name: 'n', labels: {} } };
  const schema: JSONSchemaProps = { type: 'object', properties: {} };
  expect(evaluate(schema, self, "self.kind == 'K' && self.metadata.name == 'n'", true)).toMatchObject({ value: true });
  expect(evaluate(schema, self, 'has(self.metadata.labels)', true).error).toBe("undefined field 'labels'");
  expect(evaluate(schema, self, 'self.kind').error).toBe("undefined field 'kind'");
});

test('a nullable field that is null is not there; an item may be null', () => {
  const nullable: JSONSchemaProps = {
    type: 'object',
    properties: {
      a: { type: 'string', nullable: true },
      l: { type: 'array', items: { type: 'string', nullable: true } },
    },
  };
  expect(evaluate(nullable, { a: null, l: [null] }, '!has(self.a) && dyn(self.l[0]) == null')).toMatchObject({
    value: true,
  });
});

test('what does not fit its schema is an error when it is asked for, and only then', () => {
  const self = { 'a-b': 5, namespace: 'x' };
  expect(evaluate(fields, self, "self.namespace == 'x'")).toMatchObject({ value: true });
  expect(evaluate(fields, self, "self.a__dash__b == 'x'").error).toBe('invalid data, expected string, got int64');
});

test('an unknown field counts when objects are compared', () => {
  const schema: JSONSchemaProps = { type: 'object', properties: { l: { type: 'array', items: fields } } };
  const pair = (a: unknown, b: unknown) => evaluate(schema, { l: [a, b] }, 'self.l[0] == self.l[1]');
  expect(pair({ free: { x: [1] } }, { free: { x: [1] } })).toMatchObject({ value: true });
  expect(pair({ free: { x: [1] } }, { free: { x: [2] } })).toMatchObject({ value: false });
});

test('lists of type set and map compare without order', () => {
  const set: JSONSchemaProps = { type: 'array', items: text, 'x-kubernetes-list-type': 'set' };
  const schema: JSONSchemaProps = {
    type: 'object',
    properties: { a: set, b: { ...set }, c: { type: 'array', items: text } },
  };
  const self = { a: ['x', 'y'], b: ['y', 'x'], c: ['y', 'x'] };
  expect(evaluate(schema, self, 'self.a == self.b && self.a == self.c && self.c != self.a')).toMatchObject({
    value: true,
  });
});

test('oldSelf may be optional: none when there was no object', () => {
  const self = schemaType({ type: 'object', properties: { n: { type: 'integer' } } })!;
  const { program } = environment({ variables: { self, oldSelf: optionalType(self) } }).compile(
    'oldSelf.?n.orValue(0) < self.n && (!oldSelf.hasValue() || oldSelf.value().n > 0)',
  );
  expect(program!.variables).toEqual(new Set(['oldSelf', 'self']));
  expect(program!.evaluate({ self: { n: 1 } })).toMatchObject({ value: true });
  expect(program!.evaluate({ self: { n: 1 }, oldSelf: { n: 3 } })).toMatchObject({ value: false });
});

test('a program does not change and does not copy the object', () => {
  const self = Object.freeze({ 'a-b': 'x', namespace: 'y' });
  expect(evaluate(fields, self, '[self].map(x, x)[0] == self')).toMatchObject({ value: true });
});

test('the worst case grows with the bounds of lists and texts', () => {
  const bounded = (maxItems?: number): JSONSchemaProps => ({
    type: 'object',
    properties: { l: { type: 'array', maxItems, items: { type: 'string', maxLength: 10 } } },
  });
  const worst = (schema: JSONSchemaProps) =>
    environment({ variables: { self: schemaType(schema)! } })
      .compile("self.l.all(x, x.startsWith('a'))")
      .program!.estimateCost().max;
  expect(worst(bounded(10))).toBe(53);
  expect(worst(bounded(1000))).toBe(5003);
  expect(worst(bounded())).toBe(5242878);
});
