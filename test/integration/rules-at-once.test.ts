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

let lab: Lab;
let folder: string;
let script: string;
beforeAll(async () => {
  if (!canHaveLab()) return;
  lab = networkLab({ hosts: {}, gateway: '10.244.1.1' });
  folder = mkdtempSync(join(tmpdir(), 'kedge-at-once-'));
  script = await bundleOf(join(folder, 'killed.mjs'), SCRIPT);
});
afterAll(() => {
  lab?.close();
  if (folder) rmSync(folder, { recursive: true });
});

runs.each([0, 5, 20, 80])('a process that is killed after %d ms changes all or nothing', async (ms) => {
  const [command = '', ...args] = lab.commandIn('node', process.execPath, script, String(ms));
  expect(spawnSync(command, args).signal).toBe('SIGKILL');
  const [, namespace = ''] = /netns\/(\S+)/.exec(args.join(' ')) ?? [];
  const left = () => execFileSync('ip', ['netns', 'pids', namespace], { encoding: 'utf8' }).trim();
  await vi.waitUntil(() => left() === '', LONGEST); // nft outlives who started it
  const chains = lab.inside('node', 'nft', ['list', 'chains']).match(/chain c\d+ /g)?.length ?? 0;
  expect([0, CHAINS]).toContain(chains);
  lab.inside('node', 'nft', ['-f', '-'], 'add table ip big; delete table ip big\n');
});
