import { expect, test, vi } from 'vitest';
import { complaintOfSchedule, readSchedule } from './cron-schedule.ts';

test.each([
  '* * * * *',
  '*/5 0-6,12 1 jan-dec/2 mon',
  '0 0 ? * SUN',
  '59 23 31 12 6',
  '@daily',
  '@every 1h30m',
  '1,,2 * * * *',
  '+5 */+2 * * *',
  '*-5 ?-1-2 * * *', // behind a star nobody reads
])('%j is a schedule', (schedule) => {
  expect(complaintOfSchedule(schedule)).toBeUndefined();
});

test.each([
  ['* * * *', 'expected exactly 5 fields, found 4: [* * * *]'],
  ['60 * * * *', 'end of range (60) above maximum (59): 60'],
  ['* * 0 * *', 'beginning of range (0) below minimum (1): 0'],
  ['5-1 * * * *', 'beginning of range (5) beyond end of range (1): 5-1'],
  ['*/0 * * * *', 'step of range should be a positive number: */0'],
  ['a * * * *', 'failed to parse int from a: strconv.Atoi: parsing "a": invalid syntax'],
  ['1/2/3 * * * *', 'too many slashes: 1/2/3'],
  ['*/-5 * * * *', 'negative number (-5) not allowed: -5'],
  ['70/x * * * *', 'failed to parse int from x: strconv.Atoi: parsing "x": invalid syntax'],
  ['a-1-2 * * * *', 'failed to parse int from a: strconv.Atoi: parsing "a": invalid syntax'],
  ['1-2-3/4/5 * * * *', 'too many hyphens: 1-2-3/4/5'],
  ['-1/2/3 * * * *', 'failed to parse int from : strconv.Atoi: parsing "": invalid syntax'],
  ['99999999999 * * * *', 'end of range (99999999999) above maximum (59): 99999999999'],
  [
    '*/99999999999999999999 * * * *',
    'failed to parse int from 99999999999999999999: strconv.Atoi: parsing "99999999999999999999": value out of range',
  ],
  ['@often', 'unrecognized descriptor: @often'],
])('%j is none: %s', (schedule, complaint) => {
  expect(complaintOfSchedule(schedule)).toBe(complaint);
});

const nextOf = (schedule: string, after: string, zone?: string) => {
  const read = readSchedule(schedule, zone);
  if ('complaint' in read) throw new Error(read.complaint);
  const ms = read.schedule.next(Date.parse(after));
  return ms === undefined ? 'never' : new Date(ms).toISOString().replace(/:00\.000Z$/, 'Z');
};

test.each([
  ['* * * * *', '2026-01-01T00:00:00Z', '2026-01-01T00:01Z'],
  ['* * * * *', '2026-01-01T00:00:59.999Z', '2026-01-01T00:01Z'],
  ['*/15 * * * *', '2026-01-01T00:16:00Z', '2026-01-01T00:30Z'],
  ['20/15 * * * *', '2026-01-01T00:51:00Z', '2026-01-01T01:20Z'],
  ['30 4 * * *', '2026-01-01T04:30:00Z', '2026-01-02T04:30Z'],
  ['0 0 29 2 *', '2026-01-01T00:00:00Z', '2028-02-29T00:00Z'],
  ['0 0 31 2 *', '2026-01-01T00:00:00Z', 'never'],
  ['0 12 * * mon-fri', '2026-11-20T13:00:00Z', '2026-11-23T12:00Z'],
  ['0 0 13 * fri', '2026-11-14T00:00:00Z', '2026-11-20T00:00Z'], // the 13th, or a Friday
  ['0 0 */2 * fri', '2026-11-14T00:00:00Z', '2026-11-15T00:00Z'], // a step chooses days
  ['@monthly', '2026-01-31T10:00:00Z', '2026-02-01T00:00Z'],
  ['@weekly', '2026-11-21T10:00:00Z', '2026-11-22T00:00Z'],
  ['10,,20 * * * *', '2026-01-01T00:10:00Z', '2026-01-01T00:20Z'],
  ['@every 90m', '2026-01-01T00:00:00.700Z', '2026-01-01T01:30Z'],
])('%j after %s comes at %s', (schedule, after, expected) => {
  expect(nextOf(schedule, after)).toBe(expected);
});

test.each([
  ['0 9 * * *', '2026-01-01T00:00:00Z', '2026-01-01T14:00Z', 'America/New_York'],
  ['0 9 * * *', '2026-07-01T00:00:00Z', '2026-07-01T13:00Z', 'America/New_York'],
  ['0 0 * * *', '2026-01-01T00:00:00Z', '2026-01-01T18:15Z', 'Asia/Kathmandu'],
  // 02:30 does not come on the day when the clocks go forward, 01:30 comes twice when they go back.
  ['30 2 * * *', '2026-03-08T05:00:00Z', '2026-03-09T06:30Z', 'America/New_York'],
  ['30 1 * * *', '2026-11-01T05:30:00Z', '2026-11-01T06:30Z', 'America/New_York'],
  ['0 0 * * *', '2026-11-01T12:00:00Z', '2026-11-02T05:00Z', 'America/New_York'],
  ['0 0 9 * *', '2026-03-08T00:00:00Z', '2026-03-09T04:00Z', 'America/New_York'],
  // Half an hour there.
  ['45 1 * * *', '2026-04-04T14:50:00Z', '2026-04-04T15:15Z', 'Australia/Lord_Howe'],
  ['40 2 * * *', '2026-10-03T15:00:00Z', '2026-10-03T15:40Z', 'Australia/Lord_Howe'],
  ['10 2 * * *', '2026-10-03T15:00:00Z', '2026-10-04T15:10Z', 'Australia/Lord_Howe'],
])('%j after %s comes at %s in %s', (schedule, after, expected, zone) => {
  expect(nextOf(schedule, after, zone)).toBe(expected);
});

test('a field without any value leaves nothing to look for', () => {
  const read = readSchedule(', , * * *', 'Europe/Berlin');
  const asked: number[] = [];
  const { formatToParts } = Intl.DateTimeFormat.prototype;
  const spy = vi.spyOn(Intl.DateTimeFormat.prototype, 'formatToParts').mockImplementation(function (
    this: Intl.DateTimeFormat,
    ms,
  ) {
    asked.push(Number(ms));
    return formatToParts.call(this, ms);
  });
  try {
    expect('schedule' in read && read.schedule.next(0)).toBeUndefined();
    expect(asked).toEqual([]);
  } finally {
    spy.mockRestore();
  }
});
