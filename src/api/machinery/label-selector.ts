/**
 * Which labels are meant: `app=web,tier in (a,b),!canary`. Source: "Labels and Selectors"; texts of errors as upstream's,
 * since kubectl shows them.
 */
import type { LabelSelector } from '#api/generated/schema.ts';
import { type FieldError, forbiddenField, invalidValue, requiredValue } from './field-error.ts';
import type { At } from './field-path.ts';
import { labelValue, qualifiedName } from './names.ts';
import { validateLabels } from './object-meta.ts';

export type LabelOperator = '=' | '==' | '!=' | 'in' | 'notin' | 'exists' | '!' | '>' | '<';

export interface LabelRequirement {
  key: string;
  operator: LabelOperator;
  /** Sorted. */
  values: readonly string[];
}

/** All requirements must hold. Sorted by key. */
export interface Selector {
  /** Matches no labels at all: an absent LabelSelector. */
  nothing?: true;
  requirements: readonly LabelRequirement[];
}

export type Labels = Readonly<Record<string, string>>;
export type Parsed<T> = { ok: true; value: T } | { ok: false; error: string };

export const everything: Selector = Object.freeze({ requirements: [] });
export const nothing: Selector = Object.freeze({ nothing: true, requirements: [] });

export const isEverything = (selector: Selector): boolean => !selector.nothing && selector.requirements.length === 0;

export const matchesLabels = (selector: Selector, labels: Labels | undefined): boolean =>
  !selector.nothing && selector.requirements.every((requirement) => holds(requirement, labels ?? {}));

function holds({ key, operator, values }: LabelRequirement, labels: Labels): boolean {
  const present = Object.hasOwn(labels, key);
  const value = present ? labels[key]! : '';
  switch (operator) {
    case '=':
    case '==':
    case 'in':
      return present && values.includes(value);
    case '!=':
    case 'notin':
      return !present || !values.includes(value);
    case 'exists':
      return present;
    case '!':
      return !present;
    case '>':
    case '<': {
      if (!present || !isInteger(value)) return false;
      return operator === '>' ? BigInt(value) > BigInt(values[0]!) : BigInt(value) < BigInt(values[0]!);
    }
  }
}

const isInteger = (text: string) => /^-?\d{1,19}$/.test(text);

/** A map of labels as a selector: each must be there with that value. */
export const selectorOfLabels = (labels: Labels): Selector =>
  selectorOf(Object.entries(labels).map(([key, value]) => ({ key, operator: '=' as const, values: [value] })));

/** A LabelSelector of the API: an absent one matches nothing, an empty one everything. */
export function selectorFrom(selector: LabelSelector | undefined | null): Selector {
  if (!selector) return nothing;
  const exact = Object.entries(selector.matchLabels ?? {}).map(([key, value]) => ({
    key,
    operator: '=' as const,
    values: [value],
  }));
  const expressions = (selector.matchExpressions ?? []).map(({ key, operator, values = [] }) => ({
    key,
    operator: API_OPERATORS[operator] ?? ('in' as const), // unknown ones are refused by validation; `in ()` matches nothing
    values: [...values].sort(),
  }));
  return selectorOf([...exact, ...expressions]);
}

const API_OPERATORS: Readonly<Record<string, LabelOperator>> = {
  In: 'in',
  NotIn: 'notin',
  Exists: 'exists',
  DoesNotExist: '!',
};

const selectorOf = (requirements: LabelRequirement[]): Selector => ({
  requirements: requirements.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0)),
});

/** `app=web,tier in (a,b)`; empty for everything, and for nothing as well. */
export const formatSelector = (selector: Selector): string => selector.requirements.map(formatRequirement).join(',');

function formatRequirement({ key, operator, values }: LabelRequirement): string {
  switch (operator) {
    case 'exists':
      return key;
    case '!':
      return `!${key}`;
    case 'in':
    case 'notin':
      return `${key} ${operator} (${values.join(',')})`;
    default:
      return `${key}${operator}${values[0] ?? ''}`;
  }
}

/** As a column shows it. */
export const formatLabelSelector = (selector: LabelSelector | undefined): string =>
  formatSelector(selectorFrom(selector)) || '<none>';

/** `a=b,c=d`, sorted by key; `<none>` for none. */
export const formatLabels = (labels: Labels | undefined): string =>
  Object.entries(labels ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${value}`)
    .join(',') || '<none>';

export function validateLabelSelector(selector: LabelSelector | undefined, at: At<LabelSelector>): FieldError[] {
  if (!selector) return [];
  const expressions = (selector.matchExpressions ?? []).flatMap(({ key, operator, values = [] }, index) => {
    const here = at.matchExpressions[index]!;
    const errors: FieldError[] = [];
    if (operator === 'In' || operator === 'NotIn') {
      if (values.length === 0)
        errors.push(requiredValue(here.values, "must be specified when `operator` is 'In' or 'NotIn'"));
    } else if (operator === 'Exists' || operator === 'DoesNotExist') {
      if (values.length > 0)
        errors.push(forbiddenField(here.values, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"));
    } else errors.push(invalidValue(here.operator, operator, 'not a valid selector operator'));
    errors.push(...qualifiedName(key).map((text) => invalidValue(here.key, key, text)));
    const bad = values.flatMap((value, i) =>
      labelValue(value).map((text) => invalidValue(here.values[i]!, value, text)),
    );
    return [...errors, ...bad];
  });
  return [...validateLabels(selector.matchLabels, at.matchLabels), ...expressions];
}

const MAX_LENGTH = 1 << 20;

/** The form of `labelSelector=` in a query and of `kubectl -l`. */
export function parseLabelSelector(text: string): Parsed<Selector> {
  if (text.length > MAX_LENGTH) return { ok: false, error: 'label selector is too long' };
  try {
    return { ok: true, value: selectorOf(new SelectorParser(tokensOf(text)).requirements()) };
  } catch (error) {
    if (error instanceof SelectorSyntax) return { ok: false, error: error.message };
    throw error;
  }
}

class SelectorSyntax extends Error {}

interface Token {
  type: 'identifier' | 'operator' | 'end';
  text: string;
}

const TOKEN = /\s*(?:(==|!=|[=!<>(),])|([^\s=!<>(),]+))/y;

function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  TOKEN.lastIndex = 0;
  for (let match = TOKEN.exec(text); match; match = TOKEN.exec(text)) {
    tokens.push(match[1] ? { type: 'operator', text: match[1] } : { type: 'identifier', text: match[2] ?? '' });
  }
  return [...tokens, { type: 'end', text: '' }];
}

const COMPARISONS: readonly string[] = ['=', '==', '!=', '>', '<'];
const BINARY = 'in, notin, =, ==, !=, gt, lt';

class SelectorParser {
  readonly #tokens: readonly Token[];
  #next = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  requirements(): LabelRequirement[] {
    const found: LabelRequirement[] = [];
    for (;;) {
      const token = this.#peek();
      if (token.type === 'end') return found;
      if (token.type !== 'identifier' && token.text !== '!')
        throw new SelectorSyntax(`found '${token.text}', expected: !, identifier, or 'end of string'`);
      found.push(this.#requirement());
      const behind = this.#take();
      if (behind.type === 'end') return found;
      if (behind.text !== ',') throw new SelectorSyntax(`found '${behind.text}', expected: ',' or 'end of string'`);
      const following = this.#peek();
      if (following.type !== 'identifier' && following.text !== '!')
        throw new SelectorSyntax(`found '${following.text}', expected: identifier after ','`);
    }
  }

  #requirement(): LabelRequirement {
    const negated = this.#peek().text === '!' && this.#take().text === '!';
    const { type, text: key } = this.#take();
    if (type !== 'identifier') throw unparsable(`found '${key}', expected: identifier`);
    const complaints = qualifiedName(key);
    if (complaints.length > 0)
      throw unparsable(`<nil>: Invalid value: ${JSON.stringify(key)}: ${complaints.join('; ')}`);
    const following = this.#peek();
    if (negated) return { key, operator: '!', values: [] };
    if (following.type === 'end' || following.text === ',') return { key, operator: 'exists', values: [] };
    return this.#comparison(key);
  }

  #comparison(key: string): LabelRequirement {
    const { text } = this.#take();
    if (text === 'in' || text === 'notin') return this.#checked({ key, operator: text, values: this.#set() });
    if (!COMPARISONS.includes(text)) throw unparsable(`found '${text}', expected: ${BINARY}`);
    return this.#checked({ key, operator: text as LabelOperator, values: [this.#exactValue()] });
  }

  #exactValue(): string {
    const token = this.#peek();
    if (token.type === 'end' || token.text === ',') return '';
    this.#take();
    if (token.type !== 'identifier') throw unparsable(`found '${token.text}', expected: identifier`);
    return token.text;
  }

  #set(): string[] {
    const open = this.#take();
    if (open.text !== '(') throw unparsable(`found '${open.text}' expected: '('`);
    const values = new Set<string>();
    for (;;) {
      const token = this.#take();
      if (token.type === 'identifier') {
        values.add(token.text);
        const behind = this.#take();
        if (behind.text === ')') return [...values].sort();
        if (behind.text !== ',') throw unparsable(`found '${behind.text}', expected: ',' or ')'`);
        if (this.#peek().text === ')') values.add('');
      } else if (token.text === ')') return [...values, ...(values.size === 0 ? [''] : [])].sort();
      else if (token.text === ',') values.add('');
      else throw unparsable(`found '${token.text}', expected: ',', ')' or identifier`);
    }
  }

  #checked(requirement: LabelRequirement): LabelRequirement {
    const { key, operator, values } = requirement;
    if ((operator === '>' || operator === '<') && !isInteger(values[0] ?? ''))
      throw unparsable(
        `values[0][${key}]: Invalid value: ${JSON.stringify(values[0])}: for 'Gt', 'Lt' operators, the value must be an integer`,
      );
    for (const [index, value] of values.entries()) {
      const complaints = labelValue(value);
      if (complaints.length > 0)
        throw unparsable(`values[${index}][${key}]: Invalid value: ${JSON.stringify(value)}: ${complaints.join('; ')}`);
    }
    return requirement;
  }

  #peek = (): Token => this.#tokens[this.#next]!;
  #take = (): Token => {
    const token = this.#peek();
    if (token.type !== 'end') this.#next += 1;
    return token;
  };
}

const unparsable = (why: string) => new SelectorSyntax(`unable to parse requirement: ${why}`);
