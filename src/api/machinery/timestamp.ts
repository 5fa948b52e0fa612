/** Points in time as text: RFC 3339 in UTC, as metav1.Time (whole seconds) and metav1.MicroTime (six digits) print them. */

const RFC3339 = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:[.,](\d+))?(Z|[+-]\d\d:\d\d)$/;

export interface Instant {
  /** Since the epoch; may be negative. */
  seconds: number;
  nanos: number;
}

/** Go's zero time, 0001-01-01T00:00:00Z: on the wire it means none. */
export const ZERO_TIME_SECONDS = -62_135_596_800;

/** undefined when the text is no time. */
export function parseInstant(text: string): Instant | undefined {
  const parts = RFC3339.exec(text);
  if (!parts) return undefined;
  const [year, month, day, hour, minute, second] = parts.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  if (month < 1 || month > 12 || day < 1 || day > daysIn(year, month) || hour > 23 || minute > 59 || second > 59)
    return undefined;
  const zone = parts[8]!;
  const offsetMinutes =
    zone === 'Z' ? 0 : Number(`${zone[0]}1`) * (Number(zone.slice(1, 3)) * 60 + Number(zone.slice(4)));
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  date.setUTCHours(hour, minute, second);
  const nanos = Number((parts[7] ?? '').slice(0, 9).padEnd(9, '0'));
  return { seconds: date.getTime() / 1000 - offsetMinutes * 60, nanos };
}

/** Go's message for a text that parseInstant refuses. Source: Go, time.ParseError. */
export function whyNoInstant(text: string, isMicro: boolean): string {
  const layout = isMicro ? '2006-01-02T15:04:05.000000Z07:00' : '2006-01-02T15:04:05Z07:00';
  const parsing = `parsing time ${JSON.stringify(text)}`;
  let rest = text;
  for (const [element, form] of LAYOUT) {
    const found = form.exec(rest);
    if (!found) return `${parsing} as "${layout}": cannot parse ${JSON.stringify(rest)} as "${element}"`;
    rest = rest.slice(found[0].length);
  }
  return rest === '' ? `${parsing}: day out of range` : `${parsing}: extra text: ${JSON.stringify(rest)}`;
}

const LAYOUT: readonly [string, RegExp][] = [
  ['2006', /^\d{4}/],
  ['-', /^-/],
  ['01', /^\d\d/],
  ['-', /^-/],
  ['02', /^\d\d/],
  ['T', /^T/],
  ['15', /^\d\d/],
  [':', /^:/],
  ['04', /^\d\d/],
  [':', /^:/],
  ['05', /^\d\d(?:[.,]\d+)?/],
  ['Z07:00', /^(?:Z|[+-]\d\d:\d\d)/],
];

const daysIn = (year: number, month: number): number => {
  const date = new Date(0);
  date.setUTCFullYear(year, month, 0);
  return date.getUTCDate();
};

/** `2026-01-02T03:04:05Z`; undefined for an instant that four-digit years cannot name. */
export function formatSeconds(seconds: number): string | undefined {
  const text = isoText(seconds);
  return text && `${text}Z`;
}

/** `2026-01-02T03:04:05.000006Z`. */
export function formatMicros({ seconds, nanos }: Instant): string | undefined {
  const text = isoText(seconds);
  return text && `${text}.${String(Math.floor(nanos / 1000)).padStart(6, '0')}Z`;
}

/** Most texts are of the present: thousands of one second. */
let latest = { seconds: 0, text: '1970-01-01T00:00:00' };

function isoText(seconds: number): string | undefined {
  if (seconds === latest.seconds) return latest.text;
  if (!(seconds >= ZERO_TIME_SECONDS && seconds <= 253_402_300_799)) return undefined; // years 1 to 9999
  const text = new Date(seconds * 1000).toISOString().slice(0, 19);
  latest = { seconds, text };
  return text;
}

/** A time of a Clock, in whole seconds. */
export const timestampOf = (ms: number): string => `${isoText(Math.floor(ms / 1000))}Z`;

/** A time of a Clock, as MicroTime. */
export const microTimestampOf = (ms: number): string => `${new Date(ms).toISOString().slice(0, 23)}000Z`;

/** As a Clock counts it; undefined when there is none, or it is no time. */
export function millisOf(text: string | null | undefined): number | undefined {
  const instant = text ? parseInstant(text) : undefined;
  return instant && instant.seconds * 1000 + instant.nanos / 1_000_000;
}
