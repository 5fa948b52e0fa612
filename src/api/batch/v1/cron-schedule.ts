/**
 * A CronJob's schedule: five fields, or a macro, in a time zone. Source: "CronJob" (schedule syntax), and robfig/cron v3,
 * whose answers at the edges (days, daylight saving) upstream has.
 */
import { remembering } from '#base/remembering.ts';

interface Range {
  name: string;
  low: number;
  high: number;
  names?: readonly string[];
}

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
const FIELDS: readonly Range[] = [
  { name: 'minute', low: 0, high: 59 },
  { name: 'hour', low: 0, high: 23 },
  { name: 'day of month', low: 1, high: 31 },
  { name: 'month', low: 1, high: 12, names: ['', ...MONTHS] },
  { name: 'day of week', low: 0, high: 6, names: DAYS },
];
const MACROS: Readonly<Record<string, string>> = {
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
  '@monthly': '0 0 1 * *',
  '@weekly': '0 0 * * 0',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@hourly': '0 * * * *',
};
const MAX_LENGTH = 1024;
const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
/** A day that does not come within five years never comes. */
const HORIZON_MS = 5 * 366 * DAY_MS;
const UNITS_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: MINUTE_MS,
  h: HOUR_MS,
};

export interface CronSchedule {
  /** The first time after `afterMs`; undefined when there is none within five years. Unix time in ms. */
  next(afterMs: number): number | undefined;
}

export type ReadSchedule = { schedule: CronSchedule } | { complaint: string };

/** What is wrong with it; undefined when it is good. */
export function complaintOfSchedule(text: string): string | undefined {
  const read = readSchedule(text);
  return 'complaint' in read ? read.complaint : undefined;
}

/** `timeZone` is a name of the IANA database that is known to be good. */
export function readSchedule(text: string, timeZone = 'UTC'): ReadSchedule {
  if (text.length > MAX_LENGTH) return { complaint: 'schedule is too long' }; // and not kept
  return knownSchedule(`${timeZone} ${text}`);
}

/** A controller asks for the schedule of each CronJob whenever it looks at it. */
const knownSchedule = remembering(readAnew, { most: 1_000 });

/** Of a zone, in whose name there is no space, and what stands behind it. */
function readAnew(id: string): ReadSchedule {
  const [timeZone = '', text = ''] = id.split(/ (.*)/s);
  const every = /^@every ((?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h))+)$/.exec(text);
  if (every) return { schedule: everySoOften(every[1] ?? '') };
  if (text.startsWith('@') && !Object.hasOwn(MACROS, text)) return { complaint: `unrecognized descriptor: ${text}` };
  const fields = (MACROS[text] ?? text).trim().split(/\s+/);
  if (fields.length !== FIELDS.length)
    return { complaint: `expected exactly ${FIELDS.length} fields, found ${fields.length}: [${fields.join(' ')}]` };
  const read = fields.map((field, index) => readField(field, FIELDS[index]!));
  for (const field of read) if ('complaint' in field) return field;
  return { schedule: new CalendarSchedule(read as Field[], timeZone) };
}

interface Field {
  values: ReadonlySet<number>;
  /** Written as `*`: it leaves the choice of the day to the other field. */
  isStar: boolean;
}

function readField(field: string, range: Range): Field | { complaint: string } {
  const values = new Set<number>();
  let isStar = false;
  for (const part of field.split(',')) {
    if (part === '') continue;
    const read = readPart(part, range);
    if ('complaint' in read) return read;
    for (let value = read.low; value <= read.high; value += read.step) values.add(value);
    isStar ||= read.isStar;
  }
  return { values, isStar };
}

interface Part {
  low: number;
  high: number;
  step: number;
  isStar: boolean;
}

/** In robfig's order, so that of several complaints it is the same one. */
function readPart(part: string, range: Range): Part | { complaint: string } {
  const no = (complaint: string) => ({ complaint });
  const [span = '', steps, ...more] = part.split('/');
  const [from = '', to, ...rest] = span.split('-');
  const isAny = from === '*' || from === '?';
  const low = isAny ? range.low : numberOf(from, range);
  if (low === undefined) return no(notANumber(from));
  if (!isAny && rest.length > 0) return no(`too many hyphens: ${part}`);
  const last = isAny || (to === undefined && steps !== undefined) ? range.high : low;
  const high = to === undefined || isAny ? last : numberOf(to, range);
  if (high === undefined) return no(notANumber(to));
  if (more.length > 0) return no(`too many slashes: ${part}`);
  const step = steps === undefined ? 1 : integerOf(steps);
  if (step === undefined) return no(notANumber(steps));
  if (step < 0) return no(`negative number (${step}) not allowed: ${steps}`);
  if (low < range.low) return no(`beginning of range (${low}) below minimum (${range.low}): ${part}`);
  if (high > range.high) return no(`end of range (${high}) above maximum (${range.high}): ${part}`);
  if (low > high) return no(`beginning of range (${low}) beyond end of range (${high}): ${part}`);
  if (step === 0) return no(`step of range should be a positive number: ${part}`);
  return { low, high, step, isStar: isAny && step === 1 };
}

const INTEGER = /^[+-]?\d+$/;

function notANumber(text = ''): string {
  const why = INTEGER.test(text) ? 'value out of range' : 'invalid syntax';
  return `failed to parse int from ${text}: strconv.Atoi: parsing ${JSON.stringify(text)}: ${why}`;
}

function numberOf(text: string, { names }: Range): number | undefined {
  const named = text === '' ? -1 : (names?.indexOf(text.toLowerCase()) ?? -1);
  return named >= 0 ? named : integerOf(text);
}

function integerOf(text: string): number | undefined {
  return INTEGER.test(text) && Number.isSafeInteger(Number(text)) ? Number(text) : undefined;
}

/** Counts in whole seconds from the second that it is asked in. */
function everySoOften(text: string): CronSchedule {
  let ms = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g))
    ms += Number(amount) * (UNITS_MS[unit ?? ''] ?? 0);
  const delayMs = Math.max(1000, Math.floor(ms / 1000) * 1000);
  return { next: (afterMs) => Math.floor(afterMs / 1000) * 1000 + delayMs };
}

class CalendarSchedule implements CronSchedule {
  readonly #minutes: Field;
  readonly #hours: Field;
  readonly #days: Field;
  readonly #months: Field;
  readonly #weekdays: Field;
  readonly #local: (ms: number) => Date;

  constructor([minutes, hours, days, months, weekdays]: readonly Field[], timeZone: string) {
    this.#minutes = minutes!;
    this.#hours = hours!;
    this.#days = days!;
    this.#months = months!;
    this.#weekdays = weekdays!;
    this.#local = wallClock(timeZone);
  }

  /** Goes forward in real time, by days, hours and minutes: a time that the clocks leap over does not come. */
  next(afterMs: number): number | undefined {
    if ([this.#minutes, this.#hours, this.#months].some(({ values }) => values.size === 0)) return undefined;
    let ms = Math.floor(afterMs / MINUTE_MS) * MINUTE_MS + MINUTE_MS;
    for (const endMs = ms + HORIZON_MS; ms < endMs; ) {
      const local = this.#local(ms);
      if (!this.#isDay(local)) ms = this.#nextMidnight(ms, local);
      else if (!this.#hours.values.has(local.getUTCHours())) ms += HOUR_MS - local.getUTCMinutes() * MINUTE_MS;
      else if (!this.#minutes.values.has(local.getUTCMinutes())) ms += this.#toNextMinuteMs(ms, local);
      else return ms;
    }
    return undefined;
  }

  /** To the next minute of this hour that is chosen, or to the next hour; one minute where the clocks are set meanwhile. */
  #toNextMinuteMs(ms: number, local: Date): number {
    const minute = local.getUTCMinutes();
    let next = minute + 1;
    while (next < 60 && !this.#minutes.values.has(next)) next++;
    const aheadMs = (next - minute) * MINUTE_MS;
    return this.#local(ms + aheadMs).getUTCMinutes() === next % 60 ? aheadMs : MINUTE_MS;
  }

  /** Where both fields choose days, either does. */
  #isDay(local: Date): boolean {
    if (!this.#months.values.has(local.getUTCMonth() + 1)) return false;
    const byDate = this.#days.values.has(local.getUTCDate());
    const byWeekday = this.#weekdays.values.has(local.getUTCDay());
    return this.#days.isStar || this.#weekdays.isStar ? byDate && byWeekday : byDate || byWeekday;
  }

  /** The first minute of the next day, where days may have 23 or 25 hours. */
  #nextMidnight(ms: number, local: Date): number {
    const day = local.getUTCDate();
    let next = ms + DAY_MS - timeOfDayMs(local);
    while (this.#local(next).getUTCDate() === day) next += HOUR_MS;
    const early = next - timeOfDayMs(this.#local(next));
    return this.#local(early).getUTCDate() === day ? next : early;
  }
}

const timeOfDayMs = (local: Date): number => local.getUTCHours() * HOUR_MS + local.getUTCMinutes() * MINUTE_MS;

/** What the clocks of a zone show, as a Date whose UTC fields are theirs. */
function wallClock(timeZone: string): (ms: number) => Date {
  if (timeZone === 'UTC' || timeZone === 'Etc/UTC') return (ms) => new Date(ms);
  const numeric = 'numeric';
  const format = new Intl.DateTimeFormat('en-US', {
    ...{ timeZone, hourCycle: 'h23', year: numeric, month: numeric, day: numeric, hour: numeric, minute: numeric },
  });
  return (ms) => {
    const parts = new Map(format.formatToParts(ms).map(({ type, value }) => [type, Number(value)]));
    const [year = 0, month = 1, day = 1] = [parts.get('year'), parts.get('month'), parts.get('day')];
    return new Date(Date.UTC(year, month - 1, day, parts.get('hour'), parts.get('minute')));
  };
}
