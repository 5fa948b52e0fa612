import { expect, test } from 'vitest';
import { jsonLine, quantile, rateRow, sizeRow, timesRow } from './row.ts';
import { table } from './table.ts';

test.each([
  { values: [], q: 0.5, wanted: Number.NaN },
  { values: [7], q: 0.99, wanted: 7 },
  { values: [4, 1, 3, 2], q: 0.5, wanted: 2 },
  { values: [3, 1, 2], q: 0.5, wanted: 2 },
  { values: Array.from({ length: 100 }, (_, i) => 100 - i), q: 0.99, wanted: 99 },
  { values: [1, 2, 3], q: 1, wanted: 3 },
  { values: [1, 2, 3], q: 0, wanted: 1 },
])('the $q quantile of $values is $wanted', ({ values, q, wanted }) => {
  expect(quantile(values, q)).toBe(wanted);
});

test('a quantile leaves the order of its input alone', () => {
  const values = [3, 1, 2];
  quantile(values, 0.5);
  expect(values).toEqual([3, 1, 2]);
});

test('durations are compared by their median, and twice the floor is ratio 2', () => {
  const row = timesRow('api-get', [2, 4, 6], { value: 2, note: 'bare' });
  expect(row).toEqual({ measure: 'api-get', value: 4, unit: 'ms', p50: 4, p99: 6, floor: 2, ratio: 2, note: 'bare' });
});

test('half the rate of the floor is ratio 2 as well', () => {
  const floor = { value: 1000, note: 'bare' };
  expect(rateRow('api-get', { perSecond: 500, times: [1], floor })).toMatchObject({ value: 500, ratio: 2, p50: 1 });
});

test('a row of JSON has always the same keys, null where there is no figure', () => {
  expect(JSON.parse(jsonLine(sizeRow('idle/rss', 'MB', { value: 123.4567891 })))).toEqual({
    measure: 'idle/rss',
    value: 123.457,
    unit: 'MB',
    p50: null,
    p99: null,
    floor: null,
    ratio: null,
  });
});

test('the table says whether a target is met', () => {
  const text = table([
    { ...sizeRow('idle/rss', 'MB', { value: 99 }), target: 150 },
    { ...sizeRow('idle/cpu', '%', { value: 1.5 }), target: 1 },
    { ...rateRow('api-get', { perSecond: 12_345 }), target: 10_000 },
  ]);
  const cells = text.split('\n').map((line) => line.split('|').map((cell) => cell.trim()));
  expect(cells[0]?.slice(1, 4)).toEqual(['measure', 'value', 'unit']);
  expect(cells.slice(2).map((line) => [line[1], line[2], line[8]])).toEqual([
    ['idle/rss', '99.0', '≤ 150 met'],
    ['idle/cpu', '1.50', '≤ 1 missed'],
    ['api-get', '12345', '≥ 10000 met'],
  ]);
});
