/** What the API server of v1.36 answers to texts that are hardly an address, a URL, an amount or a format. Recorded by asking it. */
import { expect, test } from 'vitest';
import { environment } from './environment.ts';
import { compilationProblem } from './issue.ts';
import { toJson } from './to-json.ts';
import { typeOfValue } from './value.ts';

const env = environment();

test.each([
  [
    'ip(":::")',
    'error: IP Address ":::" parse error during conversion from string: ParseAddr(":::"): each colon-separated field must have at least one digit (at ":")',
  ],
  [
    'ip("fe80::1%")',
    'error: IP Address "fe80::1%" parse error during conversion from string: ParseAddr("fe80::1%"): zone must be a non-empty string',
  ],
  [
    'ip("::ffff:1.2.3.4.5")',
    'error: IP Address "::ffff:1.2.3.4.5" parse error during conversion from string: ParseAddr("::ffff:1.2.3.4.5"): IPv4 address too long',
  ],
  [
    'ip("::1.2.3")',
    'error: IP Address "::1.2.3" parse error during conversion from string: ParseAddr("::1.2.3"): IPv4 address too short',
  ],
  [
    'ip("1:2:3:4:5:6:7:8:9")',
    'error: IP Address "1:2:3:4:5:6:7:8:9" parse error during conversion from string: ParseAddr("1:2:3:4:5:6:7:8:9"): trailing garbage after address (at "9")',
  ],
  [
    'ip("1:2:3:4:5:6:7:")',
    'error: IP Address "1:2:3:4:5:6:7:" parse error during conversion from string: ParseAddr("1:2:3:4:5:6:7:"): colon must be followed by more characters (at ":")',
  ],
  [
    'ip("1:2:3:4:5:6:7:8::")',
    'error: IP Address "1:2:3:4:5:6:7:8::" parse error during conversion from string: ParseAddr("1:2:3:4:5:6:7:8::"): the :: must expand to at least one field of zeros',
  ],
  [
    'ip(":1:2")',
    'error: IP Address ":1:2" parse error during conversion from string: ParseAddr(":1:2"): each colon-separated field must have at least one digit (at ":1:2")',
  ],
  [
    'ip("1:2:3:4:5:6:7:1.2.3.4")',
    'error: IP Address "1:2:3:4:5:6:7:1.2.3.4" parse error during conversion from string: ParseAddr("1:2:3:4:5:6:7:1.2.3.4"): embedded IPv4 address must replace the final 2 fields of the address (at "1.2.3.4")',
  ],
  [
    'ip("1:2:3:4:5:6:1.2.3.256")',
    'error: IP Address "1:2:3:4:5:6:1.2.3.256" parse error during conversion from string: ParseAddr("1:2:3:4:5:6:1.2.3.256"): IPv4 field has value >255',
  ],
  [
    'ip("1:2:3:4:5:6:01.2.3.4")',
    'error: IP Address "1:2:3:4:5:6:01.2.3.4" parse error during conversion from string: ParseAddr("1:2:3:4:5:6:01.2.3.4"): IPv4 field has octet with leading zero',
  ],
  [
    'ip("::1..2")',
    'error: IP Address "::1..2" parse error during conversion from string: ParseAddr("::1..2"): IPv4 field must have at least one digit (at ".2")',
  ],
  [
    'ip("::.1")',
    'error: IP Address "::.1" parse error during conversion from string: ParseAddr("::.1"): each colon-separated field must have at least one digit (at ".1")',
  ],
  [
    'ip("::1.")',
    'error: IP Address "::1." parse error during conversion from string: ParseAddr("::1."): IPv4 field must have at least one digit (at ".")',
  ],
  [
    'cidr("::1%eth0/64")',
    'error: network address parse error during conversion from string: network address parse error during conversion from string: netip.ParsePrefix("::1%eth0/64"): IPv6 zones cannot be present in a prefix',
  ],
  [
    'cidr("1.2.3.4/99999999999999999999")',
    'error: network address parse error during conversion from string: network address parse error during conversion from string: netip.ParsePrefix("1.2.3.4/99999999999999999999"): bad bits after slash: "99999999999999999999"',
  ],
  [
    'cidr("g::/8")',
    'error: network address parse error during conversion from string: network address parse error during conversion from string: netip.ParsePrefix("g::/8"): ParseAddr("g::"): each colon-separated field must have at least one digit (at "g::")',
  ],
  [
    'url("http://a:80:90")',
    'error: URL parse error during conversion from string: parse "http://a:80:90": invalid port ":80:90" after host',
  ],
  [
    'url("http://::1]")',
    'error: URL parse error during conversion from string: parse "http://::1]": invalid port "::1]" after host',
  ],
  [
    'url("http://a%20b")',
    'error: URL parse error during conversion from string: parse "http://a%20b": invalid URL escape "%20"',
  ],
  [
    'url("http://user:p%zz@a")',
    'error: URL parse error during conversion from string: parse "http://user:p%zz@a": invalid URL escape "%zz"',
  ],
  [
    'url("http://a\\u007f")',
    'error: URL parse error during conversion from string: parse "http://a\\x7f": net/url: invalid control character in URL',
  ],
  ['isURL("//a:b/c")', 'bool true'],
  [
    'url("//a:b/c")',
    'error: URL parse error during conversion from string: parse "//a:b/c": invalid port ":b" after host',
  ],
  ['url("//a/b").getHost()', 'string "a"'],
  ['url("*").getEscapedPath()', 'string "*"'],
  ['url("http://a<b").getHost()', 'string "a<b"'],
  [
    'url("http://ha.com[::1]")',
    'error: URL parse error during conversion from string: parse "http://ha.com[::1]": invalid IP-literal',
  ],
  [
    'url("http://[ha]")',
    'error: URL parse error during conversion from string: parse "http://[ha]": invalid host: ParseAddr("ha"): unable to parse IP',
  ],
  ['url("http://[fe80::1%25%65n0]").getHost()', 'string "[fe80::1%en0]"'],
  [
    'url("http://[]")',
    'error: URL parse error during conversion from string: parse "http://[]": invalid host: ParseAddr(""): unable to parse IP',
  ],
  ['url("foo:bar/baz").getScheme()', 'string "foo"'],
  ['quantity(".")', 'kubernetes.Quantity "0"'],
  ['quantity("-")', 'kubernetes.Quantity "0"'],
  ['quantity("k").asInteger()', 'int 0'],
  ['quantity("1e400").isInteger()', 'bool false'],
  ['quantity("--1")', "error: unable to parse quantity's suffix"],
  [
    'quantity("")',
    "error: quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
  ],
  ['format.byte().validate("")', 'optional_type ["invalid base64"]'],
  ['format.byte().validate("YQ==\\n")', 'optional_type ["invalid base64"]'],
  ['format.datetime().validate("2020-01-01T00:00:00")', 'optional_type ["invalid datetime"]'],
  ['semver("1..2")', 'error: strconv.ParseUint: parsing "": invalid syntax'],
  ['semver("",true)', 'error: strconv.ParseUint: parsing "": invalid syntax'],
])('%s is %s', (expression, answer) => {
  const { program, issues } = env.compile(expression);
  if (issues) throw new Error(compilationProblem(issues));
  const { value, error } = program.evaluate({});
  const given =
    value === undefined ? `error: ${error}` : `${typeOfValue(value).name} ${JSON.stringify(toJson(value).json)}`;
  expect(given).toBe(answer);
});

test.each([
  ["'a'.find(')')", 'program instantiation failed: error parsing regexp: unexpected ): `)`'],
  [
    "'a'.findAll('a**', 1)",
    'program instantiation failed: error parsing regexp: invalid nested repetition operator: `**`',
  ],
  [
    "'a'.find(r'\\')",
    'program instantiation failed: error parsing regexp: trailing backslash at end of expression: ``',
  ],
  ["matches('a', '(')", 'program instantiation failed: error parsing regexp: missing closing ): `(`'],
  [
    "'a'.matches('(')",
    "compilation failed: ERROR: <input>:1:13: invalid matches argument\n | 'a'.matches('(')\n | ............^",
  ],
])('of %s no program is made: %s', (expression, problem) => {
  expect(compilationProblem(env.compile(expression).issues!)).toBe(problem);
});

test('a message that cannot be instantiated is called a messageExpression', () => {
  expect(compilationProblem(env.compile("'a'.find(')')").issues!, 'messageExpression ')).toBe(
    'messageExpression instantiation failed: error parsing regexp: unexpected ): `)`',
  );
});
