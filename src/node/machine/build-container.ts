/**
 * Runs one command of an image's build in a container of a node's containerd, and gives what it changed. The container is in
 * a namespace of containerd of its own, without Kubernetes around it, and without a network unless one is asked for.
 */
import { spawn } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '#base/clock.ts';
import { type BuildMount, buildMounts } from './build-mounts.ts';
import { heldFileLock } from './file-lock.ts';
import { BUILD_NAMESPACE, buildFolder, forgetCommand, rememberCommand } from './killed-builds.ts';
import { containerdTool, importImage, outputOf } from './node-images.ts';
import type { NodeLayout } from './node-layout.ts';
import { run, succeeds } from './run-command.ts';

export interface BuildCommand {
  /** Whole, with what it stands on; named `image` in it. */
  archive: AsyncIterable<Uint8Array>;
  image: string;
  argv: readonly string[];
  env: Readonly<Record<string, string>>;
  /** The node's own network and name servers. */
  hasNetwork: boolean;
  mounts: readonly BuildMount[];
}

export class BuildCommandEnded extends Error {
  readonly exitCode: number;

  constructor(exitCode: number) {
    super(`the command ended with exit code ${exitCode}`);
    this.exitCode = exitCode;
  }
}

/**
 * A tar of what is new, changed or gone. What the command says goes to this process's standard error. Throws
 * BuildCommandEnded, BadSecret.
 */
export async function* changesBy(layout: NodeLayout, command: BuildCommand, clock: Clock): AsyncGenerator<Uint8Array> {
  const id = `build-${randomUUID()}`;
  await rememberCommand(layout, { id, image: command.image });
  try {
    const mounts = await buildMounts(command.mounts, { layout, clock, id });
    try {
      yield* changesIn(layout, id, { ...command, mounted: mounts.argv });
    } finally {
      await mounts.release();
    }
  } finally {
    await forgetCommand(layout, id);
  }
}

type Mounted = BuildCommand & { mounted: readonly string[] };

async function* changesIn(layout: NodeLayout, id: string, command: Mounted): AsyncGenerator<Uint8Array> {
  const ctr = (...args: string[]) => containerdTool(layout, BUILD_NAMESPACE, ...args);
  await importImage(layout, command.archive, BUILD_NAMESPACE);
  try {
    const exitCode = await exitCodeOf(ctr(...(await runArguments(layout, id, command))));
    if (exitCode !== 0) throw new BuildCommandEnded(exitCode);
    yield* outputOf(ctr('snapshots', '--snapshotter', 'overlayfs', 'diff', '--media-type', LAYER, id));
  } finally {
    await succeeds(ctr('tasks', 'delete', '--force', id)); // gone with its command, unless that was broken off
    await succeeds(ctr('containers', 'delete', id));
    await succeeds(ctr('snapshots', '--snapshotter', 'overlayfs', 'delete', id));
    await run(ctr('images', 'delete', command.image));
  }
}

const LAYER = 'application/vnd.oci.image.layer.v1.tar';

async function runArguments(
  layout: NodeLayout,
  id: string,
  { image, argv, env, hasNetwork, mounted }: Mounted,
): Promise<string[]> {
  const pipes = buildFolder(layout);
  await mkdir(pipes, { recursive: true, mode: 0o700 });
  const network = hasNetwork
    ? ['--net-host', '--mount', 'type=bind,src=/etc/resolv.conf,dst=/etc/resolv.conf,options=rbind:ro']
    : [];
  const variables = Object.entries(env).flatMap(([name, value]) => ['--env', `${name}=${value}`]);
  return [
    'run',
    '--snapshotter',
    'overlayfs',
    '--runc-root',
    layout.runcRoot,
    '--fifo-dir',
    pipes,
    '--cgroup',
    `${layout.cgroupRoot}/${id}`, // goes with the node's own
    '--seccomp',
    ...network,
    ...mounted,
    ...variables,
    image,
    id,
    ...argv,
  ];
}

/** Who interrupts this process interrupts the command as well: it is waited for, so that nothing stays. */
async function exitCodeOf(argv: readonly string[]): Promise<number> {
  const wait = () => undefined;
  for (const signal of SIGNALS) process.on(signal, wait);
  try {
    return await new Promise((resolve, reject) => {
      const child = spawn(argv[0] ?? '', argv.slice(1), { stdio: ['ignore', 2, 2] });
      child.once('error', reject);
      child.once('close', (code) => resolve(code ?? 137));
    });
  } finally {
    for (const signal of SIGNALS) process.removeListener(signal, wait);
  }
}

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/**
 * An archive, by way of the namespace of builds. There it has its own name, which other builds want as well: one at a time
 * has it. Throws CommandFailed, LockTimeout.
 */
export async function* pullForBuild(layout: NodeLayout, name: string, clock: Clock): AsyncGenerator<Uint8Array> {
  const folder = buildFolder(layout);
  const path = join(folder, `base-${createHash('sha256').update(name).digest('hex')}.lock`);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const release = await heldFileLock({ path, clock, timeoutMs: PULL_MS });
  const ctr = (...args: string[]) => containerdTool(layout, BUILD_NAMESPACE, ...args);
  try {
    const hosts = ['--hosts-dir', layout.registryDir];
    await run(ctr('images', 'pull', '--snapshotter', 'overlayfs', ...hosts, name), { timeoutMs: PULL_MS });
    try {
      yield* outputOf(ctr('images', 'export', '-', name));
    } finally {
      await run(ctr('images', 'delete', name));
    }
  } finally {
    await release();
  }
}

const PULL_MS = 600_000;
