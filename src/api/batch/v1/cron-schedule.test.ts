import { expect, test } from 'vitest';
import { complaintOfSchedule } from './cron-schedule.ts';

test.each(['* * * * *', '*/5 0-6,12 1 jan-dec/2 mon', '0 0 ? * SUN', '59 23 31 12 6', '@daily', '@every 1h30m'])(
  '%j is a schedule',
  (schedule) => {
    expect(complaintOfSchedule(schedule)).toBeUndefined();
  },
);

test.each([
  ['* * * *', 'expected exactly 5 fields, found 4: [* * * *]'],
  ['60 * * * *', 'end of range (60) above maximum (59): 60'],
  ['* * 0 * *', 'beginning of range (0) below minimum (1): 0'],
  ['5-1 * * * *', 'beginning of range (5) beyond end of range (1): 5-1'],
  ['*/0 * * * *', 'step of range should be a positive number: */0'],
  ['a * * * *', 'failed to parse int from a: strconv.Atoi: parsing "a": invalid syntax'],
  ['1/2/3 * * * *', 'too many slashes: 1/2/3'],
  ['@often', 'unrecognized descriptor: @often'],
])('%j is none: %s', (schedule, complaint) => {
  expect(complaintOfSchedule(schedule)).toBe(complaint);
});
