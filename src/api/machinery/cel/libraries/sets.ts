/** Lists taken as sets: cel-go's set library. */
import * as cel from '../cel-type.ts';
import { fixed, plus, scaled, times } from '../cost/estimate-call.ts';
import { sizeOf } from '../cost/size.ts';
import { type Evaluate, type FunctionDeclaration, knownOnly, type Library, overload } from '../library.ts';
import { contains } from '../operations/lists.ts';
import { CelError, type List, type Result } from '../value.ts';

const LIST = cel.listOf(cel.paramNamed('T'));

function containsAll(list: List, part: List): Result {
  for (let i = 0; i < part.size; i++) {
    const item = part.at(i);
    const has = item instanceof CelError ? item : contains(list, item);
    if (has !== true) return has;
  }
  return true;
}

function intersects(a: List, b: List): Result {
  for (let i = 0; i < a.size; i++) {
    const item = a.at(i);
    if (!(item instanceof CelError) && contains(b, item) === true) return true;
  }
  return false;
}

function equivalent(a: List, b: List): Result {
  const has = containsAll(a, b);
  return has === true ? containsAll(b, a) : has;
}

/** Each item of one list is compared to each of the other. */
const compares = (name: string, id: string, factor: number, evaluate: Evaluate): FunctionDeclaration =>
  knownOnly({
    name,
    overloads: [overload(id, [LIST, LIST], cel.BOOL, evaluate)],
    cost: ({ args: [a, b] }) => 1 + sizeOf(a!) * sizeOf(b!) * factor,
    estimate: ({ args: [a, b] }) => ({ cost: plus(scaled(times(a!.size, b!.size), factor), fixed(1)) }),
  });

export const sets: Library = {
  name: 'cel.lib.ext.sets',
  functions: [
    compares('sets.contains', 'list_sets_contains_list', 1, containsAll),
    compares('sets.equivalent', 'list_sets_equivalent_list', 2, equivalent),
    compares('sets.intersects', 'list_sets_intersects_list', 1, intersects),
  ],
};
