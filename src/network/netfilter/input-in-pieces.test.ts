import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { runWithPieces } from './input-in-pieces.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kedge-pieces-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const read = (name: string) => readFileSync(join(folder, name), 'utf8');
const running = (script: string, pieces: Iterable<string>, longestMs = 30_000) =>
  runWithPieces({ program: 'sh', args: ['-c', script, 'sh', folder], pieces, longestMs });

test('a program can open what it reads by its name, and reads all', async () => {
  const pieces = Array.from({ length: 100 }, (_, i) => `${i} ${'é'.repeat(20_000)}\n`);
  expect(await running('cat /dev/fd/0 > "$1/copy"', pieces)).toEqual({ code: 0, signal: null, complaint: '' });
  expect(read('copy')).toBe(pieces.join(''));
});

test('it reads the first while the others are made, and others have their turn meanwhile', async () => {
  let hasRead = false;
  const looking = setInterval(() => {
    hasRead = existsSync(join(folder, 'first'));
  }, 1);
  function* pieces() {
    yield 'first\n';
    while (!hasRead) yield '\n';
    yield 'last\n';
  }
  await running('read first; echo > "$1/$first"; cat > "$1/rest"', pieces());
  clearInterval(looking);
  expect(read('rest')).toMatch(/last\n$/);
});

test('it is told how it ended, and what was complained of, also when it did not read all', async () => {
  const pieces = Array.from({ length: 1_000 }, () => 'x'.repeat(10_000));
  expect(await running('echo "no such table" >&2; exit 3', pieces)).toEqual({
    code: 3,
    signal: null,
    complaint: 'no such table',
  });
});

test('one that does not end is killed, whatever it does', async () => {
  const ended = await running('echo $$ > "$1/pid"; trap "" TERM; while :; do sleep 600; done', ['a'], 200);
  expect(ended).toMatchObject({ code: null, signal: 'SIGKILL' });
  const state = `/proc/${read('pid').trim()}/stat`;
  expect(existsSync(state) ? readFileSync(state, 'utf8') : 'gone').toMatch(/^gone|\) Z /);
});

test('when no more pieces can be made it has only those before, and that is told', async () => {
  function* pieces() {
    yield 'one\n';
    throw new Error('cannot be said');
  }
  await expect(running('cat > "$1/copy"', pieces())).rejects.toThrow('cannot be said');
  expect(read('copy')).toBe('one\n');
});

test('where there is no shell nothing is run', async () => {
  const path = process.env['PATH'];
  process.env['PATH'] = folder;
  try {
    await expect(running('true', ['a'])).rejects.toMatchObject({ code: 'ENOENT' });
  } finally {
    process.env['PATH'] = path;
  }
});
