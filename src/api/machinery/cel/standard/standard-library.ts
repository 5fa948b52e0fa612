/** What every environment has. Source: CEL language definition, "Functions". */
import type { Library } from '../library.ts';
import { standardMacros } from '../syntax/standard-macros.ts';
import { containerFunctions } from './containers.ts';
import { conversionFunctions } from './conversions.ts';
import { operatorFunctions } from './operators.ts';
import { stringFunctions } from './strings.ts';
import { timeFunctions } from './times.ts';

export const standardLibrary: Library = {
  name: 'stdlib',
  functions: [
    ...operatorFunctions,
    ...containerFunctions,
    ...conversionFunctions,
    ...stringFunctions,
    ...timeFunctions,
  ],
  macros: standardMacros,
};
