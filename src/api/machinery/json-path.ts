/**
 * The part of kubectl's JSONPath that CustomResourceDefinitions use for columns, selectable fields and scale: names, indexes,
 * `*`, and filters that compare one field with a literal. Source: "JSONPath Support"; apiextensions, additionalPrinterColumns.
 */

type Step =
  | { type: 'field'; name: string }
  | { type: 'index'; index: number }
  | { type: 'all' }
  | { type: 'filter'; path: readonly Step[]; operator: Comparison; literal: string | number | boolean };
type Comparison = '==' | '!=' | '<' | '<=' | '>' | '>=';

export type JsonPath = readonly Step[];

const MAX_LENGTH = 1024;
const NAME = /^\.((?:[^.[\]\\]|\\.)+)/;
const QUOTED = /^\[(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")\]/;
const INDEX = /^\[(-?\d{1,9})\]/;
const FILTER = /^\[\?\(@((?:\.[^=!<>\s]+)?)\s*(==|!=|<=|>=|<|>)\s*("[^"]*"|'[^']*'|[^\s)]+)\s*\)\]/;

/** `.spec.replicas`, `.status.conditions[?(@.type=="Ready")].status`; undefined for what is not understood. */
export function parseJsonPath(text: string): JsonPath | undefined {
  if (text.length > MAX_LENGTH) return undefined;
  let rest = /^\{.*\}$/s.test(text) ? text.slice(1, -1) : text;
  if (rest.startsWith('$')) rest = rest.slice(1);
  const steps: Step[] = [];
  while (rest !== '') {
    const read = nextStep(rest);
    if (!read) return undefined;
    steps.push(read.step);
    rest = rest.slice(read.length);
  }
  return steps;
}

function nextStep(rest: string): { step: Step; length: number } | undefined {
  if (rest.startsWith('[*]')) return { step: { type: 'all' }, length: 3 };
  if (/^\.\*(?=$|[.[])/.test(rest)) return { step: { type: 'all' }, length: 2 };
  const index = INDEX.exec(rest);
  if (index) return { step: { type: 'index', index: Number(index[1]) }, length: index[0].length };
  const named = QUOTED.exec(rest) ?? NAME.exec(rest);
  if (named) return { step: { type: 'field', name: unescaped(named[1] ?? named[2] ?? '') }, length: named[0].length };
  const filter = FILTER.exec(rest);
  const path = filter && parseJsonPath(filter[1] ?? '');
  if (!filter || !path) return undefined;
  const operator = filter[2] as Comparison;
  return { step: { type: 'filter', path, operator, literal: literalOf(filter[3] ?? '') }, length: filter[0].length };
}

const unescaped = (text: string): string => text.replace(/\\(.)/g, '$1');

function literalOf(text: string): string | number | boolean {
  if (/^["']/.test(text)) return text.slice(1, -1);
  if (text === 'true' || text === 'false') return text === 'true';
  return Number.isNaN(Number(text)) ? text : Number(text);
}

/** All values that the path leads to; none when there is nothing. */
export function valuesAt(path: JsonPath, value: unknown): unknown[] {
  let found: unknown[] = [value];
  for (const step of path) found = found.flatMap((current) => follow(step, current));
  return found;
}

function follow(step: Step, value: unknown): unknown[] {
  if (typeof value !== 'object' || value === null) return [];
  switch (step.type) {
    case 'field':
      return Object.hasOwn(value, step.name) ? [(value as Record<string, unknown>)[step.name]] : [];
    case 'index':
      return Array.isArray(value) && value.at(step.index) !== undefined ? [value.at(step.index)] : [];
    case 'all':
      return Object.values(value);
    case 'filter':
      return (Array.isArray(value) ? value : []).filter((item) =>
        valuesAt(step.path, item).some((found) => compares(found, step.operator, step.literal)),
      );
  }
}

function compares(a: unknown, operator: Comparison, b: string | number | boolean): boolean {
  if (operator === '==') return a === b;
  if (operator === '!=') return a !== b;
  if (typeof a !== typeof b || (typeof a !== 'number' && typeof a !== 'string')) return false;
  switch (operator) {
    case '<':
      return a < b;
    case '<=':
      return a <= b;
    case '>':
      return a > b;
    case '>=':
      return a >= b;
  }
}
