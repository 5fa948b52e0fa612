import { expect, test } from 'vitest';
import { millisOf, parseInstant } from './timestamp.ts';

const READ: readonly [string, number, number][] = [
  ['1970-01-01T00:00:00Z', 0, 0],
  ['2026-11-21T15:04:05Z', 1795273445, 0],
  ['2026-11-21T15:04:05.000006Z', 1795273445, 6000],
  ['2026-11-21T15:04:05,5Z', 1795273445, 500_000_000],
  ['2026-11-21T17:04:05+02:00', 1795273445, 0],
  ['2026-11-21T14:34:05.1234567891-00:30', 1795273445, 123_456_789],
  ['2024-02-29T00:00:00Z', 1709164800, 0],
  ['1969-12-31T23:59:59Z', -1, 0],
  ['0001-01-01T00:00:00Z', -62_135_596_800, 0],
  ['0000-03-01T00:00:00Z', -62_162_035_200, 0],
  ['9999-12-31T23:59:59Z', 253_402_300_799, 0],
];
for (const [text, seconds, nanos] of READ)
  test(`${text} is read`, () => expect(parseInstant(text)).toEqual({ seconds, nanos }));

const REFUSED = [
  '',
  'yesterday',
  '2026-11-21',
  '2026-11-21 15:04:05Z',
  '2026-11-21T15:04:05',
  '2026-11-21T15:04:05z',
  '2026-11-21T15:04:05.Z',
  '2026-11-21T15:04:05+2:00',
  '2026-13-21T15:04:05Z',
  '2026-00-21T15:04:05Z',
  '2026-02-29T15:04:05Z',
  '1900-02-29T15:04:05Z',
  '2026-11-31T15:04:05Z',
  '2026-11-21T24:00:00Z',
  '2026-11-21T15:60:05Z',
  '2026-11-21T15:04:60Z',
  '2026-11-21T15-04:05Z',
  '+026-11-21T15:04:05Z',
];
for (const text of REFUSED)
  test(`${JSON.stringify(text)} is no time`, () => expect(parseInstant(text)).toBeUndefined());

test('every day of centuries is where Date has it', () => {
  for (let ms = Date.UTC(1890, 0, 1, 12, 34, 56); ms < Date.UTC(2110, 0, 1); ms += 86_400_000)
    expect(millisOf(new Date(ms).toISOString())).toBe(ms);
});
