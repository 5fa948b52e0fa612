/**
 * A node's containerd. It outlives whoever started it: a living one is adopted by its record and its socket, and a second is
 * never started. Containers survive its death.
 */
import { mkdir, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { type Clock, sleep } from '#base/clock.ts';
import {
  type ContainerdOptions,
  clusterRegistry,
  cniConflist,
  cniFolderOf,
  containerdToml,
  NO_DETECTION,
  NO_DETECTION_PLUGIN,
} from './containerd-config.ts';
import { readJsonFile, writeJsonFile, writeWholeFile } from './json-file.ts';
import type { NodeLayout } from './node-layout.ts';
import { entered, type Holder } from './node-namespaces.ts';
import { isAlive, type ProcessRecord, recordOf } from './process-record.ts';
import { spawnDetached } from './spawn-detached.ts';

export interface EnsureContainerd extends ContainerdOptions {
  holder: Holder;
  clock: Clock;
  mtu: number;
}

/** Running and answering on its socket. @returns the process, adopted or new. */
export async function ensureContainerd(options: EnsureContainerd): Promise<ProcessRecord> {
  const { layout, clock } = options;
  const living = await findContainerd(layout);
  if (living) {
    await answering(layout, living, clock);
    return living;
  }
  await writeConfiguration(options);
  await rm(layout.containerdSocket, { force: true });
  const child = await spawnDetached({
    argv: entered(options.holder, [
      options.facts.programs.containerd ?? 'containerd',
      '--config',
      layout.containerdConfig,
    ]),
    logFile: join(layout.logs, 'containerd.log'),
  });
  const record = recordOf(child.pid);
  if (!record) throw new ContainerdFailed(layout);
  await writeJsonFile(layout.containerdRecord, record);
  await answering(layout, record, clock);
  return record;
}

export async function findContainerd({ containerdRecord }: NodeLayout): Promise<ProcessRecord | undefined> {
  const record = (await readJsonFile(containerdRecord)) as ProcessRecord | undefined;
  return isAlive(record) ? record : undefined;
}

async function writeConfiguration(options: EnsureContainerd): Promise<void> {
  const { layout } = options;
  for (const folder of [layout.containerdRoot, layout.containerdState, layout.registryDir, layout.cniStateDir]) {
    await mkdir(folder, { recursive: true, mode: 0o711 });
  }
  await writeWholeFile(layout.containerdConfig, containerdToml(options));
  if (layout.podRanges.some((range) => range.includes(':'))) await gatherPlugins(options);
  await writeWholeFile(join(layout.cniConfDir, '10-kedge.conflist'), cniConflist(layout, options.mtu, options.cni));
  const registry = clusterRegistry(layout);
  if (registry) await writeWholeFile(join(layout.registryDir, registry.name, 'hosts.toml'), registry.hostsToml);
}

/** Those of the machine, and ours. */
async function gatherPlugins({ layout: { cniBinDir }, facts }: EnsureContainerd): Promise<void> {
  await rm(cniBinDir, { recursive: true, force: true });
  await mkdir(cniBinDir, { recursive: true, mode: 0o711 });
  const folder = cniFolderOf(facts);
  for (const name of await readdir(folder)) await symlink(join(folder, name), join(cniBinDir, name));
  await writeFile(join(cniBinDir, NO_DETECTION), NO_DETECTION_PLUGIN, { mode: 0o755 });
}

async function answering(layout: NodeLayout, record: ProcessRecord, clock: Clock): Promise<void> {
  for (const deadlineMs = clock.monotonicMs() + 30_000; clock.monotonicMs() < deadlineMs; await sleep(clock, 10)) {
    if (await accepts(layout.containerdSocket)) return;
    if (!isAlive(record)) break;
  }
  throw new ContainerdFailed(layout);
}

const accepts = (path: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = createConnection(path);
    socket.once('connect', () => resolve(true));
    socket.once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });

export class ContainerdFailed extends Error {
  readonly code = 'ContainerdFailed';
  constructor(layout: NodeLayout) {
    super(`containerd of node ${layout.name} does not run; see ${layout.logs}/containerd.log`);
  }
}
