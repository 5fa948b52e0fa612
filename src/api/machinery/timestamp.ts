/** Points in time as text: RFC 3339 in UTC, as metav1.Time (whole seconds) and metav1.MicroTime (six digits) print them. */

/** What follows the seconds. */
const TAIL = /^(?:[.,](\d+))?(Z|[+-]\d\d:\d\d)$/;
const SECONDS_END = 19;

export interface Instant {
  /** Since the epoch; may be negative. */
  seconds: number;
  nanos: number;
}

/** Go's zero time, 0001-01-01T00:00:00Z: on the wire it means none. */
export const ZERO_TIME_SECONDS = -62_135_596_800;

/** undefined when the text is no time. Every write has some: the digits are read one by one. */
export function parseInstant(text: string): Instant | undefined {
  const year = digitsOf(text, 0, 4);
  const month = digitsOf(text, 5, 7);
  const day = digitsOf(text, 8, 10);
  const hour = digitsOf(text, 11, 13);
  const minute = digitsOf(text, 14, 16);
  const second = digitsOf(text, 17, SECONDS_END);
  // What is no number is NaN, which is within no bounds.
  const isDate = year >= 0 && month >= 1 && month <= 12 && day >= 1 && day <= daysIn(year, month);
  if (!isDate || !(hour <= 23 && minute <= 59 && second <= 59) || !hasSeparators(text)) return undefined;
  const whole = daysSinceEpoch(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
  if (text.length === SECONDS_END + 1 && text.charCodeAt(SECONDS_END) === Z) return { seconds: whole, nanos: 0 };
  const tail = TAIL.exec(text.slice(SECONDS_END));
  if (!tail) return undefined;
  const zone = tail[2]!;
  const offsetMinutes =
    zone === 'Z' ? 0 : Number(`${zone[0]}1`) * (Number(zone.slice(1, 3)) * 60 + Number(zone.slice(4)));
  const nanos = Number((tail[1] ?? '').slice(0, 9).padEnd(9, '0'));
  return { seconds: whole - offsetMinutes * 60, nanos };
}

const [ZERO, DASH, COLON, T, Z] = [...'0-:TZ'].map((sign) => sign.charCodeAt(0)) as [
  number,
  number,
  number,
  number,
  number,
];

/** NaN when there is something else. */
function digitsOf(text: string, from: number, to: number): number {
  let value = 0;
  for (let at = from; at < to; at++) {
    const digit = text.charCodeAt(at) - ZERO;
    if (!(digit >= 0 && digit <= 9)) return Number.NaN;
    value = value * 10 + digit;
  }
  return value;
}

const hasSeparators = (text: string): boolean =>
  text.charCodeAt(4) === DASH &&
  text.charCodeAt(7) === DASH &&
  text.charCodeAt(10) === T &&
  text.charCodeAt(13) === COLON &&
  text.charCodeAt(16) === COLON;

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

const DAYS_IN = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
/** Before each month, in a year that is no leap year. */
const DAYS_BEFORE = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
/** From 0000-01-01 to 1970-01-01. */
const EPOCH_DAYS = 719_528;

const isLeap = (year: number): boolean => year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);

const daysIn = (year: number, month: number): number => (month === 2 && isLeap(year) ? 29 : DAYS_IN[month - 1]!);

function daysSinceEpoch(year: number, month: number, day: number): number {
  const leapDays =
    year === 0 ? 0 : Math.floor((year + 3) / 4) - Math.floor((year + 99) / 100) + Math.floor((year + 399) / 400);
  const leapDay = month > 2 && isLeap(year) ? 1 : 0;
  return year * 365 + leapDays + DAYS_BEFORE[month - 1]! + leapDay + day - 1 - EPOCH_DAYS;
}

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
export function microTimestampOf(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  return `${isoText(seconds)}.${String(Math.floor(ms - seconds * 1000)).padStart(3, '0')}000Z`;
}

/** As a Clock counts it; undefined when there is none, or it is no time. */
export function millisOf(text: string | null | undefined): number | undefined {
  const instant = text ? parseInstant(text) : undefined;
  return instant && instant.seconds * 1000 + instant.nanos / 1_000_000;
}
