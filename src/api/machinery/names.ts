/**
 * The formats of names, labels and ports. Each rule gives the texts of what is wrong with a value, none when it is good.
 * Source: API conventions and "Object Names and IDs"; texts as kubectl users know them from v1.36.
 */

/** What is wrong with a value: empty when nothing is. */
export type Complaints = string[];
export type NameRule = (value: string) => Complaints;

const LABEL = '[a-z0-9]([-a-z0-9]*[a-z0-9])?';
const SUBDOMAIN = `${LABEL}(\\.${LABEL})*`;
const LABEL_1035 = '[a-z]([-a-z0-9]*[a-z0-9])?';
const QUALIFIED = '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]';
const LABEL_VALUE = `(${QUALIFIED})?`;
const CONFIG_KEY = '[-._a-zA-Z0-9]+';
const PERCENT = '[0-9]+%';
const HTTP_HEADER = '[-A-Za-z0-9]+';
const C_IDENTIFIER = '[A-Za-z_][A-Za-z0-9_]*';
const WILDCARD = `\\*\\.${SUBDOMAIN}`;

const whole = (pattern: string) => new RegExp(`^${pattern}$`);
const IS_LABEL = whole(LABEL);
const IS_SUBDOMAIN = whole(SUBDOMAIN);
const IS_LABEL_1035 = whole(LABEL_1035);
const IS_QUALIFIED = whole(QUALIFIED);
const IS_LABEL_VALUE = whole(LABEL_VALUE);
const IS_CONFIG_KEY = whole(CONFIG_KEY);
const IS_PERCENT = whole(PERCENT);
const IS_HTTP_HEADER = whole(HTTP_HEADER);
const IS_C_IDENTIFIER = whole(C_IDENTIFIER);
const IS_WILDCARD = whole(WILDCARD);

/** `RULE (e.g. 'a',  or 'b', regex used for validation is 'R')`: upstream's wording, double blank included. */
export function patternComplaint(rule: string, pattern: string, ...examples: string[]): string {
  if (examples.length === 0) return `${rule} (regex used for validation is '${pattern}')`;
  return `${rule} (e.g. ${examples.map((example) => `'${example}', `).join(' or ')}regex used for validation is '${pattern}')`;
}

export const tooManyCharacters = (max: number): string => `must be no more than ${max} characters`;
const tooManyBytes = (max: number) => `must be no more than ${max} bytes`;
export const NOT_EMPTY = 'must be non-empty';
export const between = (low: number, high: number): string => `must be between ${low} and ${high}, inclusive`;

/** A label of a host name (RFC 1123), at most 63 characters. */
export function dns1123Label(value: string): Complaints {
  const complaints = value.length > 63 ? [tooManyCharacters(63)] : [];
  if (IS_LABEL.test(value)) return complaints;
  if (IS_SUBDOMAIN.test(value)) return [...complaints, 'must not contain dots'];
  const rule =
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character";
  return [...complaints, patternComplaint(rule, LABEL, 'my-name', '123-abc')];
}

/** A host name (RFC 1123), at most 253 characters: the name of most kinds. */
export function dns1123Subdomain(value: string): Complaints {
  const complaints = value.length > 253 ? [tooManyCharacters(253)] : [];
  if (IS_SUBDOMAIN.test(value)) return complaints;
  const rule =
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character";
  return [...complaints, patternComplaint(rule, SUBDOMAIN, 'example.com')];
}

const UNDERSCORED = '_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?';
const UNDERSCORED_SUBDOMAIN = `${UNDERSCORED}(\\.${UNDERSCORED})*`;
const IS_UNDERSCORED_SUBDOMAIN = whole(UNDERSCORED_SUBDOMAIN);

/** What resolvers search, which may begin with an underscore (RFC 2782). */
export function dns1123SubdomainWithUnderscore(value: string): Complaints {
  const complaints = value.length > 253 ? [tooManyCharacters(253)] : [];
  if (IS_UNDERSCORED_SUBDOMAIN.test(value)) return complaints;
  const rule =
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must start and end with an alphanumeric character";
  return [...complaints, patternComplaint(rule, UNDERSCORED_SUBDOMAIN, 'example.com')];
}

/** A label that begins with a letter (RFC 1035). */
export function dns1035Label(value: string): Complaints {
  const complaints = value.length > 63 ? [tooManyCharacters(63)] : [];
  if (IS_LABEL_1035.test(value)) return complaints;
  const rule =
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character";
  return [...complaints, patternComplaint(rule, LABEL_1035, 'my-name', 'abc-123')];
}

/** `*.example.com` (RFC 1034, 4.3.3). */
export function wildcardDns1123Subdomain(value: string): Complaints {
  const complaints = value.length > 253 ? [tooManyCharacters(253)] : [];
  if (IS_WILDCARD.test(value)) return complaints;
  const rule =
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character";
  return [...complaints, patternComplaint(rule, WILDCARD, '*.example.com')];
}

/** `name` or `prefix.example.com/name`: keys of labels and annotations, finalizers, taints, resources. */
export function qualifiedName(value: string): Complaints {
  return isQualifiedName(value) ? [] : complaintsOfQualifiedName(value);
}

/** Every write of an object asks it of each of its labels, annotations and finalizers, and all but a few are good. */
function isQualifiedName(value: string): boolean {
  const slash = value.indexOf('/');
  const name = value.slice(slash + 1);
  if (name.length > 63 || !IS_QUALIFIED.test(name)) return false; // nor has it another slash then
  return slash < 0 || (slash > 0 && slash <= 253 && IS_SUBDOMAIN.test(value.slice(0, slash)));
}

function complaintsOfQualifiedName(value: string): Complaints {
  const rule =
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
  const pattern = patternComplaint(rule, QUALIFIED, 'MyName', 'my.name', '123-abc');
  const parts = value.split('/');
  if (parts.length > 2)
    return [`a valid label key ${pattern} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`];

  const name = parts.at(-1) ?? '';
  const prefix = parts.length === 2 ? parts[0] : undefined;
  const complaints: Complaints = [];
  if (prefix === '') complaints.push(`prefix part ${NOT_EMPTY}`);
  else if (prefix !== undefined)
    complaints.push(...dns1123Subdomain(prefix).map((text) => `prefix part ${text.replace(/characters$/, 'bytes')}`));
  if (name === '') complaints.push(`name part ${NOT_EMPTY}`);
  else if (name.length > 63) complaints.push(`name part ${tooManyBytes(63)}`);
  if (!IS_QUALIFIED.test(name)) complaints.push(`name part ${pattern}`);
  return complaints;
}

export function labelValue(value: string): Complaints {
  const complaints = value.length > 63 ? [tooManyBytes(63)] : [];
  if (IS_LABEL_VALUE.test(value)) return complaints;
  const rule =
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
  return [...complaints, patternComplaint(rule, LABEL_VALUE, 'MyValue', 'my_value', '12345')];
}

/** A key of a ConfigMap or a Secret; it must serve as a file name. */
export function configMapKey(value: string): Complaints {
  const complaints = value.length > 253 ? [tooManyCharacters(253)] : [];
  if (!IS_CONFIG_KEY.test(value)) {
    const rule = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'";
    complaints.push(patternComplaint(rule, CONFIG_KEY, 'key.name', 'KEY_NAME', 'key-name'));
  }
  if (value === '.') complaints.push("must not be '.'");
  else if (value === '..') complaints.push("must not be '..'");
  else if (value.startsWith('..')) complaints.push("must not start with '..'");
  return complaints;
}

/** Any printable ASCII but `=`, since v1.34. */
export function envVarName(value: string): Complaints {
  if (value === '') return [`environment variable name ${NOT_EMPTY}`];
  if (/^[ -<>-~]+$/.test(value)) return [];
  return ["a valid environment variable name must consist only of printable ASCII characters other than '='"];
}

/** The name of a port (RFC 6335, lower case only). */
/** What processes take, which is more than shells do. */
export function relaxedEnvVarName(value: string): Complaints {
  if (value === '') return [`environment variable name ${NOT_EMPTY}`];
  return /^[\x20-\x3c\x3e-\x7e]*$/.test(value)
    ? []
    : ["a valid environment variable name must consist only of printable ASCII characters other than '='"];
}

export function portName(value: string): Complaints {
  const complaints = value.length > 15 ? [tooManyCharacters(15)] : [];
  if (!/^[-a-z0-9]+$/.test(value))
    complaints.push('must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)');
  if (!/[a-z]/.test(value)) complaints.push('must contain at least one letter (a-z)');
  if (value.includes('--')) complaints.push('must not contain consecutive hyphens');
  if (value.startsWith('-') || value.endsWith('-')) complaints.push('must not begin or end with a hyphen');
  return complaints;
}

export const portNumber = (value: number): Complaints => (value >= 1 && value <= 65535 ? [] : [between(1, 65535)]);

export const percent: NameRule = (value) =>
  IS_PERCENT.test(value)
    ? []
    : [
        patternComplaint(
          "a valid percent string must be a numeric string followed by an ending '%'",
          PERCENT,
          '1%',
          '93%',
        ),
      ];

export const httpHeaderName: NameRule = (value) =>
  IS_HTTP_HEADER.test(value)
    ? []
    : [
        patternComplaint(
          "a valid HTTP header must consist of alphanumeric characters or '-'",
          HTTP_HEADER,
          'X-Header-Name',
        ),
      ];

export const cIdentifier: NameRule = (value) =>
  IS_C_IDENTIFIER.test(value)
    ? []
    : [
        patternComplaint(
          "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters or '_'",
          C_IDENTIFIER,
          'my_name',
          'MY_NAME',
          'MyName',
        ),
      ];

/** Anything that can stand between two slashes of a URL: names of roles, bindings, CSR and the like. */
export function pathSegment(value: string): Complaints {
  if (value === '.' || value === '..') return [`may not be '${value}'`];
  if (!value.includes('/') && !value.includes('%')) return []; // asked twice with every request
  return ['/', '%']
    .filter((character) => value.includes(character))
    .map((character) => `may not contain '${character}'`);
}

/** A name that a generateName begins: the last dash is followed by more. */
export const asPrefix = (value: string): string =>
  value.length > 1 && value.endsWith('-') ? `${value.slice(0, -2)}a` : value;
