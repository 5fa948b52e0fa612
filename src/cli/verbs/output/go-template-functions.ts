/** The functions of Go templates, over what JSON holds. Source: documentation of text/template, "Functions"; kubectl. */

/** The template does not fit what it is used on. */
export class TemplateFailed extends Error {}

type Value = unknown;
const isNothing = (value: Value): boolean => value === undefined || value === null;

/** Neither false, 0, nothing nor empty. */
export function isTrue(value: Value): boolean {
  if (isNothing(value)) return false;
  if (typeof value === 'object') return Object.keys(value as object).length > 0;
  return Boolean(value);
}

/** As `%v` prints it. */
export function textOf(value: Value): string {
  if (isNothing(value)) return '<nil>';
  if (typeof value === 'number') return numberText(value);
  if (Array.isArray(value)) return `[${value.map(textOf).join(' ')}]`;
  if (typeof value !== 'object') return String(value);
  const entries = Object.entries(value as object).sort(([a], [b]) => (a < b ? -1 : 1));
  return `map[${entries.map(([key, each]) => `${key}:${textOf(each)}`).join(' ')}]`;
}

/** Go prints large and small fractions with an exponent. */
function numberText(value: number): string {
  if (Number.isInteger(value)) return String(value);
  const [digits = '', exponent = ''] = value.toExponential().split('e');
  if (Number(exponent) < 6 && Number(exponent) >= -4) return String(value);
  const size = Math.abs(Number(exponent)).toString().padStart(2, '0');
  return `${digits}e${Number(exponent) < 0 ? '-' : '+'}${size}`;
}

const FUNCTIONS: Readonly<Record<string, (...values: Value[]) => Value>> = {
  not: (value) => !isTrue(value),
  len: (value) => {
    if (typeof value === 'string') return Buffer.byteLength(value);
    if (isNothing(value) || typeof value !== 'object')
      throw new TemplateFailed('error calling len: len of type interface {}');
    return Object.keys(value as object).length;
  },
  index: (value, ...keys) => keys.reduce(at, value),
  slice: (value, from, to) => {
    if (typeof value !== 'string' && !Array.isArray(value))
      throw new TemplateFailed("error calling slice: can't slice item");
    return value.slice(Number(from ?? 0), to === undefined ? undefined : Number(to));
  },
  print: (...values) => printed(values, false),
  println: (...values) => `${printed(values, true)}\n`,
  printf: (format, ...values) => formatted(String(format), values),
  html: (...values) => printed(values, false).replace(/[&<>"'\0]/g, (char) => HTML[char]!),
  js: (...values) => printed(values, false).replace(/[\\'"<>&=\n\r\t]/g, (char) => JS[char]!),
  urlquery: (...values) =>
    encodeURIComponent(printed(values, false))
      .replace(/%20/g, '+')
      .replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`),
  eq: (first, ...others) => others.some((other) => isSame(first, other)),
  ne: (a, b) => !isSame(a, b),
  lt: (a, b) => compared(a, b) < 0,
  le: (a, b) => compared(a, b) <= 0,
  gt: (a, b) => compared(a, b) > 0,
  ge: (a, b) => compared(a, b) >= 0,
  exists: (value, ...keys) =>
    keys.reduce<Value>((inside, key) => (isNothing(inside) ? undefined : found(inside, key)), value) !== undefined,
  base64decode: (value) => Buffer.from(String(value), 'base64').toString('utf8'),
  and: (value) => value,
  or: (value) => value,
};

export const isFunction = (name: string): boolean => Object.hasOwn(FUNCTIONS, name);

export function callFunction(name: string, values: readonly Value[]): Value {
  return FUNCTIONS[name]!(...values);
}

const HTML: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&#34;',
  "'": '&#39;',
  '\0': '\uFFFD',
};
const JS: Readonly<Record<string, string>> = {
  ...{ '\\': '\\\\', "'": "\\'", '"': '\\"', '<': '\\u003C', '>': '\\u003E', '&': '\\u0026', '=': '\\u003D' },
  ...{ '\n': '\\u000A', '\r': '\\u000D', '\t': '\\u0009' },
};

function found(value: Value, key: Value): Value {
  if (Array.isArray(value)) return value[Number(key)];
  if (typeof value !== 'object' || value === null) return undefined;
  return Object.hasOwn(value, String(key)) ? (value as Record<string, Value>)[String(key)] : undefined;
}

function at(value: Value, key: Value): Value {
  if (isNothing(value)) throw new TemplateFailed('error calling index: index of untyped nil');
  if (typeof value === 'string') return Buffer.from(value)[Number(key)];
  if (Array.isArray(value) && !(Number(key) >= 0 && Number(key) < value.length))
    throw new TemplateFailed(`error calling index: reflect: slice index out of range`);
  if (typeof value !== 'object') throw new TemplateFailed("error calling index: can't index item of type interface {}");
  return found(value, key);
}

/** Between two values that are no texts there is a space. */
function printed(values: readonly Value[], isLine: boolean): string {
  return values
    .map((value, i) => {
      const before = values[i - 1];
      const space = i > 0 && (isLine || (typeof value !== 'string' && typeof before !== 'string'));
      return `${space ? ' ' : ''}${textOf(value)}`;
    })
    .join('');
}

function isSame(a: Value, b: Value): boolean {
  if (isNothing(a) || isNothing(b)) return isNothing(a) && isNothing(b);
  if (typeof a !== typeof b) throw new TemplateFailed('error calling eq: incompatible types for comparison');
  return a === b;
}

function compared(a: Value, b: Value): number {
  const isComparable = typeof a === typeof b && (typeof a === 'number' || typeof a === 'string');
  if (!isComparable) throw new TemplateFailed('error calling lt: incompatible types for comparison');
  return (a as number) < (b as number) ? -1 : a === b ? 0 : 1;
}

/** `%-10s`, `%03.1f`, `%q` … */
function formatted(format: string, values: readonly Value[]): string {
  let used = 0;
  const out = format.replace(
    /%([-+# 0]*)(\d+)?(?:\.(\d+))?([a-zA-Z%])/g,
    (_, flags: string, width, precision, verb: string) => {
      if (verb === '%') return '%';
      if (used >= values.length) return `%!${verb}(MISSING)`;
      const text = verbText(verb, values[used++], {
        precision: precision === undefined ? undefined : Number(precision),
        flags,
      });
      const size = Number(width ?? 0);
      if (flags.includes('-')) return text.padEnd(size);
      return flags.includes('0') && verb !== 's' ? text.padStart(size, '0') : text.padStart(size);
    },
  );
  const extra = values.slice(used).map((value) => `${typeOf(value)}=${textOf(value)}`);
  return extra.length > 0 ? `${out}%!(EXTRA ${extra.join(', ')})` : out;
}

function verbText(
  verb: string,
  value: Value,
  { precision, flags }: { precision: number | undefined; flags: string },
): string {
  const sign = flags.includes('+') && typeof value === 'number' && value >= 0 ? '+' : '';
  const bad = () => `%!${verb}(${typeOf(value)}=${textOf(value)})`;
  switch (verb) {
    case 'v':
      return textOf(value);
    case 's':
      return typeof value === 'string' ? value.slice(0, precision) : typeof value === 'object' ? textOf(value) : bad();
    case 'q':
      return typeof value === 'string' ? JSON.stringify(value) : bad();
    case 't':
      return typeof value === 'boolean' ? String(value) : bad();
    case 'f':
      return typeof value === 'number' ? sign + value.toFixed(precision ?? 6) : bad();
    case 'g':
      return typeof value === 'number' ? sign + textOf(value) : bad();
    case 'd':
      return Number.isInteger(value) ? sign + String(value) : bad();
    case 'x':
      return Number.isInteger(value) ? (value as number).toString(16) : bad();
    case 'T':
      return typeOf(value);
    default:
      return bad();
  }
}

function typeOf(value: Value): string {
  if (isNothing(value)) return '<nil>';
  if (Array.isArray(value)) return '[]interface {}';
  if (typeof value === 'number') return Number.isInteger(value) ? 'int64' : 'float64';
  if (typeof value === 'boolean') return 'bool';
  return typeof value === 'string' ? 'string' : 'map[string]interface {}';
}
