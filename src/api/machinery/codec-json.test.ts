import fc from 'fast-check';
import { expect, test } from 'vitest';
import { facts } from '#api/generated/facts.ts';
import { parseJson, parseJsonStrictly, parseWithoutDuplicates } from './codec-json.ts';

const deployment = { facts, type: facts.typeOfKind('apps', 'v1', 'Deployment')! };
const strictErrors = (text: string, shape: typeof deployment | undefined = deployment) => {
  const result = parseJsonStrictly(text, shape);
  return 'problem' in result ? result.problem : result.strictErrors;
};

test('unknown and duplicate fields are told in the order of the text', () => {
  const text = `{"kind":"Deployment","unknown1":1,"spec":{"unknownDupe":1,"paused":true,"unknownDupe":2,"paused":false,
    "template":{"spec":{"containers":[{"name":"a","unknownNested":1,"imagePullPolicy":"Always","imagePullPolicy":"Never"}]}}}}`;
  expect(strictErrors(text)).toEqual([
    'unknown field "unknown1"',
    'unknown field "spec.unknownDupe"',
    'duplicate field "spec.paused"',
    'unknown field "spec.template.spec.containers[0].unknownNested"',
    'duplicate field "spec.template.spec.containers[0].imagePullPolicy"',
  ]);
});

test('the last of two values counts, as in Go', () => {
  expect(parseJsonStrictly('{"a":1,"a":2}')).toEqual({ value: { a: 2 }, strictErrors: ['duplicate field "a"'] });
});

test('keys of maps are all known but may stand only once', () => {
  expect(strictErrors('{"metadata":{"labels":{"x":"1","x":"2"}}}')).toEqual(['duplicate field "metadata.labels.x"']);
});

for (const [text, problem] of [
  ['', 'unexpected end of JSON input'],
  ['{', 'unexpected end of JSON input'],
  ['bad', "invalid character 'b' looking for beginning of value"],
  ['{a', "invalid character 'a' looking for beginning of object key string"],
  ['{"a" 1}', "invalid character '1' after object key"],
  ['{"a":1 "b"}', `invalid character '"' after object key:value pair`],
  ['[1 2]', "invalid character '2' after array element"],
  ['{} x', "invalid character 'x' after top-level value"],
  ['trie', "invalid character 'i' in literal true (expecting 'u')"],
  ['1.x', "invalid character 'x' after decimal point in numeric literal"],
  ['"\n"', "invalid character '\\n' in string literal"],
] as const)
  test(`${JSON.stringify(text)}: ${problem}`, () => {
    expect(parseJson(text)).toEqual({ problem });
  });

test('whatever the engine reads, the strict reader reads the same', () => {
  fc.assert(
    fc.property(fc.json(), (text) => {
      expect(parseJsonStrictly(text)).toMatchObject({ value: JSON.parse(text) });
    }),
  );
});

test('whatever the engine refuses, the strict reader refuses', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[[\]{}",:0-9eE.+\-truefalsn \\u]{0,12}$/), (text) => {
      let engineReads = true;
      try {
        JSON.parse(text);
      } catch {
        engineReads = false;
      }
      expect('value' in parseJsonStrictly(text)).toBe(engineReads);
    }),
    { numRuns: 500 },
  );
});

test('nesting without end is refused', () => {
  expect(parseJsonStrictly('['.repeat(100_000))).toEqual({ problem: 'exceeded max depth' });
});

test('the quick reader reads what has no key twice, and leaves the rest to the strict one', () => {
  const key = fc.constantFrom('a', 'b', '\\"', 'a:', '__proto__', '\\\\', '1');
  const { text } = fc.letrec<{ text: string }>((tie) => ({
    text: fc.oneof(
      { maxDepth: 4 },
      fc.constantFrom('1', 'null', '"x"', '"a\\":"', '"\\\\"', '" : "'),
      fc.array(fc.tuple(key, tie('text')), { maxLength: 3 }).map((fields) => {
        return `{${fields.map(([name, value]) => `"${name}" :${value}`).join(', ')}}`;
      }),
      fc.array(tie('text'), { maxLength: 3 }).map((items) => `[${items.join(',')}]`),
    ),
  }));
  fc.assert(
    fc.property(text, (json) => {
      const strict = parseJsonStrictly(json);
      const isUnique = !('problem' in strict) && strict.strictErrors.length === 0;
      expect(parseWithoutDuplicates(json)).toEqual(isUnique ? { value: JSON.parse(json) } : undefined);
    }),
  );
});

test('the quick reader leaves what is too deep, and what is no JSON, to the strict one', () => {
  const deep = '['.repeat(5_000) + ']'.repeat(5_000);
  expect(parseWithoutDuplicates(deep)).toBeUndefined();
  expect(parseWithoutDuplicates('{"a":1')).toBeUndefined();
});
