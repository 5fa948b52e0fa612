import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ManualClock } from '#base/manual-clock.ts';
import { dropKubeletFolder, type SharedFolder, withKubeletFolder } from './kubelet-folder.ts';

async function inFolder(body: (shared: SharedFolder) => Promise<void>): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), 'kedge-kubelet-folder-'));
  try {
    await body({ folder: join(root, 'lib/kubelet'), runFolders: [join(root, 'run'), join(root, 'agents')] });
  } finally {
    rmSync(root, { recursive: true });
  }
}
const clock = new ManualClock();
const use = (shared: SharedFolder) => withKubeletFolder(clock, async () => undefined, shared);
const drop = (shared: SharedFolder) => dropKubeletFolder(clock, shared);

test('what was made goes when the last cluster has gone, and leaves no trace', () =>
  inFolder(async (shared) => {
    const [run = ''] = shared.runFolders;
    await use(shared);
    mkdirSync(join(run, 'one'));
    await drop(shared);
    expect(existsSync(shared.folder)).toBe(true);
    rmdirSync(join(run, 'one'));
    await drop(shared);
    expect(existsSync(shared.folder)).toBe(false);
    expect(readdirSync(run)).toEqual([]);
  }));

test('a folder that was there before, or has something in it, stays', () =>
  inFolder(async (shared) => {
    mkdirSync(shared.folder, { recursive: true });
    await use(shared);
    await drop(shared);
    expect(existsSync(shared.folder)).toBe(true);
    rmdirSync(shared.folder);
    await use(shared);
    writeFileSync(join(shared.folder, 'config.yaml'), 'of somebody else');
    await drop(shared);
    expect(readdirSync(shared.folder)).toEqual(['config.yaml']);
  }));
