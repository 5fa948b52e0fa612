import { expect, test } from 'vitest';
import { resultsText, withTaken } from './results.ts';
import { type Row, sizeRow } from './row.ts';

const taken = (row: Row, date = '2026-11-21') => ({ date, machine: '2 cores, Debian 12', rows: [row] });
const idle = sizeRow('idle/rss', 'MB', { value: 99 });

test('results say what limits a figure, where that is known', () => {
  const rows = { ...sizeRow('api-get/64 callers', 'µs', { value: 9 }), limit: 'one thread' };
  expect(resultsText({ 'api-get': taken(rows) }, ['api-get'])).toContain('- **api-get/64 callers**: one thread');
});

test('results name the machine and the day, and hold the table', () => {
  const text = resultsText({ idle: taken(idle) }, ['idle']);
  expect(text).toContain('Measured 2026-11-21 on 2 cores, Debian 12. Written');
  expect(text).toMatch(/\| idle\/rss +\| +99\.0 \| MB/);
});

test('what was taken on another day, and what never was, is named', () => {
  const results = { a: taken(idle), b: taken(idle), c: taken(idle, '2026-11-01') };
  expect(resultsText(results, ['a', 'b', 'c', 'd'])).toContain(
    'Measured 2026-11-21 on 2 cores, Debian 12. c: 2026-11-01 on 2 cores, Debian 12. Not measured yet: d.',
  );
});

test('a measure that is taken again replaces its own rows alone; one that is no more goes', () => {
  const standing = { gone: taken(idle), b: taken(idle), a: taken(idle) };
  const again = taken(sizeRow('a/rss', 'MB', { value: 1 }));
  const results = withTaken(standing, { name: 'a', taken: again, known: ['a', 'b'] });
  expect(Object.entries(results)).toEqual([
    ['a', again],
    ['b', standing.b],
  ]);
});
