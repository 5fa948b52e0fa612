/** The operators as functions. Those that need not evaluate all they are given have no `evaluate`: the planner knows them. */
import * as cel from '../cel-type.ts';
import { type Evaluate, type FunctionDeclaration, type Overload, overload } from '../library.ts';
import { add, divide, modulo, multiply, negate, subtract } from '../operations/arithmetic.ts';
import { NO_OVERLOAD } from '../operations/errors.ts';
import { greater, greaterOrEqual, less, lessOrEqual } from '../operations/ordering.ts';
import { OPERATORS } from '../syntax/ast.ts';
import { CelError, type Result } from '../value.ts';

const { BOOL, BYTES, DOUBLE, DURATION, INT, STRING, TIMESTAMP, UINT } = cel;
export const A = cel.paramNamed('A');
export const B = cel.paramNamed('B');
export const LIST_OF_A = cel.listOf(A);
export const MAP_OF_AB = cel.mapOf(A, B);

const logic: readonly FunctionDeclaration[] = [
  { name: OPERATORS.conditional, overloads: [overload('conditional', [BOOL, A, A], A)] },
  { name: OPERATORS.and, overloads: [overload('logical_and', [BOOL, BOOL], BOOL)] },
  { name: OPERATORS.or, overloads: [overload('logical_or', [BOOL, BOOL], BOOL)] },
  {
    name: OPERATORS.not,
    overloads: [overload('logical_not', [BOOL], BOOL)],
    evaluate: (value: unknown): Result => (typeof value === 'boolean' ? !value : NO_OVERLOAD),
  },
  { name: OPERATORS.notStrictlyFalse, overloads: [overload('not_strictly_false', [BOOL], BOOL)] },
  { name: OPERATORS.equals, overloads: [overload('equals', [A, A], BOOL)] },
  { name: OPERATORS.notEquals, overloads: [overload('not_equals', [A, A], BOOL)] },
];

const NUMBERS = [
  ['int64', INT],
  ['uint64', UINT],
  ['double', DOUBLE],
] as const;

/** With the numbers compared to one another. */
function comparison(name: string, id: string, evaluate: Evaluate): FunctionDeclaration {
  const same = (suffix: string, type: cel.CelType) => overload(`${id}_${suffix}`, [type, type], BOOL);
  const numeric = NUMBERS.flatMap(([left, a]): Overload[] => [
    same(left, a),
    ...NUMBERS.filter(([right]) => right !== left).map(([right, b]) =>
      overload(`${id}_${left}_${right}`, [a, b], BOOL),
    ),
  ]);
  const others = [
    same('string', STRING),
    same('bytes', BYTES),
    same('timestamp', TIMESTAMP),
    same('duration', DURATION),
  ];
  return { name, overloads: [same('bool', BOOL), ...numeric, ...others], evaluate };
}

const comparisons: readonly FunctionDeclaration[] = [
  comparison(OPERATORS.less, 'less', less),
  comparison(OPERATORS.lessOrEqual, 'less_equals', lessOrEqual),
  comparison(OPERATORS.greater, 'greater', greater),
  comparison(OPERATORS.greaterOrEqual, 'greater_equals', greaterOrEqual),
];

const sameType = (id: string, type: cel.CelType): Overload => overload(id, [type, type], type);

const arithmetic: readonly FunctionDeclaration[] = [
  {
    name: OPERATORS.add,
    overloads: [
      sameType('add_bytes', BYTES),
      sameType('add_double', DOUBLE),
      sameType('add_duration_duration', DURATION),
      overload('add_duration_timestamp', [DURATION, TIMESTAMP], TIMESTAMP),
      overload('add_timestamp_duration', [TIMESTAMP, DURATION], TIMESTAMP),
      sameType('add_int64', INT),
      sameType('add_list', LIST_OF_A),
      sameType('add_string', STRING),
      sameType('add_uint64', UINT),
    ],
    evaluate: add,
  },
  {
    name: OPERATORS.subtract,
    overloads: [
      sameType('subtract_double', DOUBLE),
      sameType('subtract_duration_duration', DURATION),
      sameType('subtract_int64', INT),
      overload('subtract_timestamp_duration', [TIMESTAMP, DURATION], TIMESTAMP),
      overload('subtract_timestamp_timestamp', [TIMESTAMP, TIMESTAMP], DURATION),
      sameType('subtract_uint64', UINT),
    ],
    evaluate: subtract,
  },
  ...(
    [
      [OPERATORS.multiply, 'multiply', multiply],
      [OPERATORS.divide, 'divide', divide],
    ] as const
  ).map(([name, id, evaluate]) => ({
    name,
    overloads: [sameType(`${id}_double`, DOUBLE), sameType(`${id}_int64`, INT), sameType(`${id}_uint64`, UINT)],
    evaluate,
  })),
  {
    name: OPERATORS.modulo,
    overloads: [sameType('modulo_int64', INT), sameType('modulo_uint64', UINT)],
    evaluate: modulo,
  },
  {
    name: OPERATORS.negate,
    overloads: [overload('negate_double', [DOUBLE], DOUBLE), overload('negate_int64', [INT], INT)],
    evaluate: negate,
  },
];

export const operatorFunctions: readonly FunctionDeclaration[] = [...logic, ...comparisons, ...arithmetic];

/** Takes errors for true: a loop goes on past them. */
export const notStrictlyFalse = (value: Result): boolean => value instanceof CelError || value !== false;
