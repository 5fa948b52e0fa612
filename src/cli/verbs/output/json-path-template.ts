/**
 * kubectl's templates of JSONPath: text, and in braces paths, `range … end`, and quoted text. Missing keys give nothing.
 * Source: "JSONPath Support".
 */
import { VerbError } from '../verb-error.ts';
import { compactJson, formatJson } from './json.ts';

type Step =
  | { type: 'field'; name: string }
  | { type: 'recursive' }
  | { type: 'all' }
  | { type: 'slice'; from?: number; to?: number; step: number; isIndex: boolean }
  | { type: 'union'; of: readonly (readonly Step[])[] }
  | { type: 'filter'; left: Operand; operator?: string; right?: Operand };
type Operand = { steps: readonly Step[] } | { literal: unknown };
type Node =
  | { type: 'text'; text: string }
  | { type: 'path'; steps: readonly Step[] }
  | { type: 'range'; steps: readonly Step[]; body: readonly Node[] };

export class JsonPathTemplate {
  readonly #nodes: readonly Node[];
  readonly #source: string;

  constructor(source: string) {
    this.#source = source;
    this.#nodes = new TemplateParser(source).nodes();
  }

  /** What the template says of `value`. */
  print(value: unknown): string {
    return this.#printed(this.#nodes, value, value);
  }

  /** What its paths find, as a JSON array (`-o jsonpath-as-json`). */
  printAsJson(value: unknown): string {
    return formatJson(this.find(value));
  }

  /** What its paths find, one after the other. */
  find(value: unknown): unknown[] {
    return this.#nodes.flatMap((node) => (node.type === 'path' ? this.#walk(node.steps, value, value) : []));
  }

  #printed(nodes: readonly Node[], root: unknown, current: unknown): string {
    return nodes
      .map((node) => {
        if (node.type === 'text') return node.text;
        const found = this.#walk(node.steps, root, current);
        if (node.type === 'path') return found.map(textOf).join(' ');
        return found.map((item) => this.#printed(node.body, root, item)).join('');
      })
      .join('');
  }

  #walk(steps: readonly Step[], root: unknown, current: unknown): unknown[] {
    try {
      return walk(steps, root, current);
    } catch (error) {
      if (!(error instanceof OutOfBounds)) throw error;
      throw new VerbError(
        `error executing jsonpath ${JSON.stringify(this.#source)}: Error executing template: ${error.message}`,
      );
    }
  }
}

function textOf(value: unknown): string {
  if (typeof value === 'object' && value !== null) return compactJson(value);
  return value === null || value === undefined ? 'null' : String(value);
}

class OutOfBounds extends Error {}

function walk(steps: readonly Step[], root: unknown, start: unknown): unknown[] {
  let found = [start];
  for (const step of steps) {
    const from = found;
    // Each alternative of all values, then the next one.
    if (step.type === 'union') found = step.of.flatMap((of) => from.flatMap((value) => walk(of, root, value)));
    else found = from.flatMap((value) => follow(step, value, root));
  }
  return found;
}

function follow(step: Exclude<Step, { type: 'union' }>, value: unknown, root: unknown): unknown[] {
  switch (step.type) {
    case 'field':
      return step.name === '' ? [value] : fieldIn(value, step.name);
    case 'recursive':
      return descendants(value);
    case 'all':
      return typeof value === 'object' && value !== null ? sortedValues(value) : [];
    case 'slice':
      return sliceOf(value, step);
    case 'filter':
      return itemsOf(value).filter((item) => passes(step, item, root));
  }
}

const itemsOf = (value: unknown): unknown[] =>
  Array.isArray(value) ? value : typeof value === 'object' && value !== null ? sortedValues(value) : [];

const sortedValues = (value: object): unknown[] =>
  Array.isArray(value)
    ? value
    : Object.entries(value)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([, item]) => item);

function fieldIn(value: unknown, name: string): unknown[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || !Object.hasOwn(value, name)) return [];
  return [(value as Record<string, unknown>)[name]];
}

function descendants(value: unknown): unknown[] {
  if (typeof value !== 'object' || value === null) return [];
  return [value, ...sortedValues(value).flatMap(descendants)];
}

function sliceOf(value: unknown, { from, to, step, isIndex }: Extract<Step, { type: 'slice' }>): unknown[] {
  if (!Array.isArray(value)) return [];
  const { length } = value;
  const place = (at: number) => (at < 0 ? at + length : at);
  if (isIndex) {
    const at = place(from ?? 0);
    if (at < 0 || at >= length) throw new OutOfBounds(`array index out of bounds: index ${from}, length ${length}`);
    return [value[at]];
  }
  const [start, end] = [place(from ?? 0), Math.min(place(to ?? length), length)];
  return value.slice(Math.max(0, start), end).filter((_, index) => index % step === 0);
}

function passes({ left, operator, right }: Extract<Step, { type: 'filter' }>, item: unknown, root: unknown): boolean {
  const [a, ...more] = valuesOf(left, item, root);
  if (operator === undefined) return a !== undefined || more.length > 0;
  const [b] = right ? valuesOf(right, item, root) : [];
  if (a === undefined || b === undefined) return false;
  switch (operator) {
    case '==':
      return a === b;
    case '!=':
      return a !== b;
    case '<':
      return (a as number) < (b as number);
    case '>':
      return (a as number) > (b as number);
    case '<=':
      return (a as number) <= (b as number);
    default:
      return (a as number) >= (b as number);
  }
}

const valuesOf = (operand: Operand, item: unknown, root: unknown): unknown[] =>
  'literal' in operand ? [operand.literal] : walk(operand.steps, root, item);

class TemplateParser {
  readonly #source: string;
  #at = 0;

  constructor(source: string) {
    this.#source = source;
  }

  nodes(): Node[] {
    const nodes = this.#until(false);
    return nodes;
  }

  #until(inRange: boolean): Node[] {
    const nodes: Node[] = [];
    for (;;) {
      const open = this.#source.indexOf('{', this.#at);
      const text = this.#source.slice(this.#at, open < 0 ? undefined : open);
      if (text) nodes.push({ type: 'text', text });
      if (open < 0) {
        this.#at = this.#source.length;
        return nodes; // a range that nobody ends goes on to the end of the text
      }
      const action = this.#action(open + 1).trim();
      if (action === 'end') {
        if (!inRange) throw this.#refused('not in range, nothing to end');
        return nodes;
      }
      const [, path] = /^range\s+(.*)$/s.exec(action) ?? [];
      if (path === undefined) nodes.push(...this.#actionNodes(action));
      else nodes.push({ type: 'range', steps: this.#steps(path), body: this.#until(true) });
    }
  }

  /** Up to the brace that closes it; braces in quotes do not count. */
  #action(from: number): string {
    let quote = '';
    for (let at = from; at < this.#source.length; at++) {
      const char = this.#source[at]!;
      if (char === '\\') at += 1;
      else if (quote) quote = char === quote ? '' : quote;
      else if (char === '"' || char === "'") quote = char;
      else if (char === '}') {
        this.#at = at + 1;
        return this.#source.slice(from, at);
      }
    }
    throw this.#refused(quote ? 'unterminated quoted string' : 'unclosed action');
  }

  #actionNodes(action: string): Node[] {
    const nodes: Node[] = [];
    let rest = action;
    while (rest !== '') {
      const quoted = /^\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')\s*/s.exec(rest);
      if (quoted) {
        nodes.push({ type: 'text', text: unquoted(quoted[1]!) });
        rest = rest.slice(quoted[0].length);
        continue;
      }
      const literal = /^\s*(true|false|[-+]?\d+(?:\.\d+)?)(?![\w.])\s*/.exec(rest);
      if (literal) {
        nodes.push({ type: 'text', text: literalText(literal[1]!) });
        rest = rest.slice(literal[0].length);
        continue;
      }
      const end = pathEnd(rest);
      nodes.push({ type: 'path', steps: this.#steps(rest.slice(0, end)) });
      rest = rest.slice(end).trimStart();
    }
    return nodes;
  }

  #steps(text: string): Step[] {
    const steps: Step[] = [];
    let rest = text.trim().replace(/^[$@]/, '');
    if (rest !== '' && !/^[.[]/.test(rest)) throw this.#refused(`unrecognized identifier ${rest}`);
    while (rest !== '') {
      if (rest.startsWith('..')) {
        steps.push({ type: 'recursive' });
        rest = /^\.\.[^[.]/.test(rest) ? rest.slice(1) : rest.slice(2);
      } else if (rest.startsWith('[')) {
        const end = bracketEnd(rest);
        if (end < 0) throw this.#refused('unterminated array');
        steps.push(this.#bracket(rest.slice(1, end)));
        rest = rest.slice(end + 1);
      } else {
        const [whole, name = ''] = /^\.((?:[^.[\]\\\s]|\\.)*)/.exec(rest) ?? [];
        if (whole === undefined) throw this.#refused(`unrecognized character in action: ${JSON.stringify(rest[0])}`);
        steps.push(name === '*' ? { type: 'all' } : { type: 'field', name: name.replace(/\\(.)/g, '$1') });
        rest = rest.slice(whole.length);
      }
    }
    return steps;
  }

  #bracket(text: string): Step {
    const filter = /^\?\((.*)\)$/s.exec(text.trim());
    if (filter) return this.#filter(filter[1]!.trim());
    if (text === '*') return { type: 'all' };
    const names = /^\s*(?:'[^']*'|"[^"]*")(?:\s*,\s*(?:'[^']*'|"[^"]*"))*\s*$/.test(text);
    if (names) {
      const fields = [...text.matchAll(/'([^']*)'|"([^"]*)"/g)].map(([, a, b]) => a ?? b ?? '');
      return { type: 'union', of: fields.map((name) => this.#steps(`.${name}`)) }; // a name in quotes is a path too
    }
    if (text.includes(',')) return { type: 'union', of: text.split(',').map((part) => [this.#slice(part.trim())]) };
    return this.#slice(text.trim());
  }

  #slice(text: string): Step {
    const parts = /^(-?\d*)(?:(:)(-?\d*)(?::(-?\d*))?)?$/.exec(text);
    if (!parts || text === '') throw this.#refused(`invalid array index ${text}`);
    const [, from, colon, to, step] = parts;
    return {
      type: 'slice',
      ...(from && { from: Number(from) }),
      ...(to && { to: Number(to) }),
      step: Number(step || 1),
      isIndex: !colon,
    };
  }

  #filter(text: string): Step {
    const parts = /^(.*?)\s*(==|!=|<=|>=|<|>)\s*(.*)$/s.exec(text);
    if (!parts) return { type: 'filter', left: this.#operand(text) };
    const [, left = '', operator = '', right = ''] = parts;
    return { type: 'filter', left: this.#operand(left), operator, right: this.#operand(right) };
  }

  #operand(text: string): Operand {
    if (/^["']/.test(text)) return { literal: unquoted(text) };
    if (text === 'true' || text === 'false') return { literal: text === 'true' };
    if (/^-?\d+(\.\d+)?$/.test(text)) return { literal: Number(text) };
    return { steps: this.#steps(text) };
  }

  #refused(why: string): VerbError {
    return new VerbError(`error parsing jsonpath ${this.#source}, ${why}`);
  }
}

/** Paths in one action stand apart by blanks. */
function pathEnd(text: string): number {
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const char = text[at]!;
    if (char === '\\') at += 1;
    else if (char === '[') depth += 1;
    else if (char === ']') depth -= 1;
    else if (depth === 0 && at > 0 && /[\s"']/.test(char)) return at;
  }
  return text.length;
}

function bracketEnd(text: string): number {
  let depth = 0;
  let quote = '';
  for (let at = 0; at < text.length; at++) {
    const char = text[at]!;
    if (quote) quote = char === quote ? '' : quote;
    else if (char === '"' || char === "'") quote = char;
    else if (char === '[') depth += 1;
    else if (char === ']' && --depth === 0) return at;
  }
  return -1;
}

const literalText = (text: string): string => (/^[tf]/.test(text) ? text : String(Number(text)));

const UNQUOTED: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r' };

const unquoted = (text: string): string =>
  text.slice(1, -1).replace(/\\(.)/gs, (_, char: string) => UNQUOTED[char] ?? char);

/** `metadata.name`, `.metadata.name`, `{metadata.name}` and `{.metadata.name}` are one path. */
export function relaxedPath(text: string): string {
  if (text === '') return text;
  const [, inBraces, bare] = /^\{\.?([^{}]+)\}$|^\.?([^{}]+)$/.exec(text) ?? [];
  if (inBraces === undefined && bare === undefined)
    throw new VerbError(
      "unexpected path string, expected a 'name1.name2' or '.name1.name2' or '{name1.name2}' or '{.name1.name2}'",
    );
  return `{.${inBraces ?? bare}}`;
}
