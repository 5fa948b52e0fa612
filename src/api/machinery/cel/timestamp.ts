/** Points in time as text: RFC 3339 with a zone. */
import { parseInstant } from '../timestamp.ts';
import { Timestamp } from './value.ts';

export const MIN_SECONDS = -62_135_596_800;
export const MAX_SECONDS = 253_402_300_799;

export const isInRange = (seconds: number): boolean => seconds >= MIN_SECONDS && seconds <= MAX_SECONDS;

/** undefined when the text is no time, or none of the years 1 to 9999. */
export function parseTimestamp(text: string): Timestamp | undefined {
  const instant = parseInstant(text);
  if (!instant || !isInRange(instant.seconds)) return undefined;
  const zone = /([+-])(\d\d):(\d\d)$/.exec(text);
  const minutes = zone ? Number(zone[2]) * 60 + Number(zone[3]) : 0;
  return new Timestamp(instant.seconds, instant.nanos, zone?.[1] === '-' ? -minutes : minutes);
}

/** In the zone it was written in, with as many digits of the second as it has. */
export function formatTimestamp({ seconds, nanos, offsetMinutes }: Timestamp): string {
  const local = new Date((seconds + offsetMinutes * 60) * 1000).toISOString().slice(0, 19);
  const fraction = String(nanos).padStart(9, '0').replace(/0+$/, '');
  return `${local}${fraction && `.${fraction}`}${formatOffset(offsetMinutes)}`;
}

function formatOffset(minutes: number): string {
  if (minutes === 0) return 'Z';
  const magnitude = Math.abs(minutes);
  const two = (value: number) => String(value).padStart(2, '0');
  return `${minutes < 0 ? '-' : '+'}${two(Math.floor(magnitude / 60))}:${two(magnitude % 60)}`;
}
