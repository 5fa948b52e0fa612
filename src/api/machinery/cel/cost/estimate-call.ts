/**
 * What the static estimate of a call is made from, and made of; and the estimates of functions that do not say it themselves.
 * Source: cel-go's cost model, whose numbers these are. Infinity is no bound; the cost of arguments is added by the caller.
 */
import type { CelType } from '../cel-type.ts';
import type { Expr } from '../syntax/ast.ts';
import { PATTERN, TRAVERSAL } from './size.ts';

export interface Range {
  readonly min: number;
  readonly max: number;
}

export interface CallEstimate {
  readonly cost: Range;
  /** Of a text, list or map that is the result. */
  readonly resultSize?: Range;
}

/** An argument, as far as it is known before anything runs. */
export interface EstimatedNode {
  readonly expr: Expr;
  readonly type: CelType;
  readonly size: Range;
  /** Of the items of a list; undefined for what is none. */
  readonly itemSize?: Range;
}

export interface CallToEstimate {
  readonly overload: string;
  /** What it is called on. */
  readonly target: EstimatedNode | undefined;
  readonly args: readonly EstimatedNode[];
}

export const UNKNOWN: Range = { min: 0, max: Number.POSITIVE_INFINITY };
export const fixed = (value: number): Range => ({ min: value, max: value });
export const plus = (a: Range, b: Range): Range => ({ min: a.min + b.min, max: a.max + b.max });
export const union = (a: Range, b: Range): Range => ({ min: Math.min(a.min, b.min), max: Math.max(a.max, b.max) });

/** Nothing of something without bound is nothing. */
const product = (a: number, b: number): number => (a === 0 || b === 0 ? 0 : a * b);

export const times = (a: Range, b: Range): Range => ({ min: product(a.min, b.min), max: product(a.max, b.max) });
/** Rounded up. */
export const scaled = (range: Range, factor: number): Range => ({
  min: Math.ceil(product(range.min, factor)),
  max: Math.ceil(product(range.max, factor)),
});
export const traversed = (size: Range): Range => scaled(size, TRAVERSAL);
export const matched = (text: Range, pattern: Range): Range =>
  times(traversed(plus(text, fixed(1))), scaled(pattern, PATTERN));

/** Down to the shorter of the two. */
function compared([a, b]: readonly EstimatedNode[]): CallEstimate {
  const max = Math.min(a!.size.max, b!.size.max);
  return { cost: traversed({ min: max > 0 ? 1 : 0, max }) };
}

type Estimate = (call: CallToEstimate) => CallEstimate | undefined;

const ofArgument: Estimate = ({ args: [first] }) => first && { cost: traversed(first.size) };

const bytesOfText: Estimate = ({ args: [text] }) =>
  text && { cost: traversed(text.size), resultSize: { min: text.size.min, max: text.size.max * 4 } };
const textOfBytes: Estimate = ({ args: [bytes] }) =>
  bytes && { cost: traversed(bytes.size), resultSize: { min: Math.floor(bytes.size.min / 4), max: bytes.size.max } };
const quoted: Estimate = ({ args: [text] }) =>
  text && { cost: traversed(text.size), resultSize: { min: text.size.min + 2, max: text.size.max * 2 + 2 } };

const withTarget =
  (cost: (target: EstimatedNode, first: EstimatedNode) => Range): Estimate =>
  ({ target, args: [first] }) =>
    target && first && { cost: cost(target, first) };

const COMPARISONS = ['less', 'less_equals', 'greater', 'greater_equals'].flatMap((name) => [
  `${name}_string`,
  `${name}_bytes`,
]);

const ESTIMATES: ReadonlyMap<string, Estimate> = new Map<string, Estimate>([
  ['string_format', ({ target }) => target && { cost: traversed(target.size) }],
  ['string_to_bytes', bytesOfText],
  ['bytes_to_string', textOfBytes],
  ['strings_quote', quoted],
  ['starts_with_string', ofArgument],
  ['ends_with_string', ofArgument],
  ['in_list', ({ args }) => args[1] && { cost: args[1].size }],
  ['matches_string', withTarget((target, pattern) => matched(target.size, pattern.size))],
  ['contains_string', withTarget((target, part) => times(traversed(target.size), traversed(part.size)))],
  ...['equals', 'not_equals', ...COMPARISONS].map((id): [string, Estimate] => [id, ({ args }) => compared(args)]),
]);

/** One unit when nothing else is known. */
export const defaultEstimate = (call: CallToEstimate): CallEstimate =>
  ESTIMATES.get(call.overload)?.(call) ?? { cost: fixed(1) };
