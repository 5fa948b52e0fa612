import { expect, test } from 'vitest';
import { parseYaml } from './codec-yaml.ts';
import { yamlProblem } from './yaml-problem.ts';

/** As Go's reader tells them (taken down from kubectl 1.36). */
test.each([
  ['kind: X\nmetadata:\n  name: x\ndata:\n  a: b: c\n', 'line 5: mapping values are not allowed in this context'],
  ['kind: X\nmetadata:\n  name: x\ndata:\n\ta: b\n', 'line 5: found character that cannot start any token'],
  ['kind: X\nmetadata:\n  name: x\ndata:\n  a: "b\n', 'line 6: found unexpected end of stream'],
  ["kind: X\nmetadata:\n  name: x\ndata:\n  a: 'b\n", 'line 6: found unexpected end of stream'],
  ['kind: X\nmetadata:\n  name: x\ndata:\n  a: [1, 2\n', "line 5: did not find expected ',' or ']'"],
  ['kind: X\nmetadata:\n  name: x\ndata:\n  a: {b: c\n', "line 5: did not find expected ',' or '}'"],
  ['kind: X\nmetadata:\n  name: x\ndata:\n  a: b\n c: d\n', 'line 5: did not find expected key'],
  ['kind: X\nmetadata:\n  name: x\ndata:\n  a: b\n   c: d\n', 'line 6: mapping values are not allowed in this context'],
  ['kind: X\nmetadata:\n  name: x\ndata:\n- a\n  b\nc\n', "line 8: could not find expected ':'"],
  ['kind: X\nmetadata:\n  name: x\ndata\n  a: b\n', "line 5: could not find expected ':'"],
  ['kind: X\nmetadata:\n  name: x\ndata: !a!b x\n', 'line 3: found undefined tag handle'],
  ['kind: X\nmetadata:\n  name: x\ndata: %x\n', 'line 4: found character that cannot start any token'],
  ['kind: X\nmetadata:\n  name: x\ndata: @x\n', 'line 4: found character that cannot start any token'],
  ['kind: X\nmetadata:\n  name: x\ndata: `x`\n', 'line 4: found character that cannot start any token'],
  ['kind: X\nmetadata:\n  name: x\ndata: {a: b}}\n', 'line 3: did not find expected key'],
  ['kind: X\nmetadata:\n  name: x\ndata: [a]]\n', 'line 3: did not find expected key'],
  ['kind: X\nmetadata:\n  name: x\ndata: "a" b\n', 'line 3: did not find expected key'],
  ['kind: X\nmetadata:\n  name: x\ndata: "\\q"\n', 'line 4: found unknown escape character'],
  ['kind: X\nmetadata:\n  name: x\ndata: |x\n a\n', 'line 4: did not find expected comment or line break'],
  ['kind: X\nmetadata:\n  name: x\ndata: - a\n', 'line 4: block sequence entries are not allowed in this context'],
  ['kind: X\nmetadata:\n  name: x\ndata:\n  - a\n b\n', 'line 5: did not find expected key'],
  ['kind: X\nmetadata:\n  name: x\ndata:\n  - a\n - b\n', 'line 5: did not find expected key'],
  ['kind: X\nmetadata:\n  name: x\ndata:\n  ? a\n  b\n', "line 7: could not find expected ':'"],
  ['kind: X\nmetadata:\n  name: x\n data: x\n', 'line 3: did not find expected key'],
  ['apiVersion: v1\n kind: ConfigMap\n', 'line 2: mapping values are not allowed in this context'],
  ['apiVersion: v1\nkind ConfigMap\nmetadata: {}\n', "line 3: could not find expected ':'"],
  ['apiVersion:v1\nkind: ConfigMap\n', 'line 2: mapping values are not allowed in this context'],
  ['- a\nb: c\n', "line 1: did not find expected '-' indicator"],
  ['a: b\n- c\n', 'line 1: did not find expected key'],
  ['a: {{ .x }}-y\n', 'did not find expected key'],
  ['a:\n  {{ if x }}\n  b: c\n  {{ end }}\n', 'line 2: did not find expected key'],
  ['a: |\n  text\n more\n', 'line 2: did not find expected key'],
  ['a: >-\n\ttext\n', 'line 2: found a tab character where an indentation space is expected'],
  ['a: b\n\tc: d\n', 'line 2: found a tab character that violates indentation'],
  ['a: 1\nb: [\n', 'line 2: did not find expected node content'],
  ['"a: b\n', 'line 2: found unexpected end of stream'],
  ["a: don't: x\n", 'mapping values are not allowed in this context'],
  ['a: "x" "y"\nb: c\n', 'did not find expected key'],
  ['a: b #c\n d: e\n', 'line 1: did not find expected key'],
  ['a: [b: c: d]\n', "did not find expected ',' or ']'"],
  ['a: [b, , c]\n', 'did not find expected node content'],
  ['a: {b: c d: e}\n', "did not find expected ',' or '}'"],
  ['a: ]\n', 'did not find expected node content'],
  ['a: }\n', 'did not find expected node content'],
  ['a: ,b\n', 'did not find expected node content'],
  ['a: &\n', 'did not find expected alphabetic or numeric character'],
  ['a: *\n', 'did not find expected alphabetic or numeric character'],
  ['a: !<\n', 'did not find expected tag URI'],
  ['a: "\\x4"\n', 'did not find expected hexdecimal number'],
  ['a: "\\u12"\n', 'did not find expected hexdecimal number'],
  ['kind: X\nmetadata:\n  name: x\ndata: \n  a: |\n b\n  c: d\n', 'line 5: did not find expected key'],
  [
    'kind: X\nmetadata:\n  name: x\nspec:\n  containers:\n  - name: a\n   image: b\n',
    'line 6: did not find expected key',
  ],
  [
    'kind: X\nmetadata:\n  name: x\nspec:\n  containers:\n  - name: a\n     image: b\n',
    'line 7: mapping values are not allowed in this context',
  ],
  [
    'kind: X\nmetadata:\n  name: x\nspec:\n  containers:\n    - name: a\n    image: b\n',
    "line 6: did not find expected '-' indicator",
  ],
  ['kind: X\nmetadata:\n  name: x\nspec:\n  containers:\n  name: a\n  - x\n', 'line 6: did not find expected key'],
  [
    'kind: X\nmetadata:\n  name: x\ndata:\n  a: foo "bar": x\n',
    'line 5: mapping values are not allowed in this context',
  ],
  ['kind: X\nmetadata:\n  name: x\ndata:\n  a:b\n  c: d\n', 'line 6: mapping values are not allowed in this context'],
  ['kind: X\nmetadata:\n  name: x\ndata:\n  a: b\n  c\n', "line 7: could not find expected ':'"],
  ['kind: X\nmetadata:\n  name: x\ndata:\n  a: b\n  c\n  d: e\n', "line 7: could not find expected ':'"],
  [
    'kind: X\nmetadata:\n  name: x\ndata:\n  "a": "b\n  c": d\n  e: f\n',
    'line 6: mapping values are not allowed in this context',
  ],
  ['kind: X\nmetadata:\n  name: x\ndata: {\n  a: b\n  c: d\n}\n', "line 5: did not find expected ',' or '}'"],
  ['kind: X\nmetadata:\n  name: x\ndata: [\n  a\n  b: c\n]\n', "line 5: did not find expected ',' or ']'"],
  ['- \n- - a\n -b\n', "line 2: did not find expected '-' indicator"],
  ['%TAG !a! x\n---\na: !a!b c\nd: !e!f g: h\n', 'line 3: found undefined tag handle'],
  ['a: !a!b c # %TAG !a! x\n', 'found undefined tag handle'],
  ['a: ! !str x\nb: c: d\n', 'did not find expected key'],
  ['a: &x &y z\nb: c: d\n', 'did not find expected key'],
  ['a: !!str &y z\nb: &q !!str c: d\n', 'line 2: mapping values are not allowed in this context'],
  ['%YAML  1.1\n---\na: b: c\n', 'line 3: mapping values are not allowed in this context'],
  ['%YAML 2.0\n---\na: b\nc\n', 'found incompatible YAML document'],
])('%j: %s', (text, problem) => {
  expect(yamlProblem(text)).toBe(problem);
  expect(parseYaml(text)).toEqual({ problem: `error converting YAML to JSON: yaml: ${problem}` });
});

test.each([
  'a: b\nc:\n  - d\n  - {e: f, g: [h, "i"]}\n',
  '# nothing\n',
  '--- \na: &x b\nc: *x\n...\n[no: matter',
  'a: |\n  text\n\n  more\nb: >-\n  folded\n',
  'a: "b\\\n  c"\n? d\n: e\n',
  '%YAML 1.1\n---\na: !!str b\n',
])('no fault is found in %j', (text) => {
  expect(yamlProblem(text)).toBeUndefined();
  expect(parseYaml(text)).toHaveProperty('value');
});

test.each([
  ['a: {{ .name }}', 'yaml: invalid map key: map[interface {}]interface {}{".name":interface {}(nil)}'],
  ['? [a, 1]\n: b', 'yaml: invalid map key: []interface {}{"a", 1}'],
  ['a: *nobody', "yaml: unknown anchor 'nobody' referenced"],
  ['<<: x', 'yaml: map merge requires map or sequence of maps as the value'],
])('what is well-formed and still cannot be read: %j', (text, problem) => {
  expect(parseYaml(text)).toEqual({ problem: `error converting YAML to JSON: ${problem}` });
});

test.each([
  ['brackets', '['.repeat(1_000_000), 'exceeded max depth of 1000'],
  ['dashes', '- '.repeat(500_000), 'exceeded max depth of 1000'],
  ['keys within brackets', `${'['.repeat(900)}${'a: b, '.repeat(20_000)}}`, 'did not find expected node content'],
  [
    'brackets that close',
    `[${`${'['.repeat(900)}${']'.repeat(900)},`.repeat(1500)}`,
    'line 1: did not find expected node content',
  ],
  [
    'directives',
    `${'%TAG !a! x\n'.repeat(30_000)}---\na: b: c`,
    'line 30002: mapping values are not allowed in this context',
  ],
  ['tags', `%TAG !a! x\n---\n[${'!a!b c,'.repeat(50_000)}`, 'line 3: did not find expected node content'],
])('a broken text of many %s is judged in no time', (_what, text, problem) => {
  const startMs = performance.now();
  expect(yamlProblem(text)).toBe(problem);
  expect(performance.now() - startMs).toBeLessThan(4000);
});
