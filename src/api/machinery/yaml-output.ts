/**
 * YAML as kubectl prints it, byte for byte: keys in natural order, lists not indented, strings plain where they stay strings,
 * folded behind column 80. Source: YAML 1.1, 5 to 9; the emitter that sigs.k8s.io/yaml uses.
 */
import { isJsonObject } from './json-value.ts';

const BEST_WIDTH = 80;
const LONGEST_SIMPLE_KEY = 128;

/** Ends with a newline. */
export function formatYaml(value: unknown): string {
  const writer = new YamlWriter();
  writer.node(value, { indent: 0, column: 0, isRoot: true });
  return `${writer.text.replace(/^\n/, '')}\n`;
}

interface Place {
  /** Of the lines of a collection at this place. */
  indent: number;
  /** Where the cursor stands. */
  column: number;
  isRoot?: boolean;
  /** Behind `- `: the first line of a collection goes on where the cursor stands. */
  isInline?: boolean;
  /** Behind `key:`. */
  isValue?: boolean;
}

class YamlWriter {
  text = '';

  node(value: unknown, place: Place): void {
    if (Array.isArray(value)) this.#list(value, place);
    else if (isJsonObject(value)) this.#map(value, place);
    else this.#scalar(value, place);
  }

  #list(items: readonly unknown[], place: Place): void {
    if (items.length === 0) {
      this.#put('[]', place);
      return;
    }
    // A list inside a map is not indented; one inside a list is.
    const { indent } = place;
    items.forEach((item, index) => {
      const goesOn = index === 0 && (place.isInline ?? false);
      this.text += goesOn ? '- ' : `\n${' '.repeat(indent)}- `;
      this.node(item, { indent: indent + 2, column: indent + 2, isInline: true });
    });
  }

  #map(map: object, place: Place): void {
    const entries = Object.entries(map).filter(([, value]) => value !== undefined);
    if (entries.length === 0) {
      this.#put('{}', place);
      return;
    }
    const { indent } = place;
    entries.sort(([a], [b]) => compareKeys(a, b));
    entries.forEach(([key, value], index) => {
      const goesOn = index === 0 && (place.isInline ?? false);
      if (!goesOn) this.text += `\n${' '.repeat(indent)}`;
      const isSimple = key.length <= LONGEST_SIMPLE_KEY && !key.includes('\n');
      const written = scalarText(key, { indent: indent + 2, column: indent, isKey: isSimple });
      this.text += isSimple ? `${written}:` : `? ${written}\n${' '.repeat(indent)}:`;
      const column = isSimple ? indent + [...written].length + 1 : indent + 1;
      const isList = Array.isArray(value);
      this.node(value, { indent: isList ? indent : indent + 2, column, isValue: true });
    });
  }

  #scalar(value: unknown, { indent, column, isValue, isRoot }: Place): void {
    // The lines of a scalar that is folded are indented by one step more than its parent's.
    const own = isRoot ? 2 : indent;
    const text =
      typeof value === 'string'
        ? scalarText(value, { indent: own, column: column + (isValue ? 1 : 0) })
        : plainOf(value);
    this.#put(text, { indent, column, ...(isValue && { isValue }) });
  }

  #put(text: string, { isValue }: Place): void {
    this.text += isValue ? ` ${text}` : text;
  }
}

function plainOf(value: unknown): string {
  if (value === null || value === undefined) return 'null';
  if (typeof value !== 'number' || Number.isInteger(value)) {
    const text = String(value);
    return typeof value === 'number' && /e/.test(text) ? goExponent(value) : text;
  }
  return goExponent(value);
}

/** Go's 'g' with the fewest digits: exponents from 21 on and below -4, of two digits at least. */
function goExponent(value: number): string {
  const exponent = value === 0 ? 0 : Math.floor(Math.log10(Math.abs(value)));
  if (exponent >= -4 && exponent < 21) return String(value);
  const [mantissa = '', power = ''] = value.toExponential().split('e');
  const digits = power.slice(1).padStart(2, '0');
  return `${mantissa}e${power[0]}${digits}`;
}

interface ScalarPlace {
  /** Of the lines after the first. */
  indent: number;
  column: number;
  isKey?: boolean;
}

function scalarText(text: string, place: ScalarPlace): string {
  const looks = looksOf(text);
  if (text.includes('\n')) {
    if (looks.isBlockAllowed && !place.isKey) return literal(text, place);
    return doubleQuoted(text, place);
  }
  // What would be read as something else than a string is quoted twice, what the syntax forbids once.
  if (!staysString(text)) return doubleQuoted(text, place);
  if (looks.isPlainAllowed && !(text === '' && place.isKey)) return plain(text, place);
  return looks.isSingleQuotedAllowed ? singleQuoted(text, place) : doubleQuoted(text, place);
}

interface Looks {
  isPlainAllowed: boolean;
  isSingleQuotedAllowed: boolean;
  isBlockAllowed: boolean;
}

const isPrintable = (char: string): boolean => {
  const code = char.codePointAt(0)!;
  return (
    code === 0x0a ||
    (code >= 0x20 && code <= 0x7e) ||
    (code >= 0xa0 && code <= 0xd7ff) ||
    (code >= 0xe000 && code <= 0xfffd && code !== 0xfeff) ||
    (code >= 0x10000 && code <= 0x10ffff)
  );
};
const isBreak = (char: string | undefined): boolean => char !== undefined && /[\n\r\u0085\u2028\u2029]/.test(char);
const isBlankOrEnd = (char: string | undefined): boolean =>
  char === undefined || char === ' ' || char === '\t' || isBreak(char);

/** Source: libyaml, analysis of scalars; only what block context needs. */
function looksOf(text: string): Looks {
  if (text === '') return { isPlainAllowed: true, isSingleQuotedAllowed: true, isBlockAllowed: false };
  const chars = [...text];
  let hasIndicator = /^(---|\.\.\.)/.test(text);
  let isSpecial = false;
  let breakSpace = false;
  let spaceBreak = false;
  chars.forEach((char, index) => {
    const next = chars[index + 1];
    const before = chars[index - 1];
    if (index === 0) {
      if ('#,[]{}&*!|>\'"%@`'.includes(char)) hasIndicator = true;
      if ('?:-'.includes(char) && isBlankOrEnd(next)) hasIndicator = true;
    } else if ((char === ':' && isBlankOrEnd(next)) || (char === '#' && isBlankOrEnd(before))) hasIndicator = true;
    if (!isPrintable(char)) isSpecial = true; // a tab is none either
    if (char === ' ' && isBreak(before)) breakSpace = true;
    if (isBreak(char) && before === ' ') spaceBreak = true;
  });
  const [first, last] = [chars[0], chars.at(-1)];
  const isEdged = first === ' ' || isBreak(first) || last === ' ' || isBreak(last);
  const hasBreaks = chars.some(isBreak);
  return {
    isPlainAllowed: !hasIndicator && !isEdged && !hasBreaks && !isSpecial,
    isSingleQuotedAllowed: !breakSpace && !spaceBreak && !isSpecial,
    isBlockAllowed: last !== ' ' && !spaceBreak && !isSpecial,
  };
}

const NOT_STRINGS = new Set(
  [
    ['', '~', 'null', 'Null', 'NULL'],
    ['y', 'Y', 'yes', 'Yes', 'YES', 'true', 'True', 'TRUE', 'on', 'On', 'ON'],
    ['n', 'N', 'no', 'No', 'NO', 'false', 'False', 'FALSE', 'off', 'Off', 'OFF'],
    ['.nan', '.NaN', '.NAN', '.inf', '.Inf', '.INF', '+.inf', '+.Inf', '+.INF', '-.inf', '-.Inf', '-.INF'],
  ].flat(),
);
const NUMBERS = [
  /^[-+]?(0[bB][01_]+|0[oO]?[0-7_]*|[1-9][0-9_]*|0[xX][0-9a-fA-F_]+)$/,
  /^[-+]?[0-9]*\.?[0-9]+([eE][-+]?[0-9]+)?$/,
  /^[-+]?[0-9]+\.[0-9]*([eE][-+]?[0-9]+)?$/,
  /^[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?$/, // sexagesimal
];
const TIMESTAMP = /^\d{4}-\d{1,2}-\d{1,2}(?:(?:[Tt]|\s+)\d{1,2}:\d{1,2}:\d{1,2}(?:\.\d+)?(?:Z|[-+]\d{2}:\d{2})?)?$/;

const staysString = (text: string): boolean =>
  !NOT_STRINGS.has(text) && !NUMBERS.some((form) => form.test(text)) && !TIMESTAMP.test(text);

/** `isAlso`: whether a line may end at this blank. */
function folded(
  chars: readonly string[],
  { indent, column, isKey }: ScalarPlace,
  isAlso: (at: number) => boolean,
): string {
  let text = '';
  let at = column;
  chars.forEach((char, index) => {
    const mayEnd = !isKey && char === ' ' && chars[index - 1] !== ' ' && chars[index + 1] !== ' ' && at > BEST_WIDTH;
    if (mayEnd && isAlso(index)) {
      text += `\n${' '.repeat(indent)}`;
      at = indent;
    } else {
      text += char;
      at += 1;
    }
  });
  return text;
}

const plain = (text: string, place: ScalarPlace): string => folded([...text], place, () => true);

function singleQuoted(text: string, place: ScalarPlace): string {
  const chars = [...text];
  const quoted = chars.map((char) => (char === "'" ? "''" : char));
  const isInner = (index: number) => index > 0 && index < chars.length - 1;
  return `'${folded(quoted, { ...place, column: place.column + 1 }, isInner)}'`;
}

const ESCAPES: Readonly<Record<string, string>> = {
  '\0': '\\0',
  '\x07': '\\a',
  '\b': '\\b',
  '\t': '\\t',
  '\n': '\\n',
  '\v': '\\v',
  '\f': '\\f',
  '\r': '\\r',
  '\x1b': '\\e',
  '"': '\\"',
  '\\': '\\\\',
  '\u0085': '\\N',
  '\u00a0': '\\_',
  '\u2028': '\\L',
  '\u2029': '\\P',
};

function escaped(char: string): string {
  const known = ESCAPES[char];
  if (known && char !== '\u00a0') return known;
  if (isPrintable(char) && !isBreak(char)) return char;
  const code = char.codePointAt(0)!;
  if (code <= 0xff) return `\\x${code.toString(16).toUpperCase().padStart(2, '0')}`;
  if (code <= 0xffff) return `\\u${code.toString(16).toUpperCase().padStart(4, '0')}`;
  return `\\U${code.toString(16).toUpperCase().padStart(8, '0')}`;
}

function doubleQuoted(text: string, { indent, column, isKey }: ScalarPlace): string {
  const chars = [...text];
  let written = '"';
  let at = column + 1;
  let wasSpace = false;
  chars.forEach((char, index) => {
    const isInner = index > 0 && index < chars.length - 1;
    if (char === ' ' && !isKey && !wasSpace && at > BEST_WIDTH && isInner) {
      const next = chars[index + 1] === ' ' ? '\\' : '';
      written += `\n${' '.repeat(indent)}${next}`;
      at = indent + next.length;
      wasSpace = true;
      return;
    }
    const part = escaped(char);
    written += part;
    at += part.length;
    wasSpace = char === ' ';
  });
  return `${written}"`;
}

function literal(text: string, { indent }: ScalarPlace): string {
  const hint = /^[ \n]/.test(text) ? '2' : '';
  const chomp = !text.endsWith('\n') ? '-' : text === '\n' || text.endsWith('\n\n') ? '+' : '';
  const lines = (text.endsWith('\n') ? text.slice(0, -1) : text).split('\n');
  return `|${hint}${chomp}\n${lines.map((line) => (line === '' ? '' : ' '.repeat(indent) + line)).join('\n')}`;
}

const isLetter = (char: string): boolean => /\p{L}/u.test(char);
const isDigit = (char: string | undefined): boolean => char !== undefined && /\p{Nd}/u.test(char);

/** Letters after everything else, runs of digits as numbers. Source: go-yaml, the order of keys. */
export function compareKeys(a: string, b: string): number {
  const [x, y] = [[...a], [...b]];
  for (let i = 0; i < x.length && i < y.length; i++) {
    const [p, q] = [x[i]!, y[i]!];
    if (p === q) continue;
    if (isLetter(p) && isLetter(q)) return p < q ? -1 : 1;
    if (isLetter(p) || isLetter(q)) return isLetter(q) ? -1 : 1;
    const byNumber = compareRuns(x, y, i);
    return byNumber !== 0 ? byNumber : p < q ? -1 : 1;
  }
  return x.length - y.length;
}

function compareRuns(x: readonly string[], y: readonly string[], from: number): number {
  let start = '';
  if (x[from] === '0' || y[from] === '0')
    for (let j = from - 1; j >= 0 && isDigit(x[j]); j--) if (x[j] !== '0') start = '1';
  const run = (chars: readonly string[]) => {
    let text = '';
    for (let i = from; isDigit(chars[i]); i++) text += chars[i];
    return text;
  };
  const [p, q] = [run(x), run(y)];
  const difference = BigInt(`${start}${p}` || 0) - BigInt(`${start}${q}` || 0);
  if (difference !== 0n) return difference < 0n ? -1 : 1;
  return p.length - q.length;
}
