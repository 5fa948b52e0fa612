import { execFile } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { ManualClock } from '#base/manual-clock.ts';
import { WaitingNft } from './waiting-nft.ts';

/** Stands for nft: $0.own is what it was started for, $0.line what it did while it waited for more, $0.starts how often it began to. */
const NFT = `#!/bin/sh
[ "$1" = --interactive ] || exec cat >> "$0.own"
echo $$ >> "$0.starts"
echo "Cannot read termcap database" >&2
while IFS= read -r line; do
  case "$line" in
    kedge-*) printf 'Error: syntax error, unexpected newline\\n%s\\n      ^\\n' "$line" >&2 ;;
    refused*) printf 'Error: No such table\\n%s\\n^^^^^^^\\n' "$line" >&2 ;;
    endless*) exec sleep 600 ;;
    '') ;;
    *) echo "$line" >> "$0.line" ;;
  esac
done
`;

const urlOf = (path: string): string => new URL(path, import.meta.url).href;

let folder: string;
let ending: AbortController;
let clock: ManualClock;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kedge-waiting-'));
  ending = new AbortController();
  clock = new ManualClock();
});
afterEach(async () => {
  ending.abort();
  await vi.waitUntil(() => waiting().length === 0);
  rmSync(folder, { recursive: true });
});

function waitingNft(script = NFT, options: { mostSaid?: number } = {}): WaitingNft {
  const program = join(folder, 'nft');
  writeFileSync(program, script);
  chmodSync(program, 0o755);
  return new WaitingNft({ clock, signal: ending.signal, command: [program], ...options });
}

const lines = (name: 'own' | 'line' | 'starts'): string[] => {
  const path = join(folder, `nft.${name}`);
  return existsSync(path) ? readFileSync(path, 'utf8').split('\n').filter(Boolean) : [];
};
const starts = () => lines('starts').length;
const waiting = () => lines('starts').filter((pid) => isAlive(pid));
function isAlive(pid: string): boolean {
  const path = `/proc/${pid}/stat`;
  return existsSync(path) && !readFileSync(path, 'utf8').includes(') Z ');
}

/** Transactions until one is not done by an nft of its own. */
async function untilOneWaits(nft: WaitingNft): Promise<void> {
  const before = lines('line').length;
  await vi.waitUntil(async () => {
    await nft.run(['first']);
    return lines('line').length > before;
  });
}

test('the first transaction does not wait for one that waits; later ones are done by it, each on a line', async () => {
  const nft = waitingNft();
  await nft.run(['add table ip x', 'add chain ip x a']);
  expect(lines('own')).toEqual(['add table ip x', 'add chain ip x a']);
  await untilOneWaits(nft);
  await nft.run(['add chain ip x b', 'add chain ip x c']);
  expect(lines('line').at(-1)).toBe('add chain ip x b; add chain ip x c');
  expect(starts()).toBe(1);
});

test('a refused transaction says why; the next is done by an nft of its own, and then one waits again', async () => {
  const nft = waitingNft();
  await untilOneWaits(nft);
  const refused = { code: 'NftRefused', message: 'Error: No such table\nrefused 1\n^^^^^^^' };
  await expect(nft.run(['refused 1'])).rejects.toMatchObject(refused);
  await nft.run(['second']);
  expect(lines('own').at(-1)).toBe('second');
  await untilOneWaits(nft);
  expect(starts()).toBe(2);
});

test('of several that are asked for at once each has its own answer', async () => {
  const nft = waitingNft();
  await untilOneWaits(nft);
  const asked = ['a', 'refused 1', 'b', 'refused 2'].map((command) => nft.run([command]));
  const answers = await Promise.allSettled(asked);
  expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'rejected']);
  expect(lines('line').slice(-2)).toEqual(['a', 'b']);
});

test.each([
  ['is long', ['x'.repeat(10_000)]],
  ['has a comment', ['add chain ip x a # of ours', 'add chain ip x b']],
  ['has lines', ['add chain ip x a {\n}']],
])('a transaction that %s is done by an nft of its own', async (_, commands) => {
  const nft = waitingNft();
  await untilOneWaits(nft);
  await nft.run(commands);
  expect(lines('own').slice(-1)).toEqual(commands.join('\n').split('\n').slice(-1));
});

test('of one that was killed meanwhile nobody claims to know what it did; another comes after it', async () => {
  const nft = waitingNft();
  await untilOneWaits(nft);
  const running = nft.run(['endless']);
  for (const pid of waiting()) process.kill(Number(pid), 'SIGKILL');
  await expect(running).rejects.toMatchObject({ code: 'NftKilled' });
  await untilOneWaits(nft);
  expect(starts()).toBe(2);
});

test('one that does not answer is ended', async () => {
  const nft = waitingNft();
  await untilOneWaits(nft);
  const running = nft.run(['endless']);
  clock.advance(29_000);
  expect(waiting()).toHaveLength(1);
  clock.advance(1_000);
  await expect(running).rejects.toMatchObject({
    code: 'NftKilled',
    message: expect.stringContaining('whether the rules took effect is not known'),
  });
});

test('one that was told much makes room for another, as it forgets nothing', async () => {
  const nft = waitingNft(NFT, { mostSaid: 100 });
  await untilOneWaits(nft);
  const [one, other] = ['x'.repeat(100), 'y'.repeat(100)];
  await Promise.all([nft.run([one]), nft.run([other])]);
  expect(lines('line').slice(-2)).toEqual([one, other]);
  await vi.waitUntil(() => waiting().length === 0);
  await nft.run(['next']);
  expect(lines('own').at(-1)).toBe('next');
  await untilOneWaits(nft);
  expect(starts()).toBe(2);
});

test.each([
  ['cannot wait', 'exit 1'],
  ['does not say what it is to', 'while read -r line; do echo "What?" >&2; echo "$line" >&2; echo "$line" >&2; done'],
])('where nft %s all is done without, and that is tried three times', async (_, script) => {
  const nft = waitingNft(`#!/bin/sh\n[ "$1" = -f ] && exec cat >> "$0.own"\necho $$ >> "$0.starts"\n${script}\n`);
  for (let i = 1; i <= 10; i++) {
    await nft.run([`${i}`]);
    await vi.waitUntil(() => starts() > 0 && waiting().length === 0);
  }
  expect(lines('own')).toHaveLength(10);
  expect(starts()).toBe(3);
});

test('where there is no nft that is said', async () => {
  const nft = new WaitingNft({ clock, signal: ending.signal, command: [join(folder, 'nowhere')] });
  await expect(nft.run(['add table ip x'])).rejects.toMatchObject({ code: 'ENOENT' });
});

/** As a net whose files are used up: the one that waits has no streams, and both are told later that they were not started. */
const WITHOUT_FILES = `
  import { openSync } from 'node:fs';
  import { ManualClock } from ${JSON.stringify(urlOf('../../base/manual-clock.ts'))};
  import { WaitingNft } from ${JSON.stringify(urlOf('./waiting-nft.ts'))};
  const nft = new WaitingNft({ clock: new ManualClock(), signal: new AbortController().signal, command: ['no-such-nft'] });
  const told = ({ code }) => process._rawDebug(code);
  await nft.run(['add table ip x']).catch(told);
  try { for (;;) openSync('/dev/null'); } catch ({ code }) { told({ code }); }
  for (let i = 0; i < 3; i++) await nft.run(['add table ip x']).catch(told);
  process.exit();
`;

test('where too many files are open a transaction says so, and the process goes on', { timeout: 120_000 }, async () => {
  // A process of its own: what stands for a child that was not started has any number, and who kills it meets anybody.
  const argv = ['--nofile=100', process.execPath, '--import', 'tsx', '--input-type=module', '--eval', WITHOUT_FILES];
  const { stderr } = await promisify(execFile)('prlimit', argv);
  expect(stderr.trim().split('\n')).toEqual(['ENOENT', 'EMFILE', 'EMFILE', 'EMFILE', 'EMFILE']);
});

test('one that cannot even be tried to start ends nobody', async () => {
  const nft = new WaitingNft({ clock, signal: ending.signal, command: ['n\0ft'] });
  await expect(nft.run(['add table ip x'])).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_VALUE' });
});

test('when all is over it ends after what it was given, and no other is started', async () => {
  const nft = waitingNft();
  await untilOneWaits(nft);
  const last = nft.run(['last']);
  ending.abort();
  await last;
  expect(lines('line').at(-1)).toBe('last');
  await vi.waitUntil(() => waiting().length === 0);
  await nft.run(['after all']);
  expect(lines('own').at(-1)).toBe('after all');
  expect(starts()).toBe(1);
});
