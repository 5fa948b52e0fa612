/**
 * What a call costs when it has been made, for functions that do not say it themselves: one unit, unless the work grows with
 * the arguments. Source: cel-go, whose numbers these are.
 */
import type { RunTimeCost } from '../library.ts';
import { matching, sizeOf, traversal } from './size.ts';

const alongFirst: RunTimeCost = ({ args }) => traversal(sizeOf(args[0]!));
const alongShorter: RunTimeCost = ({ args }) => traversal(Math.min(sizeOf(args[0]!), sizeOf(args[1]!)));
const alongBoth: RunTimeCost = ({ args }) => traversal(sizeOf(args[0]!) + sizeOf(args[1]!));
const overList: RunTimeCost = ({ args }) => sizeOf(args[1]!);

const COSTS: ReadonlyMap<string, RunTimeCost> = new Map<string, RunTimeCost>([
  ['starts_with_string', alongFirst],
  ['ends_with_string', alongFirst],
  ['string_to_bytes', alongFirst],
  ['bytes_to_string', alongFirst],
  ['strings_quote', alongFirst],
  ['string_format', alongFirst],
  ['in_list', overList],
  ...['less', 'greater', 'less_equals', 'greater_equals'].flatMap((name): [string, RunTimeCost][] => [
    [`${name}_string`, alongShorter],
    [`${name}_bytes`, alongShorter],
  ]),
  ['equals', alongShorter],
  ['not_equals', alongShorter],
  ['add_string', alongBoth],
  ['add_bytes', alongBoth],
  ['matches_string', ({ args }) => matching(sizeOf(args[0]!), sizeOf(args[1]!))],
  ['contains_string', ({ args }) => traversal(sizeOf(args[0]!)) * traversal(sizeOf(args[1]!))],
]);

/** undefined: one unit. */
export const defaultCost = (overload: string | undefined): RunTimeCost | undefined =>
  overload === undefined ? undefined : COSTS.get(overload);
