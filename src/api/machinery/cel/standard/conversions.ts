/** `int(x)`, `string(x)`, `type(x)`, `dyn(x)` and their like. */
import * as cel from '../cel-type.ts';
import { type Evaluate, type FunctionDeclaration, overload } from '../library.ts';
import * as convert from '../operations/convert.ts';
import { conversionError } from '../operations/errors.ts';
import { Double, type Int, type Result, TypeValue, typeOfValue, type Uint, type Value } from '../value.ts';
import { A } from './operators.ts';

const { BOOL, BYTES, DOUBLE, DURATION, INT, STRING, TIMESTAMP, UINT } = cel;

const same = (value: Value): Result => value;

type Source = readonly [id: string, from: cel.CelType, evaluate: Evaluate];

const conversion = (name: string, to: cel.CelType, sources: readonly Source[]): FunctionDeclaration => ({
  name,
  overloads: sources.map(([id, from, evaluate]) => overload(id, [from], to, evaluate)),
});

export const conversionFunctions: readonly FunctionDeclaration[] = [
  {
    name: 'type',
    overloads: [overload('type', [A], cel.typeOf(A))],
    evaluate: (value: Value): Result => new TypeValue(typeOfValue(value)),
  },
  { name: 'dyn', overloads: [overload('to_dyn', [A], cel.DYN)], evaluate: same },
  conversion('bool', BOOL, [
    ['bool_to_bool', BOOL, same],
    ['string_to_bool', STRING, convert.boolOfText],
  ]),
  conversion('bytes', BYTES, [
    ['bytes_to_bytes', BYTES, same],
    ['string_to_bytes', STRING, convert.bytesOfText],
  ]),
  conversion('double', DOUBLE, [
    ['double_to_double', DOUBLE, same],
    ['int64_to_double', INT, (value: Int) => new Double(Number(value))],
    ['string_to_double', STRING, convert.doubleOfText],
    ['uint64_to_double', UINT, ({ value }: Uint) => new Double(Number(value))],
  ]),
  conversion('duration', DURATION, [
    ['duration_to_duration', DURATION, same],
    ['int64_to_duration', INT, () => conversionError('int', 'google.protobuf.Duration')],
    ['string_to_duration', STRING, convert.durationOfText],
  ]),
  conversion('int', INT, [
    ['int64_to_int64', INT, same],
    ['double_to_int64', DOUBLE, convert.intOfDouble],
    ['duration_to_int64', DURATION, convert.intOfDuration],
    ['string_to_int64', STRING, convert.intOfText],
    ['timestamp_to_int64', TIMESTAMP, convert.intOfTimestamp],
    ['uint64_to_int64', UINT, convert.intOfUint],
  ]),
  conversion('string', STRING, [
    ['string_to_string', STRING, same],
    ['bool_to_string', BOOL, String],
    ['bytes_to_string', BYTES, convert.textOfBytes],
    ['double_to_string', DOUBLE, convert.textOfDouble],
    ['duration_to_string', DURATION, convert.textOfDuration],
    ['int64_to_string', INT, String],
    ['timestamp_to_string', TIMESTAMP, convert.textOfTimestamp],
    ['uint64_to_string', UINT, ({ value }: Uint) => String(value)],
  ]),
  conversion('timestamp', TIMESTAMP, [
    ['timestamp_to_timestamp', TIMESTAMP, same],
    ['int64_to_timestamp', INT, convert.timestampOfInt],
    ['string_to_timestamp', STRING, convert.timestampOfText],
  ]),
  conversion('uint', UINT, [
    ['uint64_to_uint64', UINT, same],
    ['double_to_uint64', DOUBLE, convert.uintOfDouble],
    ['int64_to_uint64', INT, convert.uintOfInt],
    ['string_to_uint64', STRING, convert.uintOfText],
  ]),
];
