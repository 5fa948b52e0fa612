/** What the API server of v1.36 says of expressions that do not compile. Recorded by asking it. */
import { expect, test } from 'vitest';
import { dynType } from './declared-type.ts';
import { environment } from './environment.ts';
import { formatIssues } from './issue.ts';
import { sampleSchema } from './sample-resource.test-data.ts';
import { schemaType } from './schema-type.ts';

/** Expression, then line, column and message of each issue. */
const ISSUES: readonly (readonly [string, ...string[]])[] = [
  [
    "self.l.existsOne(x, x.startsWith('c'))",
    "1:17: undeclared reference to 'existsOne' (in container '')",
    "1:18: undeclared reference to 'x' (in container '')",
    "1:21: undeclared reference to 'x' (in container '')",
  ],
  ['self.o.z', "1:7: undefined field 'z'"],
  [
    "self.lo == [{'k':'a'}]",
    "1:9: found no matching overload for '_==_' applied to '(list(selfType.lo.@idx), list(map(string, string)))'",
  ],
  ['1 == 1.0', "1:3: found no matching overload for '_==_' applied to '(int, double)'"],
  ['1u == 1', "1:4: found no matching overload for '_==_' applied to '(uint, int)'"],
  ["1 == 'a'", "1:3: found no matching overload for '_==_' applied to '(int, string)'"],
  ["1 + 'a'", "1:3: found no matching overload for '_+_' applied to '(int, string)'"],
  ['1 + 1.0', "1:3: found no matching overload for '_+_' applied to '(int, double)'"],
  ['[1] < [2]', "1:5: found no matching overload for '_<_' applied to '(list(int), list(int))'"],
  ["[1, 'a']", "1:5: expected type 'int' but found 'string'"],
  ["[1, dyn('a')]", "1:8: expected type 'int' but found 'dyn'"],
  ["{'a': 1, 'b': 'c'}", "1:15: expected type 'int' but found 'string'"],
  ["duration('1x')", '1:10: invalid duration argument'],
  ["timestamp('never')", '1:11: invalid timestamp argument'],
  ["'a'.matches('(')", '1:13: invalid matches argument'],
  ['undefined', "1:1: undeclared reference to 'undefined' (in container '')"],
  ['self.foo', "1:5: undefined field 'foo'"],
  ['foo.bar', "1:1: undeclared reference to 'foo' (in container '')"],
  ['foo()', "1:4: undeclared reference to 'foo' (in container '')"],
  ['self.i.foo()', "1:11: undeclared reference to 'foo' (in container '')"],
  ['self.i.size()', "1:12: found no matching overload for 'size' applied to 'int.()'"],
  ['self.s.startsWith(1)', "1:18: found no matching overload for 'startsWith' applied to 'string.(int)'"],
  ["self.s.unknown('a')", "1:15: undeclared reference to 'unknown' (in container '')"],
  ['self.s.matches()', "1:15: found no matching overload for 'matches' applied to 'string.()'"],
  ['size(1)', "1:5: found no matching overload for 'size' applied to '(int)'"],
  [
    '1 +',
    "1:4: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}",
  ],
  [
    '1 + +',
    "1:5: Syntax error: mismatched input '+' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}",
    "1:6: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}",
  ],
  ['(1', "1:3: Syntax error: missing ')' at '<EOF>'"],
  ['(1 2)', "1:4: Syntax error: extraneous input '2' expecting ')'"],
  ['[1, 2', "1:6: Syntax error: mismatched input '<EOF>' expecting {']', ','}"],
  ['[1 2]', "1:4: Syntax error: extraneous input '2' expecting {']', ','}"],
  ["{'a': 1", "1:8: Syntax error: mismatched input '<EOF>' expecting {'}', ','}"],
  ["{'a' 1}", "1:6: Syntax error: missing ':' at '1'"],
  [
    "{'a': }",
    "1:7: Syntax error: mismatched input '}' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}",
  ],
  ['f(1', "1:4: Syntax error: missing ')' at '<EOF>'"],
  ['self.', "1:6: Syntax error: no viable alternative at input '.'"],
  ['self..x', "1:6: Syntax error: no viable alternative at input '..'"],
  ['self.true', "1:6: Syntax error: mismatched input 'true' expecting IDENTIFIER"],
  ['a ? b', "1:6: Syntax error: mismatched input '<EOF>' expecting ':'"],
  [
    '1 = 2',
    "1:3: Syntax error: token recognition error at: '= '",
    "1:5: Syntax error: extraneous input '2' expecting <EOF>",
  ],
  [
    'a && ',
    "1:6: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}",
  ],
  [
    'self.s == "abc',
    "1:11: Syntax error: token recognition error at: '\"abc'",
    "1:15: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}",
  ],
  [
    "'abc",
    "1:1: Syntax error: token recognition error at: ''abc'",
    "1:5: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}",
  ],
  [
    '"abc\\q"',
    "1:1: Syntax error: token recognition error at: '\"abc\\q'",
    "1:7: Syntax error: token recognition error at: '\"'",
    "1:8: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}",
  ],
  [
    "'a' == 'a",
    "1:8: Syntax error: token recognition error at: ''a'",
    "1:10: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}",
  ],
  [
    '@',
    "1:1: Syntax error: token recognition error at: '@'",
    "1:2: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}",
  ],
  ['self.i == 3 &', "1:13: Syntax error: token recognition error at: '&'"],
  ['#comment', "1:1: Syntax error: token recognition error at: '#'"],
  [
    'self.i >',
    "1:9: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}",
  ],
  ['self.i > 1 )', "1:12: Syntax error: extraneous input ')' expecting <EOF>"],
  [
    ')',
    "1:1: Syntax error: mismatched input ')' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}",
  ],
  [
    ']',
    "1:1: Syntax error: mismatched input ']' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}",
  ],
  [
    'f(,)',
    "1:3: Syntax error: extraneous input ',' expecting {'[', '{', '(', ')', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}",
  ],
  [
    'f(1,)',
    "1:5: Syntax error: mismatched input ')' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}",
  ],
  [
    'self[',
    "1:6: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', '?', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}",
  ],
  ['self[0', "1:7: Syntax error: missing ']' at '<EOF>'"],
  ['self.l[0', "1:9: Syntax error: missing ']' at '<EOF>'"],
  ['as', '1:1: reserved identifier: as'],
  [
    'self.in',
    "1:6: Syntax error: no viable alternative at input '.in'",
    "1:8: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}",
  ],
  ['self.if', "1:5: undefined field 'if'"],
  ['for', '1:1: reserved identifier: for'],
  ['!self.i', "1:1: found no matching overload for '!_' applied to '(int)'"],
  ['!-1', "1:1: found no matching overload for '!_' applied to '(int)'"],
  ['0xffffffffffffffffff', '1:1: invalid int literal'],
  ['1e400', '1:1: invalid double literal'],
  ['b"\\u00e9"', '1:1: unable to unescape string'],
  ["'a' + 1 + 2", "1:5: found no matching overload for '_+_' applied to '(string, int)'"],
  ['self.l.all(1, true)', '1:12: argument must be a simple name'],
  ['self.l.all(x.y, true)', '1:13: argument must be a simple name'],
  ['self.l.map(x.y, true)', '1:13: argument is not an identifier'],
  ['self.l.filter(1, true)', '1:15: argument is not an identifier'],
  ['has(self)', '1:5: invalid argument to has() macro'],
  ['has(1)', '1:5: invalid argument to has() macro'],
  ['has(self.l[0])', '1:11: invalid argument to has() macro'],
  ["has(self.m['a'])", '1:11: invalid argument to has() macro'],
  [
    'self.all(x, x)',
    "1:1: expression of type 'selfType' cannot be range of a comprehension (must be list, map, or dynamic)",
  ],
  [
    'self.i.all(x, true)',
    "1:5: expression of type 'int' cannot be range of a comprehension (must be list, map, or dynamic)",
  ],
  ['self.l.all(x, x)', "1:15: expected type 'bool' but found 'string'"],
  ['self.l.all(x, 1)', "1:15: expected type 'bool' but found 'int'"],
  [
    'self.l.filter(x, x)',
    "1:14: found no matching overload for '_?_:_' applied to '(string, list(string), list(string))'",
  ],
  [
    'self.l.exists(x)',
    "1:14: undeclared reference to 'exists' (in container '')",
    "1:15: undeclared reference to 'x' (in container '')",
  ],
  [
    'self.l.map(x)',
    "1:11: undeclared reference to 'map' (in container '')",
    "1:12: undeclared reference to 'x' (in container '')",
  ],
  [
    'cel.bind(a, 1, a + a)',
    "1:1: undeclared reference to 'cel' (in container '')",
    "1:9: undeclared reference to 'bind' (in container '')",
    "1:10: undeclared reference to 'a' (in container '')",
    "1:16: undeclared reference to 'a' (in container '')",
    "1:20: undeclared reference to 'a' (in container '')",
  ],
  ['Object{}', "1:7: undeclared reference to 'Object' (in container '')"],
  ['Foo{a: 1}', "1:4: undeclared reference to 'Foo' (in container '')"],
  ['int{}', "1:4: 'int' is not a message type"],
  ["timestamp('0000-01-01T00:00:00Z')", '1:11: invalid timestamp argument'],
  [
    'self.i\n  + foo\n  + bar',
    "2:5: undeclared reference to 'foo' (in container '')",
    "3:5: undeclared reference to 'bar' (in container '')",
  ],
  ["'😁' in ['😁'] && zz", "1:17: undeclared reference to 'zz' (in container '')"],
  ['1 + 2\n3 +', "2:1: Syntax error: mismatched input '3' expecting <EOF>"],
  ["quantity('1').add('x')", "1:18: found no matching overload for 'add' applied to 'kubernetes.Quantity.(string)'"],
  ["type(quantity('1')) == kubernetes.Quantity", "1:24: undeclared reference to 'kubernetes' (in container '')"],
  [
    '[1,[2,[3]]].flatten(2)',
    "1:4: expected type 'int' but found 'list(dyn)'",
    "1:7: expected type 'int' but found 'list(int)'",
  ],
  ['[[1,[2]]].flatten(-1)', "1:5: expected type 'int' but found 'list(int)'"],
  [
    '[dyn(1),[2,[3]]].flatten(2)',
    "1:9: expected type 'dyn' but found 'list(dyn)'",
    "1:12: expected type 'int' but found 'list(int)'",
  ],
  ["[1,1.0,dyn('a')].distinct()", "1:4: expected type 'int' but found 'double'"],
  ["'abc'.reverse()", "1:14: found no matching overload for 'reverse' applied to 'string.()'"],
  ['self.l.transformList(i, i, i)', '1:25: duplicate variable name: i'],
  ['self.l.transformList(i, 1, i)', '1:25: argument must be a simple name'],
  ["self.o == {'x': 1}", "1:8: found no matching overload for '_==_' applied to '(selfType.o, map(string, int))'"],
  ['"%".format([1])', '1:11: unexpected end of string'],
  ['"%q".format([1])', '1:12: could not parse formatting clause: unrecognized formatting clause "q"'],
  ['"%s %s".format([1])', '1:15: index 1 out of range'],
  ['"%s".format([1, 2])', '1:12: too many arguments supplied to string.format (expected 1, got 2)'],
  [
    '"%d".format(["a"])',
    '1:14: error during formatting: decimal clause can only be used on integers, was given string',
  ],
  [
    '"%s".format([optional.of(1)])',
    '1:25: error during formatting: string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps, was given optional_type',
  ],
  [
    '"%.".format([1.0])',
    '1:12: could not parse formatting clause: error while parsing precision: could not find end of precision specifier',
  ],
  [
    '"%.3".format([1.0])',
    '1:13: could not parse formatting clause: error while parsing precision: could not find end of precision specifier',
  ],
  [
    '"%.abf".format([1.0])',
    '1:15: could not parse formatting clause: error while parsing precision: error while converting precision to integer: strconv.Atoi: parsing "": invalid syntax',
  ],
  ['"%f".format([1])', '1:14: error during formatting: fixed-point clause can only be used on doubles, was given int'],
  ['"%e".format([1])', '1:14: error during formatting: scientific clause can only be used on doubles, was given int'],
  ['"%s".format(["a", self.o])', '1:12: too many arguments supplied to string.format (expected 1, got 2)'],
  ['"tacocat".reverse()', "1:18: found no matching overload for 'reverse' applied to 'string.()'"],
];

const env = environment({ variables: { self: schemaType(sampleSchema)!, object: dynType } });

const issuesOf = (expression: string) => env.compile(expression).issues ?? [];

test.each(ISSUES)('%s: %s', (expression, ...expected) => {
  const given = issuesOf(expression).map(({ line, column, message }) => `${line}:${column + 1}: ${message}`);
  expect(given).toEqual(expected);
});

test('an issue is shown in its line, with dots up to its column', () => {
  expect(formatIssues(issuesOf('self.i == 1 &&\n  self.nope == 2'))).toBe(
    "ERROR: <input>:2:7: undefined field 'nope'\n |   self.nope == 2\n | ......^",
  );
});

test('characters of several bytes take a wide dot', () => {
  expect(formatIssues(issuesOf("'é' == nope"))).toContain('\n | .．.....^');
});

test('of more than a hundred issues the rest are counted', () => {
  const text = formatIssues(issuesOf(Array.from({ length: 120 }, (_, i) => `nope${i}`).join(' || ')));
  expect(text.split('ERROR').length - 1).toBe(100);
  expect(text).toMatch(/\n20 more errors were truncated$/);
});

test.each(['!-', '-!true', '--', '!!', '-', '!', '.', '.1.', '1 .', 'a.?', '{', '}', '?'])(
  '%s is no expression',
  (source) => {
    expect(issuesOf(source).length).toBeGreaterThan(0);
  },
);
