/** Loops over index and item, or key and value: cel-go's library of two-variable comprehensions. */
import * as cel from '../cel-type.ts';
import type { NativeMap } from '../evaluate/native-map.ts';
import { type Library, overload } from '../library.ts';
import { ACCUMULATOR, type Expr } from '../syntax/ast.ts';
import {
  all,
  call,
  collect,
  exists,
  existsOne,
  ident,
  type LoopVariables,
  loop,
  type Macro,
  MacroError,
  type MacroUse,
  oneVariable,
  where,
} from '../syntax/macro.ts';
import { CelError, type MapLike, type Result, type Value } from '../value.ts';

const MAP = cel.mapOf(cel.paramNamed('K'), cel.paramNamed('V'));
const INSERT = 'cel.@mapInsert';

/** The map is the loop's own: nobody else sees it while it grows. */
function insert(map: NativeMap, key: Value, value: Value): Result {
  if (map.has(key)) return new CelError(`insert failed: key ${String(key)} already exists`);
  return map.set(key, value) ?? map;
}

function insertAll(map: NativeMap, entries: MapLike): Result {
  for (const key of entries.keys()) {
    const value = entries.find(key) ?? null;
    const result = value instanceof CelError ? value : insert(map, key, value);
    if (result instanceof CelError) return result;
  }
  return map;
}

function twoVariables([first, second]: readonly Expr[]): LoopVariables | MacroError {
  const [one, two] = [first!, second!].map((arg) => oneVariable(arg, 'argument must be a simple name'));
  if (one instanceof MacroError) return one;
  if (two instanceof MacroError) return two;
  if (one!.variable === two!.variable) return new MacroError(second!.at, `duplicate variable name: ${one!.variable}`);
  return { variable: one!.variable, variable2: two!.variable };
}

type Build = (use: MacroUse, variables: LoopVariables, rest: readonly Expr[]) => Expr;

const over = (name: string, args: number, build: Build): Macro => ({
  name,
  args,
  isMember: true,
  expand(use) {
    const variables = twoVariables(use.args);
    return variables instanceof MacroError ? variables : build(use, variables, use.args.slice(2));
  },
});

/** What to do, and before it when to do it. */
const filtered = (name: string, build: (use: MacroUse, variables: LoopVariables, step: Step) => Expr): Macro[] => [
  over(name, 3, (use, variables, [transform]) => build(use, variables, { transform: transform! })),
  over(name, 4, (use, variables, [filter, transform]) =>
    build(use, variables, { filter: filter!, transform: transform! }),
  ),
];

interface Step {
  filter?: Expr;
  transform: Expr;
}

const intoMap = (use: MacroUse, variables: LoopVariables, filter: Expr | undefined, entry: readonly Expr[]): Expr => {
  const { at } = use;
  const step = call(at, INSERT, ident(at, ACCUMULATOR), ...entry);
  return loop(use, variables, { init: { kind: 'map', at, entries: [] }, step: where(at, filter, step) });
};

export const twoVariableLoops: Library = {
  name: 'cel.lib.ext.comprev2',
  functions: [
    {
      name: INSERT,
      overloads: [
        overload('@mapInsert_map_key_value', [MAP, cel.paramNamed('K'), cel.paramNamed('V')], MAP, insert),
        overload('@mapInsert_map_map', [MAP, MAP], MAP, insertAll),
      ],
    },
  ],
  macros: [
    over('all', 3, (use, variables, [predicate]) => all(use, variables, predicate!)),
    over('exists', 3, (use, variables, [predicate]) => exists(use, variables, predicate!)),
    over('existsOne', 3, (use, variables, [predicate]) => existsOne(use, variables, predicate!)),
    over('exists_one', 3, (use, variables, [predicate]) => existsOne(use, variables, predicate!)),
    ...filtered('transformList', collect),
    ...filtered('transformMap', (use, variables, { filter, transform }) =>
      intoMap(use, variables, filter, [ident(use.at, variables.variable), transform]),
    ),
    ...filtered('transformMapEntry', (use, variables, { filter, transform }) =>
      intoMap(use, variables, filter, [transform]),
    ),
  ],
};
