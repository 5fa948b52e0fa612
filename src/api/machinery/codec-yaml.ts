/**
 * YAML from untrusted clients, read as sigs.k8s.io/yaml reads it: YAML 1.1 booleans and octals, merge keys, no timestamps,
 * and then only what JSON can hold. Aliases are bounded, so that a small text cannot become a large object.
 */
import {
  type DocumentOptions,
  type ParseOptions,
  parseDocument,
  type ScalarTag,
  type SchemaOptions,
  type Tags,
} from 'yaml';

/** `duplicates`: upstream's text for keys that stand twice, one line each; only when asked for. */
export type ParsedYaml = { value: unknown; duplicates: readonly string[] } | { problem: string };

/** Upstream's own ratio grows with the document; a fixed bound is stricter and no manifest comes near it. */
const MAX_ALIASES = 100;

/** What YAML 1.1 has and Go's reader does not: dates, sexagesimal numbers, and collections that JSON lacks. */
const NOT_READ = /:(timestamp|set|omap|pairs)$/;
const isRead = (tag: Tags[number]): boolean =>
  typeof tag === 'string' || !(NOT_READ.test(tag.tag) || ('format' in tag && tag.format === 'TIME'));

/** `0o17`, which YAML 1.2 has and Go's reader takes as well. */
const OCTAL: ScalarTag = {
  tag: 'tag:yaml.org,2002:int',
  default: true,
  test: /^[-+]?0o[0-7_]+$/,
  resolve: (text: string) => {
    const digits = text.replace(/_/g, '').replace('0o', '');
    return Number.parseInt(digits, 8);
  },
};

const OPTIONS: ParseOptions & DocumentOptions & SchemaOptions = {
  version: '1.1',
  merge: true,
  uniqueKeys: false,
  prettyErrors: false,
  logLevel: 'silent',
  customTags: (tags: Tags): Tags => [...tags.filter(isRead), OCTAL],
};

/** Of a text with several documents the first is read, as upstream does with a request's body. */
export function parseYaml(text: string, { findDuplicates = false } = {}): ParsedYaml {
  const document = parseDocument(firstDocument(text), OPTIONS);
  const [error] = document.errors;
  if (error) return { problem: `error converting YAML to JSON: yaml: ${lineOf(text, error.pos[0])}${error.message}` };
  try {
    const value = jsonValue(document.toJS({ maxAliasCount: MAX_ALIASES }), 0);
    return { value, duplicates: findDuplicates ? duplicateKeys(text) : [] };
  } catch (failure) {
    if (failure instanceof ReferenceError)
      return { problem: 'error converting YAML to JSON: yaml: document contains excessive aliasing' };
    if (failure instanceof NotJson) return { problem: `error converting YAML to JSON: ${failure.message}` };
    throw failure;
  }
}

class NotJson extends Error {}

const MAX_DEPTH = 1000;

const firstDocument = (text: string): string => {
  const body = text.replace(/^(?:\s*(?:#[^\n]*)?\n)*---[^\n\S]*(?:\n|$)/, '');
  const next = /^(?:---|\.\.\.)(?:\s|$)/m.exec(body);
  return next ? body.slice(0, next.index) : body;
};

const lineOf = (text: string, offset: number): string => `line ${text.slice(0, offset).split('\n').length}: `;

function duplicateKeys(text: string): string[] {
  const strict = parseDocument(firstDocument(text), { ...OPTIONS, uniqueKeys: true });
  const lines = strict.errors
    .filter(({ code }) => code === 'DUPLICATE_KEY')
    .map(({ pos }) => `  ${lineOf(text, pos[0])}key ${JSON.stringify(keyAt(text, pos[0]))} already set in map`);
  return lines.length === 0 ? [] : [`yaml: unmarshal errors:\n${lines.join('\n')}`];
}

const keyAt = (text: string, offset: number): string =>
  (/^(?:"([^"\n]*)"|'([^'\n]*)'|([^:\n]*))/.exec(text.slice(offset)) ?? [])
    .slice(1)
    .find((part) => part !== undefined) ?? '';

/** Plain data; what JSON cannot say is refused. */
function jsonValue(value: unknown, depth: number): unknown {
  if (depth > MAX_DEPTH) throw new NotJson('yaml: exceeded max depth of 1000');
  if (typeof value === 'number' && !Number.isFinite(value))
    throw new NotJson(`json: unsupported value: ${goNumber(value)}`);
  if (value instanceof Uint8Array) return new TextDecoder().decode(value); // !!binary
  if (typeof value !== 'object' || value === null) return value ?? null;
  if (Array.isArray(value)) return value.map((element) => jsonValue(element, depth + 1));
  const object: Record<string, unknown> = {};
  for (const [key, element] of Object.entries(value))
    if (key !== '__proto__') object[key] = jsonValue(element, depth + 1);
  return object;
}

const goNumber = (value: number): string => (Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf');
