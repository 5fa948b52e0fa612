/** The ledger of the 446 conformance tests: each name once, each shown by a test of ours or owed by a part. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ROOT } from './source-files.ts';

const [header, ...rows] = readFileSync(join(ROOT, 'test/conformance.tsv'), 'utf8')
  .trimEnd()
  .split('\n')
  .map((line) => line.split('\t'));
const shown = rows.filter((row) => row[3]);

test('every conformance name of v1.36 stands in the ledger once', () => {
  expect(header).toEqual(['area', 'file', 'name', 'shown by', 'owed by']);
  expect(rows).toHaveLength(446);
  expect(new Set(rows.map((row) => row.slice(0, 3).join('\t'))).size).toBe(446);
});

test('each name is shown by a test that exists, or owed by a part', () => {
  const wrong = rows.filter(([, , , by, owed]) => (by ? !existsSync(join(ROOT, by.split('#')[0] ?? '')) : !owed));
  expect(wrong).toEqual([]);
});

test('the README tells the count', () => {
  expect(readFileSync(join(ROOT, 'README.md'), 'utf8')).toContain(`${shown.length} of 446`);
});
