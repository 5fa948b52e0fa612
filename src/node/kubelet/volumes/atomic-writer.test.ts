import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Payload, writeAtomically } from './atomic-writer.ts';
import { mountPointsBelow } from './mounter.ts';

let volume: string;
beforeEach(() => {
  volume = mkdtempSync(join(tmpdir(), 'kedge-volume-'));
});
afterEach(() => rmSync(volume, { recursive: true }));

const payload = (files: Record<string, string>, mode = 0o644): Payload =>
  new Map(Object.entries(files).map(([path, text]) => [path, { content: Buffer.from(text), mode }]));
const read = (path: string) => readFileSync(join(volume, path), 'utf8');

test('files appear under their names, nested ones too, with their mode', async () => {
  expect(await writeAtomically(volume, payload({ plain: 'a', 'deep/er': 'b' }, 0o400))).toBe(true);
  expect([read('plain'), read('deep/er')]).toEqual(['a', 'b']);
  expect(statSync(join(volume, 'plain')).mode & 0o777).toBe(0o400);
  expect(readlinkSync(join(volume, 'plain'))).toBe('..data/plain');
});

test('the same payload again changes nothing', async () => {
  await writeAtomically(volume, payload({ a: '1' }));
  const data = readlinkSync(join(volume, '..data'));
  expect(await writeAtomically(volume, payload({ a: '1' }))).toBe(false);
  expect(readlinkSync(join(volume, '..data'))).toBe(data);
});

test('a change replaces contents, removes what is gone, and leaves no old folder', async () => {
  await writeAtomically(volume, payload({ a: '1', b: '1' }));
  await writeAtomically(volume, payload({ a: '2', c: '2' }));
  expect(
    readdirSync(volume)
      .filter((name) => !name.startsWith('..'))
      .sort(),
  ).toEqual(['a', 'c']);
  expect(read('a')).toBe('2');
  expect(readdirSync(volume).filter((name) => name.startsWith('..'))).toHaveLength(2);
});

for (const path of ['../up', '/etc/passwd', 'a/../../b', '..data', 'a/..hidden', '.', 'a//b'])
  test(`the path ${path} is refused`, async () => {
    await expect(writeAtomically(volume, payload({ [path]: 'x' }))).rejects.toThrow('invalid path');
    expect(readdirSync(volume)).toEqual([]);
  });

test('mount points are found at and below a path, deepest first', () => {
  const line = (point: string) => `1 1 0:1 / ${point} rw - tmpfs tmpfs rw`;
  const table = [line('/a'), line('/a/b'), line('/a/b/c\\040d'), line('/ab')].join('\n');
  expect(mountPointsBelow(table, '/a')).toEqual(['/a/b/c d', '/a/b', '/a']);
});
