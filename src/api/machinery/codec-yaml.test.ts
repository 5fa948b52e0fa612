import { describe, expect, test } from 'vitest';
import { parseYaml } from './codec-yaml.ts';

const value = (text: string): unknown => {
  const result = parseYaml(text);
  return 'problem' in result ? result : result.value;
};

describe('scalars are read as kubectl reads them', () => {
  for (const [text, read] of [
    ['yes', true],
    ['off', false],
    ['"yes"', 'yes'],
    ['010', 8],
    ['0o10', 8],
    ['0x10', 16],
    ['1_000', 1000],
    ['12:30:45', '12:30:45'],
    ['2026-01-02', '2026-01-02'],
    ['~', null],
    ['1.5', 1.5],
    ['1e3', 1000],
    ['e3', 'e3'],
  ] as const)
    test(`${text} is ${JSON.stringify(read)}`, () => {
      expect(value(`a: ${text}`)).toEqual({ a: read });
    });
});

test('merge keys and anchors are followed', () => {
  expect(value('base: &b {a: 1}\nuse: {<<: *b, c: 2}')).toEqual({ base: { a: 1 }, use: { a: 1, c: 2 } });
});

test('the first document of several is read', () => {
  expect(value('# comment\n---\na: 1\n---\na: 2\n')).toEqual({ a: 1 });
  expect(value('--- {a: 1}')).toEqual({ a: 1 });
  expect(value('')).toBeNull();
});

test('keys are text', () => {
  expect(value('1: a\ntrue: b')).toEqual({ '1': 'a', true: 'b' });
});

test('keys that stand twice are told when asked', () => {
  const text = 'spec:\n  replicas: 1\n  replicas: 2\n';
  expect(parseYaml(text, { findDuplicates: true })).toEqual({
    value: { spec: { replicas: 2 } },
    duplicates: ['yaml: unmarshal errors:\n  line 3: key "replicas" already set in map'],
  });
});

test('a small text cannot become a large object', () => {
  const lines = ['a: &a [x,x,x,x,x,x,x,x,x]'];
  for (let level = 1; level < 9; level++) {
    const name = String.fromCharCode(97 + level);
    const before = String.fromCharCode(96 + level);
    lines.push(`${name}: &${name} [${Array(9).fill(`*${before}`).join(',')}]`);
  }
  expect(parseYaml(lines.join('\n'))).toEqual({
    problem: 'error converting YAML to JSON: yaml: document contains excessive aliasing',
  });
});

test('a text that is no YAML is refused with its line', () => {
  expect(parseYaml('a: [1\nb: 2')).toMatchObject({
    problem: expect.stringMatching(/^error converting YAML to JSON: yaml: line \d+: /),
  });
});

test('a key __proto__ changes no prototype', () => {
  const read = value('__proto__: {polluted: true}\na: 1');
  expect(Object.getPrototypeOf(read)).toBe(Object.prototype);
  expect(JSON.stringify(read)).toBe('{"__proto__":{"polluted":true},"a":1}');
});

test('nesting without end is refused', () => {
  const problem = 'error converting YAML to JSON: yaml: exceeded max depth of 1000';
  expect(parseYaml(`a: ${'['.repeat(20_000)}${']'.repeat(20_000)}`)).toEqual({ problem });
});

test('JSON is read as it is, and its duplicates as those of YAML', () => {
  expect(value('{"a": 1e3, "b": "yes", "c": "2026-01-02"}')).toEqual({ a: 1000, b: 'yes', c: '2026-01-02' });
  expect(parseYaml('{"a": 1,\n"a": 2}', { findDuplicates: true })).toEqual({
    value: { a: 2 },
    duplicates: ['yaml: unmarshal errors:\n  line 2: key "a" already set in map'],
  });
});

test.each([
  ['.', '.'],
  ['-.', '-.'],
  ['._', '._'],
  ['.5', 0.5],
  ['1.', 1],
  ['-1_0.5', -10.5],
  ['0_', 0],
  ['017', 15],
  ['0o17', 15],
  ['-010', -8],
  ['08', 8],
  ['1_000', 1000],
])('%s is %j', (text, expected) => {
  expect(parseYaml(`a: ${text}\n`)).toMatchObject({ value: { a: expected } });
});
