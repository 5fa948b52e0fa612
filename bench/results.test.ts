import { expect, test } from 'vitest';
import { resultsText } from './results.ts';
import { sizeRow } from './row.ts';

test('results say what limits a figure, where that is known', () => {
  const rows = [{ ...sizeRow('api-get/64 callers', 'µs', { value: 9 }), limit: 'one thread' }];
  expect(resultsText(rows, { machine: 'm', date: 'd' })).toContain('- **api-get/64 callers**: one thread');
});

test('results name the machine and the day, and hold the table', () => {
  const text = resultsText([sizeRow('idle/rss', 'MB', { value: 99 })], {
    machine: '2 cores, Debian 12',
    date: '2026-11-21',
  });
  expect(text).toContain('Measured 2026-11-21 on 2 cores, Debian 12.');
  expect(text).toMatch(/\| idle\/rss +\| +99\.0 \| MB/);
});
