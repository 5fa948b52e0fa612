/** Texts beyond the language's own functions: cel-go's string library, version 2. Indexes count characters (code points). */
import * as cel from '../cel-type.ts';
import { fixed, plus, type Range, times, traversed } from '../cost/estimate-call.ts';
import { sizeOf, TRAVERSAL } from '../cost/size.ts';
import { type FunctionDeclaration, type Library, member, overload } from '../library.ts';
import * as text from '../operations/characters.ts';
import { format } from '../operations/format.ts';
import { CelError, type Int, List, type Result } from '../value.ts';
import { expectText } from '../work.ts';
import { overItems, textOfText, twiceAlongText } from './costs.ts';
import { replacedSize } from './replaced-size.ts';

const { INT, STRING } = cel;
const STRINGS = cel.listOf(STRING);

function join(list: List, separator = ''): Result {
  const parts: string[] = [];
  let length = 0;
  for (let i = 0; i < list.size; i++) {
    const item = list.at(i);
    if (item instanceof CelError) return item;
    if (typeof item !== 'string') return new CelError(`join: invalid input: ${String(item)}`);
    parts.push(item);
    length += item.length + separator.length;
  }
  expectText(length);
  return parts.join(separator);
}

const split = (source: string, separator: string, limit: Int = -1): Result =>
  new List(text.split(source, separator, Number(limit)));

/** The characters of all items, and of the separators between them. */
function joinedSize(list: Range, item: Range, separator: Range | undefined): Range {
  const size = times(list, item);
  if (!separator) return size;
  const gaps = { min: Math.max(0, list.min - 1), max: Math.max(0, list.max - 1) };
  return plus(size, times(separator, gaps));
}

const functions: readonly FunctionDeclaration[] = [
  { name: 'charAt', overloads: [member('string_char_at_int', [STRING, INT], STRING, text.charAt)] },
  {
    name: 'indexOf',
    overloads: [
      member('string_index_of_string', [STRING, STRING], INT, text.indexOf),
      member('string_index_of_string_int', [STRING, STRING, INT], INT, text.indexOf),
    ],
    ...overItems,
  },
  {
    name: 'lastIndexOf',
    overloads: [
      member('string_last_index_of_string', [STRING, STRING], INT, text.lastIndexOf),
      member('string_last_index_of_string_int', [STRING, STRING, INT], INT, text.lastIndexOf),
    ],
    ...overItems,
  },
  {
    name: 'lowerAscii',
    overloads: [member('string_lower_ascii', [STRING], STRING, text.lowerAscii)],
    ...textOfText,
  },
  {
    name: 'upperAscii',
    overloads: [member('string_upper_ascii', [STRING], STRING, text.upperAscii)],
    ...textOfText,
  },
  {
    name: 'replace',
    overloads: [
      member('string_replace_string_string', [STRING, STRING, STRING], STRING, text.replace),
      member('string_replace_string_string_int', [STRING, STRING, STRING, INT], STRING, text.replace),
    ],
    ...twiceAlongText,
    estimate(call) {
      const [from, to] = call.args;
      if (!call.target || !from || !to) return undefined;
      return { ...twiceAlongText.estimate(call)!, resultSize: replacedSize(call.target.size, from.size, to.size) };
    },
  },
  {
    name: 'split',
    overloads: [
      member('string_split_string', [STRING, STRING], STRINGS, split),
      member('string_split_string_int', [STRING, STRING, INT], STRINGS, split),
    ],
    ...twiceAlongText,
    estimate(call) {
      const limit = call.args[1]?.expr;
      const most = limit?.kind === 'literal' && typeof limit.value === 'number' ? limit.value : call.target!.size.max;
      return {
        ...twiceAlongText.estimate(call)!,
        resultSize: { min: 0, max: most < 0 ? Number.POSITIVE_INFINITY : most },
      };
    },
  },
  {
    name: 'substring',
    overloads: [
      member('string_substring_int', [STRING, INT], STRING, text.substring),
      member('string_substring_int_int', [STRING, INT, INT], STRING, text.substring),
    ],
    ...textOfText,
  },
  { name: 'trim', overloads: [member('string_trim', [STRING], STRING, text.trim)], ...textOfText },
  {
    name: 'format',
    overloads: [member('string_format', [STRING, cel.listOf(cel.DYN)], STRING, format)],
  },
  { name: 'strings.quote', overloads: [overload('strings_quote', [STRING], STRING, text.quote)] },
  {
    name: 'join',
    overloads: [
      member('list_join', [STRINGS], STRING, join),
      member('list_join_string', [STRINGS, STRING], STRING, join),
    ],
    cost: ({ result }) => Math.ceil(sizeOf(result) * 2 * TRAVERSAL),
    estimate({ target, args: [separator] }) {
      if (!target) return undefined;
      const size = joinedSize(target.size, target.itemSize ?? fixed(0), separator?.size);
      return { cost: traversed(size), resultSize: size };
    },
  },
];

export const strings: Library = { name: 'cel.lib.ext.strings', functions };
