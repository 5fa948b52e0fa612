/** The nft of this machine takes transactions one after the other, as it would have taken each by itself. */
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { systemClock } from '#cmd/system-clock.ts';
import { WaitingNft } from '#network/netfilter/waiting-nft.ts';
import { canHaveLab, type Lab, networkLab } from './network-lab.ts';

const runs = canHaveLab() ? test : test.skip;
/** Writes down what it is started for. */
const NOTING = '#!/bin/sh\necho "$*" >> "$0.starts"\nexec nft "$@"\n';

let lab: Lab;
beforeAll(() => {
  if (canHaveLab()) lab = networkLab({ hosts: {}, gateway: '10.244.1.1' });
});
afterAll(() => lab?.close());

let folder: string;
let ending: AbortController;
let nft: WaitingNft;
beforeEach(async () => {
  if (!canHaveLab()) return;
  folder = mkdtempSync(join(tmpdir(), 'kedge-waiting-'));
  const program = join(folder, 'nft');
  writeFileSync(program, NOTING);
  chmodSync(program, 0o755);
  writeFileSync(`${program}.starts`, '');
  ending = new AbortController();
  nft = new WaitingNft({ clock: systemClock, signal: ending.signal, command: lab.commandIn('node', program) });
  await untilOneWaits();
});
afterEach(() => {
  if (!canHaveLab()) return;
  ending.abort();
  rmSync(folder, { recursive: true });
});

async function untilOneWaits(): Promise<void> {
  await vi.waitUntil(async () => {
    const before = startedFor('-f');
    await nft.run(['add table ip x', 'delete table ip x', 'add table ip x']);
    return startedFor('-f') === before;
  });
}

/** How often: `-f`, `--interactive`. */
const startedFor = (what: string): number =>
  readFileSync(join(folder, 'nft.starts'), 'utf8')
    .split('\n')
    .filter((args) => args.startsWith(what)).length;
const listing = () => lab.inside('node', 'nft', ['--stateless', 'list', 'table', 'ip', 'x']);
const CHAIN = 'add chain ip x c { type filter hook input priority -10; policy accept; }';
const MAP = 'add map ip x m { type ipv4_addr : verdict; }';

runs('what it is given is in the kernel when it has answered, and none is started for it', async () => {
  const before = startedFor('-f');
  await nft.run([CHAIN, MAP, 'add chain ip x old', 'add element ip x m { 10.0.0.1 : goto old }']);
  expect(listing()).toContain('elements = { 10.0.0.1 : goto old }');
  for (let i = 0; i < 20; i++) {
    const [now, next] = [i === 0 ? 'old' : `c${i - 1}`, `c${i}`];
    await nft.run([
      `add chain ip x ${next}`,
      `add rule ip x ${next} counter drop`,
      `delete element ip x m { 10.0.0.1 : goto ${now} }`,
      `add element ip x m { 10.0.0.1 : goto ${next} }`,
      `flush chain ip x ${now}`,
      `delete chain ip x ${now}`,
    ]);
    expect(listing()).toContain(`elements = { 10.0.0.1 : goto ${next} }`);
  }
  expect(listing().match(/chain \S+/g)).toEqual(['chain c', 'chain c19']);
  expect(startedFor('-f')).toBe(before);
  expect(startedFor('--interactive')).toBe(1);
});

runs.each([
  ['has no set for', 'add element ip x none { 10.0.0.1 }', /^Error: No such file or directory/],
  ['has no chain for', 'delete chain ip x none', /^Error: .*No such file or directory/],
  ['does not understand', 'add chin ip x d', /^Error: syntax error/],
])('of a transaction that it %s nothing is in the kernel, and the next is taken', async (_, wrong, message) => {
  const started = startedFor('-f');
  await expect(nft.run(['add chain ip x c', wrong])).rejects.toMatchObject({
    code: 'NftRefused',
    message: expect.stringMatching(message),
  });
  expect(startedFor('-f')).toBe(started);
  expect(listing()).not.toContain('chain');
  await nft.run(['add chain ip x c']);
  expect(listing()).toContain('chain c');
});

runs('what somebody else changes meanwhile is known to it', async () => {
  await nft.run([MAP]);
  lab.inside('node', 'nft', ['delete map ip x m; add chain ip x other']);
  await nft.run([MAP, 'add element ip x m { 10.0.0.2 : goto other }']);
  expect(listing()).toContain('elements = { 10.0.0.2 : goto other }');
});
