/** `cel.bind(name, value, expression)`: the language's extension that names a value. Kubernetes does not enable it. */
import type { Library } from '../library.ts';
import { type Macro, MacroError } from '../syntax/macro.ts';
import { bound } from './optionals.ts';

const bind: Macro = {
  name: 'bind',
  args: 3,
  isMember: true,
  expand({ at, target, args: [variable, value, result] }) {
    if (target?.kind !== 'ident' || target.name !== 'cel') return undefined;
    if (variable?.kind !== 'ident')
      return new MacroError(variable!.at, 'cel.bind() variable names must be simple identifiers');
    return bound(at, variable.name, value!, result!);
  },
};

export const bindings: Library = { name: 'cel.lib.ext.cel.bindings', functions: [], macros: [bind] };
