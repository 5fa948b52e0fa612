import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseYaml } from './codec-yaml.ts';
import { readPlainYaml } from './plain-yaml.ts';

const LIMITS = { maxDepth: 100, maxDuplicates: 100, scalar: (text: string) => text };

/** The full reader alone: the quick one does not read texts with such a character. */
const byFullReader = (text: string) => parseYaml(`#\u2028\n${text}`, { findDuplicates: true });

const withoutLines = (answer: ReturnType<typeof parseYaml>) =>
  'value' in answer
    ? { ...answer, duplicates: answer.duplicates.map((all) => all.replace(/line \d+/g, 'line')) }
    : answer;

const isReadQuickly = (text: string) => readPlainYaml(text, LIMITS) !== undefined;

const MANIFEST = `# a Deployment
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: "web"   # quoted
  labels: {app: web, tier: 'front end', "a b": "c\\n\\u00e9"}
  annotations:
    text: |
      first line
        indented

      last line
    kept: |+
      a

    stripped: |-
      b
    note: goes on
      in a second line

      and a third
spec:
  replicas: 0x10
  ratio: .5
  paused: off
  nothing:
  template:
    spec:
      containers:
      - name: web
        image: registry.example.com/web:1.0
        command: [sh, -c, 'it''s: here', --flag=a:b, "x"]
        ports:
        - containerPort: 80
        - {containerPort: 8443, name: https}
        env: []
        resources: {}
      -
        name: other
      - - nested
        - 12:30:45
---
ignored: true
`;

test('a manifest is read quickly, and as the full reader reads it', () => {
  expect(isReadQuickly(MANIFEST)).toBe(true);
  const read = parseYaml(MANIFEST, { findDuplicates: true });
  expect(read).toEqual(byFullReader(MANIFEST));
  expect(read).toMatchObject({
    value: {
      metadata: {
        annotations: {
          text: 'first line\n  indented\n\nlast line\n',
          kept: 'a\n\n',
          stripped: 'b',
          note: 'goes on in a second line\nand a third',
        },
      },
      spec: { replicas: 16, ratio: 0.5, paused: false, nothing: null },
    },
  });
});

test.each(['a: x\u00a0\n', 'a\u3000: 1\n', 'a: [x\u2003]\n', 'a: x \t\n'])(
  'in %j a space of another sort than YAML’s is text',
  (text) => {
    expect(isReadQuickly(text)).toBe(true);
    expect(parseYaml(text, { findDuplicates: true })).toEqual(byFullReader(text));
  },
);

test.each([
  'a: &x 1',
  'a: *x',
  'a: !!str 1',
  '<<: {a: 1}',
  'a: >\n  b\n',
  '? a\n: b',
  'a: "b\n  c"',
  'a: [b,\n  c]',
  'a:\n\t- b',
  'a: b: c',
  'a:\n    b: 1\n  c: 2',
  'a: "\\x41"',
  'a: {b:c}',
  '- a\nb: c',
  'text',
])('%j is left to the full reader', (text) => {
  expect(isReadQuickly(text)).toBe(false);
});

const indents = fc.constantFrom('', '', '  ', '  ', '    ', ' ', '      ');
const starts = fc.constantFrom('', '', '- ', '- ', '-', '- - ', '-   ');
const keys = fc.constantFrom('a: ', 'b: ', 'c:', 'd: ', '"q": ', "'s' : ", 'e  : ', 'a:b: ', '1: ', 'yes: ', '');
const values = fc.constantFrom(
  ...[
    '',
    'x',
    'x y',
    'x#y',
    'x #y',
    '# y',
    '"x"',
    "'it''s'",
    '"a\\tb" # c',
    '"x"y',
    '1',
    '-1',
    '1.5',
    '.5',
    '0x1F',
    '010',
    '1e3',
  ],
  ...[
    'true',
    'No',
    'on',
    '~',
    'null',
    '.inf',
    '-',
    '?',
    ':',
    '[]',
    '{}',
    '[a, b]',
    '[a,]',
    '{a: 1}',
    '{a: 1, a: 2}',
    '[[x], {y: z}]',
  ],
  ...[
    '[a b, "c"]',
    '{"a": b}',
    '{"a":b}',
    '[a: b]',
    '[-1, - 2]',
    '|',
    '|-',
    '|+',
    '>',
    '| # c',
    '&a',
    '*a',
    '!t',
    '@x',
    '%x',
    'a:b',
    'x:',
  ],
  ...[
    '---',
    '...',
    '12:30',
    '2026-01-01',
    '1_000',
    '+1',
    '=',
    '<<',
    'x ',
    'a, b',
    "it's",
    '\\',
    '"\\\\"',
    '"\\/"',
    '[http://a/b]',
  ],
);
const line = fc.tuple(indents, starts, keys, values).map((parts) => parts.join(''));
const text = fc
  .tuple(
    fc.array(fc.oneof({ weight: 8, arbitrary: line }, fc.constantFrom('', '  ', '# c', '    # c', '---', '...')), {
      maxLength: 8,
    }),
    fc.constantFrom('', '\n', '\n\n'),
  )
  .map(([lines, end]) => lines.join('\n') + end);

test('whatever the quick reader knows is what the full reader says', () => {
  let known = 0;
  fc.assert(
    fc.property(text, (written) => {
      if (!isReadQuickly(written)) return;
      known++;
      expect(withoutLines(parseYaml(written, { findDuplicates: true }))).toEqual(withoutLines(byFullReader(written)));
    }),
    { numRuns: 5000, seed: 7 },
  );
  expect(known).toBeGreaterThan(500);
});

test('three megabytes are read in a time that grows with them, or refused', () => {
  const long = (line: string) => line.repeat(Math.ceil((3 << 20) / line.length));
  for (const read of [`x:\n${long('- a\n')}`, `x: [${long('a,')}]`, `x: [${long('[],')}]`, `x: a\n${long('  b\n')}`])
    expect(parseYaml(read)).toHaveProperty('value');
  for (const refused of [`a: &b c\nx:\n${long('- a\n')}`, `x: [${long('a,\n')}]`, `x: >\n${long('  a b\n')}`])
    expect(parseYaml(refused)).toEqual({
      problem: expect.stringMatching(/^error converting YAML to JSON: yaml: document holds more than /),
    });
});
