/** The parts of timestamps and durations. */
import * as cel from '../cel-type.ts';
import { wholeOf } from '../int64.ts';
import { type FunctionDeclaration, member, type Overload } from '../library.ts';
import { type WallTime, wallTime } from '../operations/time-zone.ts';
import { CelError, type Duration, type Result, type Timestamp } from '../value.ts';

const { DURATION, INT, STRING, TIMESTAMP } = cel;

/** In UTC, or in the zone that is given. */
function ofTimestamp(id: string, idWithZone: string, part: (time: WallTime) => number): Overload[] {
  const evaluate = (time: Timestamp, zone?: string): Result => {
    const wall = wallTime(time, zone);
    return wall instanceof CelError ? wall : part(wall);
  };
  return [member(id, [TIMESTAMP], INT, evaluate), member(idWithZone, [TIMESTAMP, STRING], INT, evaluate)];
}

const DAY_MS = 86_400_000;

function dayOfYear({ date }: WallTime): number {
  const start = new Date(0);
  start.setUTCFullYear(date.getUTCFullYear(), 0, 1);
  return Math.floor((date.getTime() - start.getTime()) / DAY_MS);
}

type Part = readonly [name: string, id: string, idWithZone: string, part: (time: WallTime) => number];

const PARTS: readonly Part[] = [
  ['getFullYear', 'timestamp_to_year', 'timestamp_to_year_with_tz', ({ date }) => date.getUTCFullYear()],
  ['getMonth', 'timestamp_to_month', 'timestamp_to_month_with_tz', ({ date }) => date.getUTCMonth()],
  ['getDayOfYear', 'timestamp_to_day_of_year', 'timestamp_to_day_of_year_with_tz', dayOfYear],
  [
    'getDayOfMonth',
    'timestamp_to_day_of_month',
    'timestamp_to_day_of_month_with_tz',
    ({ date }) => date.getUTCDate() - 1,
  ],
  [
    'getDate',
    'timestamp_to_day_of_month_1_based',
    'timestamp_to_day_of_month_1_based_with_tz',
    ({ date }) => date.getUTCDate(),
  ],
  ['getDayOfWeek', 'timestamp_to_day_of_week', 'timestamp_to_day_of_week_with_tz', ({ date }) => date.getUTCDay()],
];

/** These two families have both: a duration's are its whole length in that unit, but for the milliseconds. */
const CLOCK: readonly (readonly [...Part, ofDuration: string, nanos: bigint])[] = [
  [
    'getHours',
    'timestamp_to_hours',
    'timestamp_to_hours_with_tz',
    ({ date }) => date.getUTCHours(),
    'duration_to_hours',
    3_600_000_000_000n,
  ],
  [
    'getMinutes',
    'timestamp_to_minutes',
    'timestamp_to_minutes_with_tz',
    ({ date }) => date.getUTCMinutes(),
    'duration_to_minutes',
    60_000_000_000n,
  ],
  [
    'getSeconds',
    'timestamp_to_seconds',
    'timestamp_to_seconds_tz',
    ({ date }) => date.getUTCSeconds(),
    'duration_to_seconds',
    1_000_000_000n,
  ],
  [
    'getMilliseconds',
    'timestamp_to_milliseconds',
    'timestamp_to_milliseconds_with_tz',
    ({ nanos }) => Math.floor(nanos / 1_000_000),
    'duration_to_milliseconds',
    1_000_000n,
  ],
];

export const timeFunctions: readonly FunctionDeclaration[] = [
  ...PARTS.map(([name, id, idWithZone, part]) => ({ name, overloads: ofTimestamp(id, idWithZone, part) })),
  ...CLOCK.map(([name, id, idWithZone, part, ofDuration, unit]) => ({
    name,
    overloads: [
      ...ofTimestamp(id, idWithZone, part),
      member(ofDuration, [DURATION], INT, ({ nanos }: Duration) => wholeOf(nanos / unit)),
    ],
  })),
];
