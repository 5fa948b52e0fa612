/** What a clock on the wall shows at an instant: in UTC, at an offset such as `-08:00`, or in a zone by its name. */
import { remembering } from '#base/remembering.ts';
import { CelError, type Timestamp } from '../value.ts';

export interface WallTime {
  /** Counts as if the wall's clock were in UTC. */
  readonly date: Date;
  readonly nanos: number;
}

const MAX_ZONES = 100; // there are about 600, but expressions name few

export function wallTime({ seconds, nanos }: Timestamp, zone = ''): WallTime | CelError {
  const offset = offsetSeconds(seconds, zone);
  return offset instanceof CelError ? offset : { date: new Date((seconds + offset) * 1000), nanos };
}

function offsetSeconds(seconds: number, zone: string): number | CelError {
  if (zone === '' || zone === 'UTC') return 0;
  const colon = zone.indexOf(':');
  if (colon < 0) return namedOffset(seconds, zone);
  const [hours, minutes] = [zone.slice(0, colon), zone.slice(colon + 1)];
  for (const part of [hours, minutes])
    if (!/^[+-]?\d{1,9}$/.test(part))
      return new CelError(`strconv.Atoi: parsing ${JSON.stringify(part)}: invalid syntax`);
  const sign = zone.startsWith('-') ? -1 : 1;
  return (Number(hours) * 60 + sign * Number(minutes)) * 60;
}

function namedOffset(seconds: number, zone: string): number | CelError {
  const format = formatOf(zone);
  if (format instanceof CelError) return format;
  const parts = new Map(format.formatToParts(seconds * 1000).map(({ type, value }) => [type, Number(value)]));
  const get = (type: Intl.DateTimeFormatPartTypes) => parts.get(type) ?? 0;
  const wall = new Date(0);
  wall.setUTCFullYear(get('year'), get('month') - 1, get('day'));
  wall.setUTCHours(get('hour'), get('minute'), get('second'));
  return wall.getTime() / 1000 - seconds;
}

const formatOf = remembering(makeFormat, { most: MAX_ZONES });

/** Offsets without a colon, which newer engines take for zones, are none. */
function makeFormat(zone: string): Intl.DateTimeFormat | CelError {
  if (!/^[A-Za-z]/.test(zone)) return new CelError(`unknown time zone ${zone}`);
  const number = 'numeric';
  const parts = { year: number, month: number, day: number, hour: number, minute: number, second: number } as const;
  try {
    return new Intl.DateTimeFormat('en-US-u-ca-iso8601', { timeZone: zone, hourCycle: 'h23', ...parts });
  } catch (error) {
    if (error instanceof RangeError) return new CelError(`unknown time zone ${zone}`);
    throw error;
  }
}
