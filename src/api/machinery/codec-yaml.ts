/**
 * YAML from untrusted clients, read as sigs.k8s.io/yaml reads it: YAML 1.1 booleans and octals, merge keys, no timestamps,
 * and then only what JSON can hold. Aliases are bounded, so that a small text cannot become a large object.
 */
import {
  Document,
  type DocumentOptions,
  isCollection,
  isMap,
  isScalar,
  isSeq,
  Lexer,
  type ParseOptions,
  parseAllDocuments,
  type Scalar,
  type ScalarTag,
  type SchemaOptions,
  type Tags,
  visit,
  type YAMLParseError,
} from 'yaml';
import { parseJson, parseWithoutDuplicates } from './codec-json.ts';
import { goSource } from './go-text.ts';
import type { Json } from './json-value.ts';
import { readPlainYaml } from './plain-yaml.ts';
import { setOwn } from './set-own.ts';
import { yamlProblem } from './yaml-problem.ts';

/** `duplicates`: upstream's text for keys that stand twice, one line each; only when asked for. */
export type ParsedYaml = { value: unknown; duplicates: readonly string[] } | { problem: string };

/** Upstream's own ratio grows with the document; a fixed bound is stricter and no manifest comes near it. */
const MAX_ALIASES = 100;

/** What YAML 1.1 has and Go's reader does not: dates, sexagesimal numbers, and collections that JSON lacks. */
const NOT_READ = /:(timestamp|set|omap|pairs)$/;
const isRead = (tag: Tags[number]): boolean =>
  typeof tag === 'string' ||
  !(NOT_READ.test(tag.tag) || ('format' in tag && (tag.format === 'TIME' || tag.format === 'EXP')) || isLax(tag));

/** The package's own take `.` for a number that is none, and `0_` too. */
const isLax = (tag: object): boolean =>
  ('format' in tag && tag.format === 'OCT') || ('test' in tag && tag.test instanceof RegExp && tag.test.test('1.5'));

/** `017`, and `0o17`, which YAML 1.2 has and Go's reader takes as well. */
const OCTAL: ScalarTag = {
  tag: 'tag:yaml.org,2002:int',
  default: true,
  test: /^[-+]?0(?:[oO][0-7_]+|[0-7_]+)$/,
  resolve: (text: string) => {
    const digits = text.replace(/_/g, '').replace(/[oO]/, '');
    return Number.parseInt(digits, 8);
  },
};

const FRACTION: ScalarTag = {
  tag: 'tag:yaml.org,2002:float',
  default: true,
  test: /^[-+]?(?:\.[0-9]+|[0-9][0-9_]*\.[0-9_]*)$/,
  resolve: (text: string) => Number(text.replace(/_/g, '')),
};

/** The package's own would take `e3` for a number. */
const EXPONENT: ScalarTag = {
  tag: 'tag:yaml.org,2002:float',
  default: true,
  test: /^[-+]?(?:\.[0-9]+|[0-9][0-9_]*(?:\.[0-9_]*)?)[eE][-+]?[0-9]+$/,
  resolve: (text: string) => Number(text.replace(/_/g, '')),
};

const OPTIONS: ParseOptions & DocumentOptions & SchemaOptions = {
  version: '1.1',
  merge: true,
  uniqueKeys: false,
  prettyErrors: false,
  logLevel: 'silent',
  customTags: (tags: Tags): Tags => [OCTAL, FRACTION, EXPONENT, ...tags.filter(isRead)],
};

/**
 * Of a text with several documents the first is read, as upstream does with a request's body. `isTrusted`: a text of this
 * machine's user, which may take its time.
 */
export function parseYaml(text: string, { findDuplicates = false, isTrusted = false } = {}): ParsedYaml {
  return (
    asJson(text, findDuplicates) ?? asPlainYaml(text, findDuplicates) ?? asYaml(text, { findDuplicates, isTrusted })
  );
}

/** JSON is YAML, clients send it where YAML is asked for, and reading it as JSON is far cheaper. */
function asJson(text: string, findDuplicates: boolean): ParsedYaml | undefined {
  if (!/^\s*\{/.test(text)) return undefined;
  const parsed = findDuplicates ? parseWithoutDuplicates(text) : parseJson(text);
  return parsed && 'value' in parsed ? { value: jsonValue(parsed.value, 0), duplicates: [] } : undefined;
}

/** The tags by which the full reader tells what a scalar is. */
const { tags: KNOWN_TAGS } = new Document(null, OPTIONS).schema;

function scalarOf(text: string): unknown {
  const tag = KNOWN_TAGS.find((one) => one.default === true && (one as ScalarTag).test?.test(text)) as
    | ScalarTag
    | undefined;
  if (!tag) return text;
  const read = tag.resolve(text, () => undefined, OPTIONS);
  return isScalar(read) ? (read as Scalar).value : read;
}

function asPlainYaml(text: string, findDuplicates: boolean): ParsedYaml | undefined {
  try {
    const limits = { maxDepth: MAX_DEPTH, maxDuplicates: MAX_DUPLICATES };
    const read = readPlainYaml(text, { ...limits, scalar: scalarOf });
    if (!read) return undefined;
    return { value: read.value, duplicates: findDuplicates ? duplicatesText(read.duplicates, text) : [] };
  } catch (failure) {
    return { problem: `error converting YAML to JSON: ${problemOf(failure)}` };
  }
}

/** About half a second of work of the full reader. No manifest of people comes near it. */
const MAX_TOKENS = 100_000;
const MAX_SLOW_LENGTH = 1 << 20;
const TOO_MANY_TOKENS = `yaml: document holds more than ${MAX_TOKENS} tokens or ${MAX_SLOW_LENGTH} characters, and aliases, tags or other things that take long to read`;

function hasTooManyTokens(text: string): boolean {
  if (text.length < MAX_TOKENS) return false;
  if (text.length > MAX_SLOW_LENGTH) return true;
  let tokens = 0;
  for (const _ of new Lexer().lex(text)) if (++tokens > MAX_TOKENS) return true;
  return false;
}

function asYaml(
  text: string,
  { findDuplicates, isTrusted }: Record<'findDuplicates' | 'isTrusted', boolean>,
): ParsedYaml {
  try {
    if (!isTrusted && hasTooManyTokens(text)) throw new NotJson(TOO_MANY_TOKENS);
    const [document] = parseAllDocuments(text, OPTIONS) as Document.Parsed[];
    if (!document) return { value: null, duplicates: [] };
    const [error] = document.errors;
    if (error) return { problem: `error converting YAML to JSON: ${syntaxProblem(text, error)}` };
    refuseOddKeys(document);
    const value = jsonValue(document.toJS({ maxAliasCount: MAX_ALIASES }), 0);
    return { value, duplicates: findDuplicates ? duplicateKeys(document, text) : [] };
  } catch (failure) {
    return { problem: `error converting YAML to JSON: ${problemOf(failure)}` };
  }
}

/** The package's reader is recursive, and reports the end of the stack like a mistake in the text. */
const syntaxProblem = (text: string, { pos, message }: YAMLParseError): string =>
  /call stack/.test(message) ? TOO_DEEP : `yaml: ${yamlProblem(text) ?? `${lineOf(text, pos[0])}${message}`}`;

function problemOf(failure: unknown): string {
  if (failure instanceof NotJson) return failure.message;
  if (failure instanceof ReferenceError) return aliasProblem(failure);
  if (failure instanceof RangeError) return TOO_DEEP;
  if (failure instanceof Error && failure.message.startsWith('Merge sources'))
    return 'yaml: map merge requires map or sequence of maps as the value';
  throw failure;
}

class NotJson extends Error {}

function aliasProblem({ message }: ReferenceError): string {
  const [, name] = /^Unresolved alias .*: (\S+)$/.exec(message) ?? [];
  return name ? `yaml: unknown anchor '${name}' referenced` : 'yaml: document contains excessive aliasing';
}

/** `{{ .name }}`, of a template that nobody has filled in, is a map with a map as its key. */
function refuseOddKeys(document: Document.Parsed): void {
  visit(document, {
    Pair(_, { key }) {
      if (!isCollection(key)) return;
      const text = goSource(jsonValue(key.toJS(document, { maxAliasCount: MAX_ALIASES }), 0) as Json);
      throw new NotJson(`yaml: invalid map key: ${text.replaceAll('map[string]', 'map[interface {}]')}`);
    },
  });
}

const MAX_DEPTH = 1000;
const TOO_DEEP = 'yaml: exceeded max depth of 1000';

const lineOf = (text: string, offset: number): string => `line ${text.slice(0, offset).split('\n').length}: `;

/** All of them are one error with a line each: so many lines are enough to see what is wrong. */
const MAX_DUPLICATES = 100;

/** Not by the package's own check, which compares each key with all before it. */
function duplicateKeys({ contents }: Document.Parsed, text: string): string[] {
  const found: number[] = [];
  collectDuplicates(contents, found);
  return duplicatesText(found, text);
}

/** `found`: offsets in the order of the text. */
function duplicatesText(found: readonly number[], text: string): string[] {
  if (found.length === 0) return [];
  let line = 1;
  let at = text.indexOf('\n');
  const lines = found.map((offset) => {
    for (; at >= 0 && at < offset; at = text.indexOf('\n', at + 1)) line++;
    return `  line ${line}: key ${JSON.stringify(keyAt(text, offset))} already set in map`;
  });
  return [`yaml: unmarshal errors:\n${lines.join('\n')}`];
}

/** Offsets of keys that stand twice in their map, in the order of the text. */
function collectDuplicates(node: unknown, found: number[]): void {
  if (isSeq(node)) for (const item of node.items) collectDuplicates(item, found);
  if (!isMap(node)) return;
  const seen = new Set<unknown>();
  for (const { key, value } of node.items) {
    if (isScalar(key) && key.value !== '<<') {
      if (seen.has(key.value) && found.length < MAX_DUPLICATES) found.push(key.range?.[0] ?? 0);
      seen.add(key.value);
    }
    collectDuplicates(value, found);
  }
}

const keyAt = (text: string, offset: number): string =>
  (/^(?:"([^"\n]*)"|'([^'\n]*)'|([^:\n]*))/.exec(text.slice(offset)) ?? [])
    .slice(1)
    .find((part) => part !== undefined) ?? '';

/** Plain data; what JSON cannot say is refused. */
function jsonValue(value: unknown, depth: number): unknown {
  if (depth > MAX_DEPTH) throw new NotJson(TOO_DEEP);
  if (typeof value === 'number' && !Number.isFinite(value))
    throw new NotJson(`json: unsupported value: ${goNumber(value)}`);
  if (value instanceof Uint8Array) return new TextDecoder().decode(value); // !!binary
  if (typeof value !== 'object' || value === null) return value ?? null;
  if (Array.isArray(value)) return value.map((element) => jsonValue(element, depth + 1));
  const object: Record<string, unknown> = {};
  for (const [key, element] of Object.entries(value)) setOwn(object, key, jsonValue(element, depth + 1));
  return object;
}

const goNumber = (value: number): string => (Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf');
