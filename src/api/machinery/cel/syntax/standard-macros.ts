/** The macros of the language itself. Source: CEL language definition, "Macros". */
import type { Expr } from './ast.ts';
import {
  all,
  collect,
  exists,
  existsOne,
  type LoopVariables,
  type Macro,
  MacroError,
  type MacroUse,
  oneVariable,
} from './macro.ts';

type Build = (use: MacroUse, variables: LoopVariables) => Expr;

const over = (name: string, args: number, whenNoName: string, build: Build): Macro => ({
  name,
  args,
  isMember: true,
  expand(use) {
    const variables = oneVariable(use.args[0]!, whenNoName);
    return variables instanceof MacroError ? variables : build(use, variables);
  },
});

const SIMPLE = 'argument must be a simple name';
const IDENTIFIER = 'argument is not an identifier';

export const standardMacros: readonly Macro[] = [
  {
    name: 'has',
    args: 1,
    isMember: false,
    expand({ at, args: [arg] }) {
      if (arg?.kind !== 'select') return new MacroError(arg!.at, 'invalid argument to has() macro');
      return { ...arg, at, isTest: true };
    },
  },
  over('all', 2, SIMPLE, (use, variables) => all(use, variables, use.args[1]!)),
  over('exists', 2, SIMPLE, (use, variables) => exists(use, variables, use.args[1]!)),
  over('exists_one', 2, SIMPLE, (use, variables) => existsOne(use, variables, use.args[1]!)),
  over('map', 2, IDENTIFIER, (use, variables) => collect(use, variables, { transform: use.args[1]! })),
  over('map', 3, IDENTIFIER, (use, variables) =>
    collect(use, variables, { filter: use.args[1]!, transform: use.args[2]! }),
  ),
  over('filter', 2, IDENTIFIER, (use, variables) =>
    collect(use, variables, { filter: use.args[1]!, transform: use.args[0]! }),
  ),
];
