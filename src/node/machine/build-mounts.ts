/** Folders and files of this machine that a build's command has for as long as it runs. */
import { createHash } from 'node:crypto';
import { chmod, chown, copyFile, mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '#base/clock.ts';
import { heldFileLock, withFileLock } from './file-lock.ts';
import { buildFolder } from './killed-builds.ts';
import type { NodeLayout } from './node-layout.ts';
import { bootId, isAlive, recordOf } from './process-record.ts';

interface Owned {
  uid: number;
  gid: number;
  mode: number;
}

export type BuildMount =
  | ({ type: 'cache'; id: string; target: string; isReadOnly: boolean; isAlone: boolean } & Owned)
  /** `source`: a file of this machine. */
  | ({ type: 'secret'; target: string; source: string } & Owned)
  | { type: 'tmpfs'; target: string; sizeBytes: number | undefined };

export class BadSecret extends Error {
  readonly code = 'BadSecret';
}

interface Preparing {
  layout: NodeLayout;
  clock: Clock;
  /** Of the command. */
  id: string;
}

const MOST_SECRET_BYTES = 500 << 10; // as BuildKit
const ALONE_MS = 3_600_000;

/** For `ctr run`; with what takes them back. Throws BadSecret. */
export async function buildMounts(
  mounts: readonly BuildMount[],
  preparing: Preparing,
): Promise<{ argv: string[]; release(): Promise<void> }> {
  const ends: (() => Promise<void>)[] = [];
  const release = async () => {
    for (const end of ends.splice(0).reverse()) await end();
  };
  try {
    const argv: string[] = [];
    for (const mount of mounts) argv.push('--mount', await argumentOf(mount, preparing, ends));
    return { argv, release };
  } catch (error) {
    await release();
    throw error;
  }
}

async function argumentOf(mount: BuildMount, preparing: Preparing, ends: (() => Promise<void>)[]): Promise<string> {
  const { target } = mount;
  if (mount.type === 'tmpfs') {
    const size = mount.sizeBytes ? `:size=${mount.sizeBytes}` : '';
    return `type=tmpfs,src=tmpfs,dst=${target},options=nosuid:nodev${size}`;
  }
  if (mount.type === 'secret') {
    const source = await secretFile(mount, preparing, ends);
    return `type=bind,src=${source},dst=${target},options=rbind:ro`;
  }
  const source = await cacheFolder(mount, preparing, ends);
  return `type=bind,src=${source},dst=${target},options=rbind:${mount.isReadOnly ? 'ro' : 'rw'}`;
}

/** In memory: what is below the node's run folder never reaches a disk. */
async function secretFile(
  { source, uid, gid, mode }: Extract<BuildMount, { type: 'secret' }>,
  { layout, id }: Preparing,
  ends: (() => Promise<void>)[],
): Promise<string> {
  const found = await stat(source).catch((error: NodeJS.ErrnoException) => {
    throw new BadSecret(`the secret's file ${source} cannot be read: ${error.code}`);
  });
  if (!found.isFile() || found.size > MOST_SECRET_BYTES)
    throw new BadSecret(`${source} is no file, or larger than ${MOST_SECRET_BYTES} bytes`);
  const all = buildFolder(layout);
  await removeLeftSecrets(all);
  const folder = join(all, `${secretsOf(process.pid)}-${id}-${ends.length}`);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  ends.push(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, 'secret');
  await copyFile(source, path);
  await chown(path, uid, gid);
  await chmod(path, mode);
  return path;
}

const SECRETS_OF = /^secret-(\d+)-(\d+)-/;

/** A process as its secrets' folders are named after it. */
const secretsOf = (pid: number): string => `secret-${pid}-${recordOf(pid)?.startTicks ?? 0}`;

/** Of builds that were killed. A run folder is of this boot. */
async function removeLeftSecrets(all: string): Promise<void> {
  const names = await readdir(all).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  for (const name of names) {
    const [owned, pid, startTicks] = SECRETS_OF.exec(name) ?? [];
    if (owned === undefined) continue;
    if (!isAlive({ pid: Number(pid), startTicks: Number(startTicks), bootId: bootId() }))
      await rm(join(all, name), { recursive: true, force: true });
  }
}

/** Goes with its node. */
async function cacheFolder(
  { id, isAlone, uid, gid, mode }: Extract<BuildMount, { type: 'cache' }>,
  { layout, clock }: Preparing,
  ends: (() => Promise<void>)[],
): Promise<string> {
  const all = join(layout.keptDir, 'build-cache');
  const path = join(all, createHash('sha256').update(id).digest('hex'));
  await mkdir(all, { recursive: true, mode: 0o700 });
  if (isAlone) ends.push(await heldFileLock({ path: `${path}.lock`, clock, timeoutMs: ALONE_MS }));
  // Nobody sees it before it is its owner's, also when who makes it is killed.
  await withFileLock({ path: join(all, 'lock'), clock }, async () => {
    if (await isThere(path)) return;
    const draft = `${path}.draft`;
    await rm(draft, { recursive: true, force: true });
    await mkdir(draft);
    await chown(draft, uid, gid);
    await chmod(draft, mode);
    await rename(draft, path);
  });
  return path;
}

const isThere = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
      return false;
    },
  );
