/**
 * KYAML, as kubectl prints it: YAML in brackets that nobody can misread, every text in quotes. Source: KEP-5295; the encoder of
 * sigs.k8s.io/yaml.
 */
import { isJsonObject } from '#api/machinery/json-value.ts';
import { sorted } from './json.ts';

/** One document, with its `---`. */
export const formatKyaml = (value: unknown): string => structKyaml(sorted(value));

/** With keys in the order in which they stand: of what Go has as a struct. */
export const structKyaml = (value: unknown): string => `---\n${node(value, 0)}\n`;

const spaces = (indent: number): string => '  '.repeat(indent);

function node(value: unknown, indent: number): string {
  if (Array.isArray(value)) return list(value, indent);
  if (isJsonObject(value)) return map(value, indent);
  return typeof value === 'string' ? quoted(value, indent + 1) : JSON.stringify(value ?? null);
}

function list(items: readonly unknown[], indent: number): string {
  if (items.length === 0) return '[]';
  const isCuddled = items.every((item) => typeof item === 'object' && item !== null);
  if (isCuddled) return `[${items.map((item) => node(item, indent)).join(', ')}]`;
  const lines = items.map((item) => `${spaces(indent + 1)}${node(item, indent + 1)},\n`);
  return `[\n${lines.join('')}${spaces(indent)}]`;
}

function map(object: object, indent: number): string {
  const entries = Object.entries(object);
  if (entries.length === 0) return '{}';
  const lines = entries.map(
    ([key, value]) =>
      `${spaces(indent + 1)}${needsQuotes(key) ? quoted(key, indent + 1) : key}: ${node(value, indent + 1)},\n`,
  );
  return `{\n${lines.join('')}${spaces(indent)}}`;
}

const PLAIN = /^[\p{L}\p{N}_](?:[\p{L}\p{N}_./-]*[\p{L}\p{N}_])?$/u;
const WORDS = new Set(['null', 'true', 'false', 'y', 'yes', 'n', 'no', 'on', 'off', 't', 'f']);
const INTEGER = /^[+-]?(?:0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]*|[1-9][0-9]*)$/;
const FRACTION = /^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$/;
const NO_NUMBER = /^[+-]?(?:inf|infinity|nan)$/i;
const DATE = /^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}$/;

/** Of keys: whatever could be taken for something else than a text. */
function needsQuotes(text: string): boolean {
  const digits = text.replace(/_/g, '');
  return (
    !PLAIN.test(text) ||
    WORDS.has(text.toLowerCase()) ||
    INTEGER.test(digits) ||
    FRACTION.test(digits) ||
    NO_NUMBER.test(digits) ||
    DATE.test(text)
  );
}

const FOLD = '\\\n';
const NAMED: Readonly<Record<string, string>> = {
  '\x07': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\r': '\\r',
  '\v': '\\v',
  '\0': '\\0',
  '\x1b': '\\e',
  '\x85': '\\N',
  '\xa0': '\\_',
  '\u2028': '\\L',
  '\u2029': '\\P',
};

/** Lines of a text stand below one another, each with its end written out. */
function quoted(text: string, indent: number): string {
  const hasLines = text.includes('\n');
  let out = hasLines ? `"${FOLD}` : '"';
  for (const char of text) {
    if (out.endsWith('\n')) out += spaces(indent) + (/\s/.test(char) && char !== '\n' ? '\\' : ' ');
    out += char === '\n' ? `\\n${FOLD}` : escaped(char);
  }
  if (!hasLines) return `${out}"`;
  return `${out.endsWith('\n') ? out : out + FOLD}${spaces(indent)}"`;
}

function escaped(char: string): string {
  if (char === '"' || char === '\\') return `\\${char}`;
  if (char === '\t' || char === ' ' || /[\p{L}\p{M}\p{N}\p{P}\p{S}]/u.test(char)) return char;
  const named = NAMED[char];
  if (named) return named;
  const code = char.codePointAt(0)!;
  const hex = (length: number) => code.toString(16).padStart(length, '0');
  if (code < 0x20 || code === 0x7f) return `\\x${hex(2)}`;
  return code < 0x10000 ? `\\u${hex(4)}` : `\\U${hex(8)}`;
}
