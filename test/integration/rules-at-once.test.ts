/** Who is killed while he hands a large change to the kernel leaves all of it in force, or nothing. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { bundleOf } from './bundled-script.ts';
import { canHaveLab, type Lab, networkLab } from './network-lab.ts';

const runs = canHaveLab() ? test : test.skip;
const CHAINS = 5_000;
const PARTS = 200;
const LONGEST = { timeout: 60_000, interval: 20 };

/** More than the kernel holds for who does not read yet. Wherever such a command is cut, what is left of it mostly is one, too. */
const SCRIPT = `
  import { setTimeout as delay } from 'node:timers/promises';
  import { runNft } from '#network/netfilter/nft.ts';
  const chains = Array.from({ length: ${CHAINS} }, (_, i) => 'add chain ip big c' + String(i).padStart(100, '0'));
  void runNft(['add table ip big', ...chains]);
  const killedAfterMs = Number(process.argv[2]);
  if (killedAfterMs > 0) await delay(killedAfterMs);
  process.kill(process.pid, 'SIGKILL');
`;

/** A table that is there is to be replaced by one of many parts, which nft reads while they are made. */
const FILLING = `
  import { fillTable } from '#network/netfilter/nft.ts';
  const killedAfter = Number(process.argv[2]);
  function* parts() {
    yield ['add map ip big m { type ipv4_addr : verdict; }'];
    for (let i = 0; i < ${PARTS}; i++) {
      if (i === killedAfter) process.kill(process.pid, 'SIGKILL');
      const elements = Array.from({ length: 100 }, (_, n) => '10.' + i + '.0.' + n + ' : goto c' + i);
      yield ['add chain ip big c' + i, 'add rule ip big c' + i + ' drop', 'add element ip big m { ' + elements.join(', ') + ' }'];
    }
  }
  await fillTable('ip big', parts());
`;

let lab: Lab;
let folder: string;
let script: string;
let filling: string;
beforeAll(async () => {
  if (!canHaveLab()) return;
  lab = networkLab({ hosts: {}, gateway: '10.244.1.1' });
  folder = mkdtempSync(join(tmpdir(), 'kedge-at-once-'));
  script = await bundleOf(join(folder, 'killed.mjs'), SCRIPT);
  filling = await bundleOf(join(folder, 'filling.mjs'), FILLING);
});
afterAll(() => {
  lab?.close();
  if (folder) rmSync(folder, { recursive: true });
});

/** Waits for nft, too, which outlives who started it. */
async function ended(path: string, arg: string): Promise<NodeJS.Signals | null> {
  const [command = '', ...args] = lab.commandIn('node', process.execPath, path, arg);
  const { signal } = spawnSync(command, args);
  const [, namespace = ''] = /netns\/(\S+)/.exec(args.join(' ')) ?? [];
  const left = () => execFileSync('ip', ['netns', 'pids', namespace], { encoding: 'utf8' }).trim();
  await vi.waitUntil(() => left() === '', LONGEST);
  return signal;
}

runs.each([0, 5, 20, 80])('a process that is killed after %d ms changes all or nothing', async (ms) => {
  expect(await ended(script, String(ms))).toBe('SIGKILL');
  const chains = lab.inside('node', 'nft', ['list', 'chains']).match(/chain c\d+ /g)?.length ?? 0;
  expect([0, CHAINS]).toContain(chains);
  lab.inside('node', 'nft', ['-f', '-'], 'add table ip big; delete table ip big\n');
});

const EARLIER = 'add table ip big; add chain ip big earlier\n';
const replaced = () => {
  const listing = lab.inside('node', 'nft', ['list', 'table', 'ip', 'big']);
  return {
    hasEarlier: listing.includes('chain earlier'),
    chains: listing.match(/chain c\d+ \{\n\t\tdrop/g)?.length ?? 0,
    elements: listing.match(/ : goto c\d+/g)?.length ?? 0,
  };
};

runs.each([0, 1, 2, 50, PARTS - 1])(
  'one that is killed after %d parts of a table leaves what was there',
  async (parts) => {
    lab.inside('node', 'nft', ['-f', '-'], EARLIER);
    expect(await ended(filling, String(parts))).toBe('SIGKILL');
    expect(replaced()).toEqual({ hasEarlier: true, chains: 0, elements: 0 });
    lab.inside('node', 'nft', ['delete', 'table', 'ip', 'big']);
  },
);

runs('one that is not killed replaces it', async () => {
  lab.inside('node', 'nft', ['-f', '-'], EARLIER);
  expect(await ended(filling, 'never')).toBe(null);
  expect(replaced()).toEqual({ hasEarlier: false, chains: PARTS, elements: PARTS * 100 });
  lab.inside('node', 'nft', ['delete', 'table', 'ip', 'big']);
});
