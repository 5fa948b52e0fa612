import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { runWithWholeInput } from './whole-input.ts';

const before = process.env['TMPDIR'];
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kedge-input-'));
  process.env['TMPDIR'] = folder;
});
afterEach(() => {
  if (before === undefined) delete process.env['TMPDIR'];
  else process.env['TMPDIR'] = before;
  rmSync(folder, { recursive: true });
});
const copying = (input: string, then = '') => {
  const script = `cat > "$1/copy"; ls -A "$1" > "$1/copy.names"; ${then}`;
  return runWithWholeInput({ program: 'sh', args: ['-c', script, 'sh', folder], input, longestMs: 30_000 });
};

test.each([
  ['nothing', 0],
  ['a little', 100],
  ['more than the kernel holds for who does not read yet', 3 << 20],
])('a program reads all, and nothing is left in a file: %s', async (_, length) => {
  const input = 'é'.repeat(length);
  expect(await copying(input)).toEqual({ code: 0, signal: null, complaint: '' });
  expect(readFileSync(join(folder, 'copy'), 'utf8')).toBe(input);
  expect(readFileSync(join(folder, 'copy.names'), 'utf8').trim().split('\n')).toEqual(['copy', 'copy.names']);
  expect(readdirSync(folder).toSorted()).toEqual(['copy', 'copy.names']);
});

test.each([10, 3 << 20])('of %d bytes it is told how it ended, and what was complained of', async (length) => {
  expect(await copying('x'.repeat(length), 'echo "no such table" >&2; exit 3')).toEqual({
    code: 3,
    signal: null,
    complaint: 'no such table',
  });
});

test.each([10, 3 << 20])('what cannot be started is an error, whatever it was to read (%d bytes)', async (length) => {
  const run = { program: join(folder, 'nowhere'), args: [], input: 'x'.repeat(length), longestMs: 1_000 };
  await expect(runWithWholeInput(run)).rejects.toMatchObject({ code: 'ENOENT' });
  expect(readdirSync(folder)).toEqual([]);
});
