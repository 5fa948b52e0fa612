import { expect, test } from 'vitest';
import { dynType } from './declared-type.ts';
import { type Environment, environment } from './environment.ts';
import { formatIssues } from './issue.ts';
import { COST_LIMIT_EXCEEDED } from './limits.ts';

const env: Environment = environment({ variables: { object: dynType } });

function programOf(source: string) {
  const { program, issues } = env.compile(source);
  if (issues) throw new Error(formatIssues(issues));
  return program;
}

const many = Array.from({ length: 2000 }, (_, i) => i);

test('an evaluation ends when it has cost a million units', () => {
  const program = programOf('object.all(x, object.all(y, x != y || x == y))');
  const { error, cost } = program.evaluate({ object: many });
  expect(error).toBe(COST_LIMIT_EXCEEDED);
  expect(cost).toBeGreaterThan(1_000_000);
  expect(cost).toBeLessThan(1_000_100);
});

test('the limit can be given, and what costs exactly as much is allowed', () => {
  const program = programOf('object + 1');
  expect(program.evaluate({ object: 1 }, { costLimit: 2 })).toEqual({ value: 2, cost: 2 });
  expect(program.evaluate({ object: 1 }, { costLimit: 1 }).error).toBe(COST_LIMIT_EXCEEDED);
});

test('no || and no quantifier leaves the end of the costs aside', () => {
  const program = programOf('object.all(x, object.all(y, x >= 0)) || true');
  expect(program.evaluate({ object: many }).error).toBe(COST_LIMIT_EXCEEDED);
});

/** As large as a request may be, to hold up what looks at all of it for the price of one look. */
const deep = Array.from({ length: 100 }, () => Array.from({ length: 2000 }, (_, i) => [i]));

test.each([
  ['deep objects that are compared again and again', 'object.a.all(x, object.b == object.c)'],
  ['a pattern that is short and slow', "object.a.all(x, !object.s.matches('(a?){1000}a{1000}b'))"],
  ['a text made of a whole object', "object.a.all(x, '%s'.format([object.b]).size() > 0)"],
  ['a text that grows by replacing', "object.s.replace('', object.s).size() > 0"],
  ['a text that grows by joining', "object.a.map(x, 'a').join(object.s).size() > 0"],
  ['lists that are flattened', 'object.a.all(x, object.b.flatten().size() > 0)'],
])('%s cannot hold the thread', (_, source) => {
  const object = {
    a: Array.from({ length: 3000 }, () => 'a'),
    b: deep,
    c: structuredClone(deep),
    s: 'a'.repeat(20_000),
  };
  expect(programOf(source).evaluate({ object }).error).toBe(COST_LIMIT_EXCEEDED);
});

test('adding long lists again and again makes no longer list', () => {
  const sum = (depth: number): string => (depth === 0 ? 'object' : `(${sum(depth - 1)} + ${sum(depth - 1)})`);
  expect(programOf(`size(${sum(10)})`).evaluate({ object: many })).toMatchObject({ value: 2000 * 1024 });
});

test.each([
  ['parentheses', `${'('.repeat(300)}1${')'.repeat(300)}`],
  ['lists', `${'['.repeat(300)}1${']'.repeat(300)}`],
  ['sums', Array.from({ length: 300 }, () => '1').join(' + ')],
  ['fields', `object${'.a'.repeat(300)}`],
  ['conditions', Array.from({ length: 300 }, () => 'true ? 1').join(' : ')],
])('more than 250 %s within one another are refused', (_, source) => {
  const { issues } = env.compile(source);
  expect(formatIssues(issues ?? [])).toBe('ERROR: <input>:-1:0: expression recursion limit exceeded: 250');
});

test('a long row of || is no deep expression', () => {
  const source = Array.from({ length: 5000 }, (_, i) => `object == ${i}`).join(' || ');
  expect(programOf(source).evaluate({ object: 4999 })).toMatchObject({ value: true });
});

test('an expression of more than 100000 characters is refused', () => {
  const { issues } = env.compile(`'${'a'.repeat(100_000)}'`);
  expect(issues?.[0]?.message).toBe('expression code point size exceeds limit: size: 100002, limit 100000');
});

test('macros that copy their argument cannot make an expression grow without bound', () => {
  const { issues } = env.compile(`optional.of(1)${'.optMap(x, x)'.repeat(60)}`);
  expect(issues?.[0]?.message).toMatch(/more than 200000 parts/);
});

test('__proto__ is a key like any other, and never an object’s prototype', () => {
  const object = JSON.parse('{"__proto__": {"a": 1}, "b": 2}');
  const has = programOf(
    "has(object.__proto__) && object.__proto__.a == 1 && !has(object.constructor) && '__proto__' in object",
  );
  expect(has.evaluate({ object })).toMatchObject({ value: true });
  expect(programOf('has(object.__proto__)').evaluate({ object: {} })).toMatchObject({ value: false });
  expect(programOf("{'__proto__': 1}['__proto__']").evaluate({})).toMatchObject({ value: 1 });
  expect(programOf('object').evaluate(Object.create({ object: 1 })).error).toBe('no such attribute(s): object');
});
