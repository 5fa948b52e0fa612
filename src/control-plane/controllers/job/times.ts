/** Times as upstream writes them beside the API's own form. */
import { remembering } from '#base/remembering.ts';

const two = (value: number): string => String(value).padStart(2, '0');

/** RFC 1123 with a numeric zone, in UTC: `Thu, 01 Jan 2026 00:00:00 +0000`. */
export const rfc1123 = (ms: number): string => new Date(ms).toUTCString().replace(/GMT$/, '+0000');

/** RFC 3339 with the offset of the zone; `Z` in UTC. */
export function inZone(ms: number, timeZone = 'UTC'): string {
  const offset = offsetMinutes(ms, timeZone);
  const local = new Date(ms + offset * 60_000).toISOString().slice(0, 19);
  const [sign, size] = [offset < 0 ? '-' : '+', Math.abs(offset)];
  return `${local}${offset === 0 ? 'Z' : `${sign}${two(Math.floor(size / 60))}:${two(size % 60)}`}`;
}

/** Each takes 33 KB, and one zone can be written in many ways. */
const MAX_FORMATS = 100;

/** To make one takes longer than everything else about a Job. */
const formatOf = remembering(
  (timeZone: string) => new Intl.DateTimeFormat('en-US', { timeZone, timeZoneName: 'longOffset' }),
  { most: MAX_FORMATS },
);

function offsetMinutes(ms: number, timeZone: string): number {
  if (timeZone === 'UTC') return 0;
  const parts = formatOf(timeZone).formatToParts(ms);
  const name = parts.find(({ type }) => type === 'timeZoneName')?.value ?? 'GMT';
  const match = /^GMT([+-])(\d{2}):(\d{2})/.exec(name);
  return match ? (match[1] === '-' ? -1 : 1) * (Number(match[2]) * 60 + Number(match[3])) : 0;
}
