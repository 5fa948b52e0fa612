import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it, onTestFinished, vi } from 'vitest';
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

/** As a kubelet: one shell has nothing to do, the other one runs something that is not over. */
const kubelet = (folder: string) => `
  import { SmallShells } from ${JSON.stringify(new URL('./small-shells.ts', import.meta.url).href)};
  const shells = new SmallShells();
  void shells.run('sh', ['-c', 'echo $PPID; echo $PPID > ${folder}/busy; while [ -e ${folder}/busy ]; do sleep 0.05; done']);
  const { said } = await shells.run('sh', ['-c', 'echo $PPID']);
  console.log(said);
  setInterval(() => undefined, 1e6);
`;

it('ends with a process that is killed: what has nothing to do at once, what runs something after that', {
  timeout: 120_000,
}, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'small-shells-'));
  const argv = ['--import', 'tsx', '--input-type=module', '--eval', kubelet(folder)];
  const killed = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(async () => {
    killed.kill('SIGKILL');
    await rm(folder, { recursive: true });
  });
  const [said] = (await once(killed.stdout, 'data')) as [Buffer];
  const idle = Number(said.toString());
  const busy = Number(await vi.waitFor(() => readWhole(join(folder, 'busy')), { timeout: 60_000 }));
  expect([idle, busy].map(runs)).toEqual([true, true]);
  killed.kill('SIGKILL');
  await expect.poll(() => runs(idle), { timeout: 60_000 }).toBe(false);
  expect(runs(busy)).toBe(true);
  await rm(join(folder, 'busy'));
  await expect.poll(() => runs(busy), { timeout: 60_000 }).toBe(false);
});

async function readWhole(path: string): Promise<string> {
  const text = await readFile(path, 'utf8');
  if (!text.endsWith('\n')) throw new Error(`${path} is being written`);
  return text;
}

/** Not when it has ended and nobody has asked how. */
function runs(pid: number): boolean {
  try {
    return !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ');
  } catch (error) {
    if (error instanceof Error && 'code' in error) return false;
    throw error;
  }
}
