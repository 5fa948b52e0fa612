/** Functions of texts whose indexes count characters (code points). */
import { CelError, type Int, type Result } from '../value.ts';
import { expectText } from '../work.ts';
import { hasPairs } from './text.ts';

/** Where the characters are: for most texts the text itself. */
const charactersOf = (text: string): string | readonly string[] => (hasPairs(text) ? [...text] : text);

const between = (characters: string | readonly string[], start: number, end?: number): string =>
  typeof characters === 'string' ? characters.slice(start, end) : characters.slice(start, end).join('');

const outOfRange = (index: Int): CelError => new CelError(`index out of range: ${index}`);

export function charAt(text: string, index: Int): Result {
  const characters = charactersOf(text);
  if (index < 0 || index > characters.length) return outOfRange(index);
  return characters[Number(index)] ?? '';
}

export function substring(text: string, start: Int, end?: Int): Result {
  const characters = charactersOf(text);
  if (end !== undefined && start > end) return new CelError(`invalid substring range. start: ${start}, end: ${end}`);
  if (start < 0 || start > characters.length) return outOfRange(start);
  if (end !== undefined && end > characters.length) return outOfRange(end);
  return between(characters, Number(start), end === undefined ? undefined : Number(end));
}

/** Counts the characters before that unit. */
const characterIndex = (text: string, unit: number): number =>
  unit < 0 || !hasPairs(text) ? unit : [...text.slice(0, unit)].length;

const unitIndex = (text: string, character: number): number =>
  hasPairs(text) ? [...text].slice(0, character).join('').length : character;

export function indexOf(text: string, part: string, from: Int = 0): Result {
  if (part === '') return from;
  if (from < 0) return outOfRange(from);
  const length = charactersOf(text).length;
  if (from >= length) return -1;
  return characterIndex(text, text.indexOf(part, unitIndex(text, Number(from))));
}

export function lastIndexOf(text: string, part: string, from?: Int): Result {
  const length = charactersOf(text).length;
  if (part === '') return from ?? length;
  if (from !== undefined && from < 0) return outOfRange(from);
  if (from !== undefined && from >= length) return -1;
  const last = from === undefined ? text.length : unitIndex(text, Number(from));
  return characterIndex(text, text.lastIndexOf(part, last));
}

export const lowerAscii = (text: string): string => text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
export const upperAscii = (text: string): string => text.replace(/[a-z]+/g, (letters) => letters.toUpperCase());

/** What Unicode calls white space, which Go takes away. */
const SPACE = /[\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/;

export function trim(text: string): string {
  let [start, end] = [0, text.length];
  while (start < end && SPACE.test(text[start]!)) start += 1;
  while (end > start && SPACE.test(text[end - 1]!)) end -= 1;
  return text.slice(start, end);
}

/** All of them for a limit below 0. */
export function replace(text: string, from: string, to: string, limit: Int = -1): Result {
  const most = limit < 0 ? Number.POSITIVE_INFINITY : Number(limit);
  if (from === '') return replaceEmpty(text, to, most);
  const parts = text.split(from);
  const count = Math.min(most, parts.length - 1);
  expectText(text.length + count * to.length);
  return [parts.slice(0, count + 1).join(to), ...parts.slice(count + 1)].join(from);
}

/** Before each character and at the end. */
function replaceEmpty(text: string, to: string, most: number): string {
  const characters = [...text];
  expectText(text.length + Math.min(most, characters.length + 1) * to.length);
  const parts = characters.map((character, i) => (i < most ? `${to}${character}` : character));
  return `${parts.join('')}${characters.length < most ? to : ''}`;
}

/** At most so many parts, the last with what is left; all for a limit below 0. */
export function split(text: string, separator: string, limit: number): string[] {
  if (limit === 0) return [];
  const parts = separator === '' ? [...text] : text.split(separator);
  if (limit < 0 || parts.length <= limit) return parts;
  return [...parts.slice(0, limit - 1), parts.slice(limit - 1).join(separator)];
}

const ESCAPES: Readonly<Record<string, string>> = {
  '\u0007': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
  '\\': '\\\\',
  '"': '\\"',
};

/** As a literal of the language. */
export const quote = (text: string): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what has to be escaped
  `"${text.replace(/[\u0007-\r\\"]/g, (character) => ESCAPES[character]!)}"`;
