/** The form of a CronJob's schedule: five fields, or a macro. Source: crontab(5) and "CronJob" (schedule syntax). */

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
const MACROS = ['@yearly', '@annually', '@monthly', '@weekly', '@daily', '@midnight', '@hourly'];
const MAX_LENGTH = 1024;

/** What is wrong with it; undefined when it is good. */
export function complaintOfSchedule(schedule: string): string | undefined {
  if (schedule.length > MAX_LENGTH) return 'schedule is too long';
  if (schedule.startsWith('@')) {
    if (MACROS.includes(schedule) || /^@every (\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+$/.test(schedule)) return undefined;
    return `unrecognized descriptor: ${schedule}`;
  }
  const fields = schedule.trim().split(/\s+/);
  if (fields.length !== FIELDS.length)
    return `expected exactly ${FIELDS.length} fields, found ${fields.length}: [${fields.join(' ')}]`;
  for (const [index, field] of fields.entries()) {
    const complaint = complaintOfField(field, FIELDS[index]!);
    if (complaint) return complaint;
  }
  return undefined;
}

function complaintOfField(field: string, range: Range): string | undefined {
  for (const part of field.split(',')) {
    const [span = '', step, ...more] = part.split('/');
    if (more.length > 0) return `too many slashes: ${part}`;
    const [from = '', to, ...rest] = span.split('-');
    if (rest.length > 0) return `too many hyphens: ${part}`;
    const low = from === '*' || from === '?' ? range.low : numberOf(from, range);
    const high = to === undefined ? (from === '*' || from === '?' ? range.high : low) : numberOf(to, range);
    if (low === undefined)
      return `failed to parse int from ${from}: strconv.Atoi: parsing ${JSON.stringify(from)}: invalid syntax`;
    if (high === undefined)
      return `failed to parse int from ${to}: strconv.Atoi: parsing ${JSON.stringify(to)}: invalid syntax`;
    if (low < range.low) return `beginning of range (${low}) below minimum (${range.low}): ${part}`;
    if (high > range.high) return `end of range (${high}) above maximum (${range.high}): ${part}`;
    if (low > high) return `beginning of range (${low}) beyond end of range (${high}): ${part}`;
    if (step !== undefined && !/^\d+$/.test(step))
      return `failed to parse int from ${step}: strconv.Atoi: parsing ${JSON.stringify(step)}: invalid syntax`;
    if (step !== undefined && Number(step) === 0) return `step of range should be a positive number: ${part}`;
  }
  return undefined;
}

function numberOf(text: string, { names }: Range): number | undefined {
  const named = text === '' ? -1 : (names?.indexOf(text.toLowerCase()) ?? -1);
  if (named >= 0) return named;
  return /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}
