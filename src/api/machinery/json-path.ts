/**
 * The paths of kubectl's JSONPath, which CustomResourceDefinitions use for columns, selectable fields and scale: names,
 * indexes, slices, unions, `*`, `..`, and filters that compare a field with a literal or ask whether it is there. Source:
 * "JSONPath Support"; apiextensions, additionalPrinterColumns.
 */

type Step =
  | { type: 'field'; name: string }
  | { type: 'slice'; from: number | undefined; to: number | undefined; every: number }
  | { type: 'union'; of: readonly Step[] }
  | { type: 'all' }
  | { type: 'everywhere' }
  | { type: 'filter'; path: readonly Step[]; compared?: { operator: Comparison; literal: Literal } };
type Literal = string | number | boolean;
type Comparison = '==' | '!=' | '<' | '<=' | '>' | '>=';

export type JsonPath = readonly Step[];

const MAX_LENGTH = 1024;
const NAME = /^\.((?:[^.[\]\\]|\\.)+)/;
/** What may stand between brackets, one of several. */
const QUOTED = /^(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")$/;
const NUMBERS = /^(-?\d{1,9})?(?:(:)(-?\d{1,9})?(?::(\d{1,9}))?)?$/;
const BRACKETS = /^\[((?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^\]'"?])+)\]/;
const PARTS = /'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^,'"]+/g;
const FILTER = /^\[\?\(@((?:\.[^=!<>\s)]+)?)\s*(?:(==|!=|<=|>=|<|>)\s*("[^"]*"|'[^']*'|[^\s)]+)\s*)?\)\]/;

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
  if (rest.startsWith('..')) return { step: { type: 'everywhere' }, length: rest[2] === '[' ? 2 : 1 };
  if (rest.startsWith('[*]')) return { step: { type: 'all' }, length: 3 };
  if (/^\.\*(?=$|[.[])/.test(rest)) return { step: { type: 'all' }, length: 2 };
  const name = NAME.exec(rest);
  if (name) return { step: { type: 'field', name: unescaped(name[1]!) }, length: name[0].length };
  const brackets = BRACKETS.exec(rest);
  const inner = brackets && bracketed(brackets[1]!);
  if (inner) return { step: inner, length: brackets[0].length };
  const filter = FILTER.exec(rest);
  const path = filter && parseJsonPath(filter[1] ?? '');
  if (!filter || !path) return undefined;
  const compared = filter[2] && { operator: filter[2] as Comparison, literal: literalOf(filter[3] ?? '') };
  if (!compared && path.length === 0) return undefined;
  return { step: { type: 'filter', path, ...(compared && { compared }) }, length: filter[0].length };
}

/** `0`, `-1`, `1:3`, `'a'`, and several of them with commas between. */
function bracketed(text: string): Step | undefined {
  const steps = (text.match(PARTS) ?? []).map((part) => oneOfBrackets(part.trim()));
  if (steps.length === 0 || steps.includes(undefined)) return undefined;
  return steps.length === 1 ? steps[0] : { type: 'union', of: steps as Step[] };
}

function oneOfBrackets(text: string): Step | undefined {
  const quoted = QUOTED.exec(text);
  if (quoted) return { type: 'field', name: unescaped(quoted[1] ?? quoted[2] ?? '') };
  const [found, from, colon, to, every] = NUMBERS.exec(text) ?? [];
  if (!found) return undefined;
  const number = (digits: string | undefined) => (digits === undefined ? undefined : Number(digits));
  if (!colon) return { type: 'slice', from: Number(from), to: from === '-1' ? undefined : Number(from) + 1, every: 1 };
  return { type: 'slice', from: number(from), to: number(to), every: Math.max(1, Number(every ?? 1)) };
}

const unescaped = (text: string): string => text.replace(/\\(.)/g, '$1');

function literalOf(text: string): Literal {
  if (/^["']/.test(text)) return text.slice(1, -1);
  if (text === 'true' || text === 'false') return text === 'true';
  return Number.isNaN(Number(text)) ? text : Number(text);
}

/** Each `..` multiplies what is found: nobody looks at more. */
const MAX_FOUND = 10_000;

/** All values that the path leads to; none when there is nothing. */
export function valuesAt(path: JsonPath, value: unknown): unknown[] {
  let found: unknown[] = [value];
  for (const step of path) found = found.flatMap((current) => follow(step, current)).slice(0, MAX_FOUND);
  return found;
}

function follow(step: Step, value: unknown): unknown[] {
  if (typeof value !== 'object' || value === null) return [];
  switch (step.type) {
    case 'field':
      return Object.hasOwn(value, step.name) ? [(value as Record<string, unknown>)[step.name]] : [];
    case 'slice':
      return Array.isArray(value) ? value.slice(step.from, step.to).filter((_, index) => index % step.every === 0) : [];
    case 'union':
      return step.of.flatMap((one) => follow(one, value));
    case 'everywhere':
      return [value, ...Object.values(value).flatMap((inner) => follow(step, inner))];
    case 'all':
      return Object.values(value);
    case 'filter':
      return (Array.isArray(value) ? value : []).filter((item) =>
        valuesAt(step.path, item).some(
          (found) => !step.compared || compares(found, step.compared.operator, step.compared.literal),
        ),
      );
  }
}

function compares(a: unknown, operator: Comparison, b: Literal): boolean {
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
