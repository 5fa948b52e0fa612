import { expect, test } from 'vitest';
import * as names from './names.ts';

const LABEL =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const SUBDOMAIN =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const QUALIFIED =
  "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const LABEL_VALUE =
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

const rules = new Map(Object.entries(names)) as ReadonlyMap<string, unknown> as ReadonlyMap<string, names.NameRule>;

test.each<[string, string, string[]]>([
  ['dns1123Label', 'a-1', []],
  ['dns1123Label', 'A', [LABEL]],
  ['dns1123Label', 'a.b', ['must not contain dots']],
  ['dns1123Label', 'a'.repeat(64), ['must be no more than 63 characters']],
  ['dns1123Subdomain', 'a.b-c.1', []],
  ['dns1123Subdomain', 'a..b', [SUBDOMAIN]],
  ['dns1123Subdomain', '', [SUBDOMAIN]],
  ['dns1035Label', 'a-1', []],
  ['qualifiedName', 'app', []],
  ['qualifiedName', 'example.com/App_1.x', []],
  ['qualifiedName', 'example.com/', ['name part must be non-empty', QUALIFIED]],
  ['qualifiedName', '/app', ['prefix part must be non-empty']],
  ['qualifiedName', 'A/app', [`prefix part ${SUBDOMAIN}`]],
  ['qualifiedName', `a/${'b'.repeat(64)}`, ['name part must be no more than 63 bytes']],
  ['labelValue', '', []],
  ['labelValue', 'My_value.1', []],
  ['labelValue', '-a', [LABEL_VALUE]],
  ['configMapKey', 'key.name', []],
  ['configMapKey', '..', ["must not be '..'"]],
  ['configMapKey', '..a', ["must not start with '..'"]],
  ['envVarName', 'my-Var.1', []],
  ['envVarName', '1 odd:name', []],
  [
    'envVarName',
    'a=b',
    ["a valid environment variable name must consist only of printable ASCII characters other than '='"],
  ],
  ['envVarName', '', ['environment variable name must be non-empty']],
  ['portName', 'http', []],
  ['portName', '80', ['must contain at least one letter (a-z)']],
  ['portName', 'a--b', ['must not contain consecutive hyphens']],
  ['portName', '-a', ['must not begin or end with a hyphen']],
  ['percent', '25%', []],
  [
    'percent',
    '25',
    [
      "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')",
    ],
  ],
  ['pathSegment', 'a:b', []],
  ['pathSegment', '..', ["may not be '..'"]],
  ['pathSegment', 'a/b%', ["may not contain '/'", "may not contain '%'"]],
])('%s: %j', (rule, value, expected) => {
  expect(rules.get(rule)?.(value)).toEqual(expected);
});

test('a prefix of a name may end with a dash', () => {
  expect(names.dns1123Label(names.asPrefix('web-'))).toEqual([]);
  expect(names.dns1123Label(names.asPrefix('-'))).not.toEqual([]);
});
