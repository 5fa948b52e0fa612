/** The functions of texts that the language itself has. */
import * as cel from '../cel-type.ts';
import { type FunctionDeclaration, member, overload } from '../library.ts';
import { NO_OVERLOAD } from '../operations/errors.ts';
import { matches } from '../operations/patterns.ts';
import type { Result, Value } from '../value.ts';

const { BOOL, STRING } = cel;
const TWO = [STRING, STRING];

const test = (name: string, id: string, holds: (text: string, part: string) => boolean): FunctionDeclaration => ({
  name,
  overloads: [member(id, TWO, BOOL)],
  evaluate: (text: Value, part: Value): Result =>
    typeof text === 'string' && typeof part === 'string' ? holds(text, part) : NO_OVERLOAD,
});

export const stringFunctions: readonly FunctionDeclaration[] = [
  test('contains', 'contains_string', (text, part) => text.includes(part)),
  test('endsWith', 'ends_with_string', (text, part) => text.endsWith(part)),
  test('startsWith', 'starts_with_string', (text, part) => text.startsWith(part)),
  {
    name: 'matches',
    overloads: [overload('matches', TWO, BOOL, matches), member('matches_string', TWO, BOOL, matches)],
  },
];
