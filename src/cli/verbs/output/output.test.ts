import { describe, expect, test } from 'vitest';
import type { Table } from '#api/machinery/table.ts';
import { formatYaml } from '#api/machinery/yaml-output.ts';
import { VerbError } from '../verb-error.ts';
import { CustomColumnsPrinter, customColumns } from './custom-columns.ts';
import { compactJson, formatJson } from './json.ts';
import { JsonPathTemplate, relaxedPath } from './json-path-template.ts';
import { sortedBy } from './sort-by.ts';
import { TablePrinter } from './table.ts';
import { aligned, DESCRIBE_TABS, TABLE_TABS } from './tabs.ts';
import { wrapped } from './wrapped.ts';

describe('columns', () => {
  test('are as wide as the widest cell among neighbours, and the last is not padded', () => {
    expect(aligned('NAME\tAGE\nlonger-name\t5s\n', TABLE_TABS)).toBe('NAME          AGE\nlonger-name   5s\n');
  });
  test('end where a line has no such cell', () => {
    expect(aligned('a\tb\nlong title\nlonger\tc\n', DESCRIBE_TABS)).toBe('a  b\nlong title\nlonger  c\n');
  });
  test('of what a line of fewer cells divides stand apart', () => {
    expect(aligned('x\ty\tz\nlonger\tq\n', DESCRIBE_TABS)).toBe('x       y  z\nlonger  q\n');
  });
});

describe('a table', () => {
  const column = (name: string, priority = 0) => ({
    name,
    type: 'string',
    format: name === 'Name' ? 'name' : '',
    description: '',
    priority,
  });
  const table = (rows: string[][]): Table => ({
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata: {},
    columnDefinitions: [column('Name'), column('Wide', 1)],
    rows: rows.map((cells) => ({ cells, object: { metadata: { namespace: 'shop', labels: { b: '2', a: '1' } } } })),
  });
  const options = { isWide: false, hasHeaders: true, hasNamespace: false, labelColumns: [], hasLabels: false };

  test('hides wide columns, and prints headers once', () => {
    const printer = new TablePrinter(options);
    expect(printer.print(table([['a', 'w']]))).toBe('NAME\na\n');
    expect(printer.print(table([['b', 'w']]))).toBe('b\n');
    expect(printer.print(table([]))).toBe('');
  });
  test('has columns for namespaces and labels, and kinds in front of names', () => {
    const printer = new TablePrinter({
      ...options,
      isWide: true,
      hasNamespace: true,
      kind: 'pod',
      labelColumns: ['x/a', 'a'],
      hasLabels: true,
    });
    expect(printer.print(table([['a', 'w']]))).toBe(
      'NAMESPACE   NAME    WIDE   A     A     LABELS\nshop        pod/a   w            1     a=1,b=2\n',
    );
  });
  test('has the kind in front of the name of the object itself, not of others that its row names', () => {
    const row = table([['a', 'b']]);
    const columnDefinitions = [column('Name'), { ...column('Other'), format: 'name' }];
    const printer = new TablePrinter({ ...options, hasHeaders: false, kind: 'pod' });
    expect(printer.print({ ...row, columnDefinitions })).toBe('pod/a   b\n');
  });
  test('shows no more than a line of a cell, and no command to the terminal', () => {
    expect(new TablePrinter({ ...options, hasHeaders: false }).print(table([['a\nb', '']]))).toBe('a...\n');
    expect(new TablePrinter({ ...options, hasHeaders: false }).print(table([['\x1b[2J', '']]))).toBe('^[[2J\n');
  });
});

describe('a template of JSONPath', () => {
  const value = {
    items: [
      { n: 'a', v: { x: 1 }, l: [1, 2, 3] },
      { n: 'b', l: [4] },
    ],
    'a.b': 'dotted',
    ok: true,
  };
  test.each([
    ['{.items[*].n}', 'a b'],
    ['{range .items[*]}{.n}={.l[0]}{"\\n"}{end}', 'a=1\nb=4\n'],
    ['{.items[?(@.n=="b")].l}', '[4]'],
    ['{.items[?(@.v)].n}', 'a'],
    ['{.items[?(@.n!="b")].n}', 'a'],
    ['{.items[-1:].n}', 'b'],
    ['{.items[0].l[0:2]}', '1 2'],
    ["{['a\\.b']} {.a\\.b} {['a.b']}", 'dotted dotted '],
    ["{.items[*]['n','l[0]']}", 'a b 1 4'],
    ['{1} {-2} {+007} {1.50} {true}', '1 -2 7 1.5 true'],
    ['{range .items[*]}{.n},', 'a,b,'],
    ['{..x}', '1'],
    ['{.nope}', ''],
    ['text {.ok}!', 'text true!'],
    ['{$.items[0].v}', '{"x":1}'],
  ])('%s', (template, expected) => expect(new JsonPathTemplate(template).print(value)).toBe(expected));
  test.each(['{.a', '{end}', '{.a[}', '{"open}'])('%s is refused', (template) =>
    expect(() => new JsonPathTemplate(template)).toThrow(VerbError),
  );
  test('an index beyond the end is refused, a field that is not there is not', () => {
    expect(() => new JsonPathTemplate('{.items[9]}').print(value)).toThrow(
      'array index out of bounds: index 9, length 2',
    );
  });
  test.each(['a.b', '.a.b', '{a.b}', '{.a.b}'])('%s is one path', (text) => expect(relaxedPath(text)).toBe('{.a.b}'));
});

test('custom columns print what is there, and <none> for what is not', () => {
  const objects = [{ a: { b: [1, 2] } }, { a: {} }];
  const printer = new CustomColumnsPrinter(customColumns('B:.a.b[*],M:.a'), true);
  expect(printer.print(objects)).toBe('B        M\n1,2      map[b:[1 2]]\n<none>   map[]\n');
  expect(printer.print([{ a: 1 }])).toBe('<none>   1\n'); // below the others
});

test('sorting takes quantities by their amount and other text by its bytes', () => {
  const of = (values: unknown[]) =>
    sortedBy(
      values.map((v) => ({ v })),
      '.v',
      (item) => item,
    ).map(({ v }) => v);
  expect(of(['1Gi', '900Mi', '2k'])).toEqual(['2k', '900Mi', '1Gi']);
  expect(of([10, 9])).toEqual([9, 10]);
  expect(of(['b', null, 'a'])).toEqual([null, 'a', 'b']);
  const named = [{ name: 'x' }, { name: 'y' }, { name: 'z', v: 1 }];
  expect(sortedBy(named, '.v', (item) => item).map(({ name }) => name)).toEqual(['y', 'x', 'z']);
  expect(sortedBy(['n9', 'n10', 'n09'], '.v', (v) => ({ v }))).toEqual(['n09', 'n10', 'n9']);
  expect(sortedBy([{}], '.nope', (item) => item)).toEqual([{}]);
  expect(() => sortedBy([{}, {}], '.nope', (item) => item)).toThrow('couldn\'t find any field with path "{.nope}"');
});

test('JSON has sorted keys, four blanks and nothing that ends a script', () => {
  expect(formatJson({ b: 1, a: '<&>' })).toBe('{\n    "a": "\\u003c\\u0026\\u003e",\n    "b": 1\n}\n');
  expect(compactJson({ b: { d: 1, c: 2 } })).toBe('{"b":{"c":2,"d":1}}');
});

test('YAML is quoted where it would be read as something else, and folded where it is long', () => {
  const long = 'word '.repeat(20).trim();
  expect(formatYaml({ b: ['x', { c: 1, d: [] }], a: 'yes', n10: '1', n9: null, s: ' x', l: 'a\nb\n', w: long })).toBe(
    `a: "yes"\nb:\n- x\n- c: 1\n  d: []\nl: |\n  a\n  b\nn9: null\nn10: "1"\ns: ' x'\nw: ${'word '.repeat(15)}word\n  word word word word\n`,
  );
});

test('text is broken at blanks; words stay whole', () => {
  expect(wrapped('one two three', 8)).toBe('one two\nthree');
  expect(wrapped('a\n\nunbreakableword b', 6)).toBe('a\n\nunbreakableword\nb');
});
