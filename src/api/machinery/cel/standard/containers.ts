/** Lists and maps: `in`, `[]`, `size`. */
import * as cel from '../cel-type.ts';
import { type FunctionDeclaration, member, overload } from '../library.ts';
import { noOverloadOf } from '../operations/errors.ts';
import { contains } from '../operations/lists.ts';
import { lengthOf } from '../operations/text.ts';
import { OPERATORS } from '../syntax/ast.ts';
import { CelError, List, MapLike, type Result, type Value } from '../value.ts';
import { A, B, LIST_OF_A, MAP_OF_AB } from './operators.ts';

const { BOOL, BYTES, INT, STRING } = cel;

function isIn(value: Value, container: Value): Result {
  if (container instanceof List) return contains(container, value);
  if (!(container instanceof MapLike)) return noOverloadOf('@in', [value, container]);
  const found = container.find(value);
  return found instanceof CelError ? found : found !== undefined;
}

function sizeOfValue(value: Value): Result {
  if (typeof value === 'string') return lengthOf(value);
  if (value instanceof List || value instanceof MapLike) return value.size;
  return value instanceof Uint8Array ? value.length : NO_SIZE;
}

const NO_SIZE = new CelError('no such overload: size');

/** Each as a function and as a member. */
const sizes = [
  [BYTES, 'bytes'],
  [LIST_OF_A, 'list'],
  [MAP_OF_AB, 'map'],
  [STRING, 'string'],
] as const;

const optionalIndex: FunctionDeclaration['overloads'] = [
  overload('list_optindex_optional_int', [LIST_OF_A, INT], cel.optionalOf(A)),
  overload('optional_list_optindex_optional_int', [cel.optionalOf(LIST_OF_A), INT], cel.optionalOf(A)),
  overload('map_optindex_optional_value', [MAP_OF_AB, A], cel.optionalOf(B)),
  overload('optional_map_optindex_optional_value', [cel.optionalOf(MAP_OF_AB), A], cel.optionalOf(B)),
];

export const containerFunctions: readonly FunctionDeclaration[] = [
  {
    name: OPERATORS.in,
    overloads: [overload('in_list', [A, LIST_OF_A], BOOL), overload('in_map', [A, MAP_OF_AB], BOOL)],
    evaluate: isIn,
  },
  {
    name: OPERATORS.index,
    overloads: [
      overload('index_list', [LIST_OF_A, INT], A),
      overload('index_map', [MAP_OF_AB, A], B),
      overload('optional_list_index_int', [cel.optionalOf(LIST_OF_A), INT], cel.optionalOf(A)),
      overload('optional_map_index_value', [cel.optionalOf(MAP_OF_AB), A], cel.optionalOf(B)),
    ],
  },
  { name: OPERATORS.optionalIndex, overloads: optionalIndex },
  {
    name: 'size',
    overloads: sizes.flatMap(([type, name]) => [
      overload(`size_${name}`, [type], INT),
      member(`${name}_size`, [type], INT),
    ]),
    evaluate: sizeOfValue,
  },
];
