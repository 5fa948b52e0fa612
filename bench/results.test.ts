import { expect, test } from 'vitest';
import { resultsText } from './results.ts';
import { sizeRow } from './row.ts';

test('results name the machine and the day, and hold the table', () => {
  const text = resultsText([sizeRow('idle/rss', 'MB', { value: 99 })], {
    machine: '2 cores, Debian 12',
    date: '2026-11-21',
  });
  expect(text).toContain('Measured 2026-11-21 on 2 cores, Debian 12.');
  expect(text).toMatch(/\| idle\/rss +\| +99\.0 \| MB/);
});
