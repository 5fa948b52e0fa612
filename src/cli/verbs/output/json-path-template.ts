/**
 * kubectl's templates of JSONPath: text, and in braces paths, `range … end`, and quoted text. Missing keys give nothing.
 * Source: "JSONPath Support".
 */
import { VerbError } from '../verb-error.ts';
import { compactJson, formatJson } from './json.ts';
import { type Operand, type Step, type TemplateNode, TemplateParser } from './json-path-parser.ts';

export class JsonPathTemplate {
  readonly #nodes: readonly TemplateNode[];
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

  #printed(nodes: readonly TemplateNode[], root: unknown, current: unknown): string {
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
