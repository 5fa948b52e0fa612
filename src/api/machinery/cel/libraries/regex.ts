/** What a pattern finds: the regular expression library of Kubernetes. */
import * as cel from '../cel-type.ts';
import { type Library, member } from '../library.ts';
import { patternOf, spendSearch } from '../operations/patterns.ts';
import { CelError, type Int, List, type Result } from '../value.ts';
import { search } from './costs.ts';

const { INT, STRING } = cel;

/** At most so many, all for a number below 0. */
function findAllIn(text: string, pattern: string, limit: Int): string[] | CelError {
  const compiled = patternOf(pattern);
  if (compiled instanceof CelError) return new CelError(`Illegal regex: ${compiled.message}`);
  spendSearch(compiled, text);
  const found: string[] = [];
  const matcher = compiled.matcher(text);
  while ((limit < 0 || found.length < limit) && matcher.find()) found.push(matcher.group() ?? '');
  return found;
}

function find(text: string, pattern: string): Result {
  const found = findAllIn(text, pattern, 1);
  return found instanceof CelError ? found : (found[0] ?? '');
}

function findAll(text: string, pattern: string, limit: Int = -1): Result {
  const found = findAllIn(text, pattern, limit);
  return found instanceof CelError ? found : new List(found);
}

export const regex: Library = {
  name: 'kubernetes.regex',
  functions: [
    { name: 'find', overloads: [member('string_find_string', [STRING, STRING], STRING, find)], ...search },
    {
      name: 'findAll',
      overloads: [
        member('string_find_all_string', [STRING, STRING], cel.listOf(STRING), findAll),
        member('string_find_all_string_int', [STRING, STRING, INT], cel.listOf(STRING), findAll),
      ],
      ...search,
    },
  ],
};
