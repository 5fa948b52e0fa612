import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { SmallShells } from './small-shells.ts';

const shells = new SmallShells();
afterEach(() => shells.close());

it.each([
  ['what it says on both outputs, and its exit code', ['sh', '-c', 'echo one; echo two >&2; exit 3'], 3, 'one\ntwo'],
  ['silence', ['true'], 0, ''],
  [
    'words that a shell would read otherwise',
    ['printf', '[%s]', 'a b', '$(id)', "'", '', '-n', '\\t*'],
    0,
    "[a b][$(id)]['][][-n][\\t*]",
  ],
  ['words of several lines', ['printf', '[%s]', 'a\nb', 'c'], 0, '[a\nb][c]'],
] as const)('hands on %s', async (_, [program, ...args], code, said) => {
  expect(await shells.run(program, args)).toEqual({ code, said });
});

it('says 127 of a program that is not there, and goes on', async () => {
  expect(await shells.run('no-such-program', [])).toMatchObject({ code: 127 });
  expect(await shells.run('echo', ['well'])).toEqual({ code: 0, said: 'well' });
});

it('runs each of many that come at once, others beside those that take long', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'small-shells-'));
  const untilThere = `while [ ! -e ${join(folder, 'go')} ]; do sleep 0.05; done; echo late`;
  const slow = Promise.all(Array.from({ length: 6 }, () => shells.run('sh', ['-c', untilThere])));
  const texts = Array.from({ length: 30 }, (_, index) => `${index}`);
  const quick = await Promise.all(texts.map((text) => shells.run('echo', [text])));
  expect(quick.map(({ said }) => said)).toEqual(texts);
  await writeFile(join(folder, 'go'), '');
  expect(new Set((await slow).map(({ said }) => said))).toEqual(new Set(['late']));
  await rm(folder, { recursive: true });
});

it('tells that nobody knows how a program ended whose shell was killed, and takes another for the next', async () => {
  const fresh = new SmallShells();
  await expect(fresh.run('sh', ['-c', 'kill -9 $PPID'])).rejects.toMatchObject({ code: 'ESRCH' });
  expect(await fresh.run('echo', ['again'])).toEqual({ code: 0, said: 'again' });
  fresh.close();
});

it('does without a shell where none can be begun', async () => {
  const none = () => {
    const child = new EventEmitter(); // without pipes, as when there are too many open files
    process.nextTick(() => child.emit('error', Object.assign(new Error('spawn sh EMFILE'), { code: 'EMFILE' })));
    return child as ChildProcessWithoutNullStreams;
  };
  const fresh = new SmallShells(none);
  for (const text of ['one', 'another']) expect(await fresh.run('echo', [text])).toEqual({ code: 0, said: text });
});
