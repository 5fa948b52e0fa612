/**
 * A node on a shared machine is a set of namespaces: network, mount, UTS. A tiny holder process pins them; everything of the
 * node is entered into them with nsenter (Node.js cannot). The mount namespace is shared within itself, so that
 * containers can propagate mounts, and receives from the host but gives nothing back. A node that is a whole machine has only
 * the mount namespace of its own: by it its processes are known, and with it go their mounts and the pods' networks.
 */
import { access, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, sleep } from '#base/clock.ts';
import { readJsonFile, writeJsonFile } from './json-file.ts';
import { KUBELET_FOLDER, withKubeletFolder } from './kubelet-folder.ts';
import type { NodeLayout } from './node-layout.ts';
import { isAlive, type ProcessRecord, readOrUndefined, recordOf } from './process-record.ts';
import { mountNamespaceOf, processesOf } from './process-tree.ts';
import { run } from './run-command.ts';
import { spawnDetached } from './spawn-detached.ts';

export interface Holder {
  record: ProcessRecord;
  /** As in /proc/pid/ns/mnt: what all processes of the node have in common. */
  mountNamespace: string;
  /** Wall time in ms when the namespaces were made: no process of the node is older. */
  madeAtMs: number;
}

/** The program line that runs `argv` inside the node. nsenter execs it: the process id stays. */
export const entered = ({ record }: Holder, argv: readonly string[]): string[] => [
  'nsenter',
  '--target',
  String(record.pid),
  '--net',
  '--mount',
  '--uts',
  '--root', // the holder's, which is not the namespace's where Kedge itself runs in a changed root
  '--',
  ...argv,
];

/** The living holder of this node, if there is one. */
export async function findHolder({ holderRecord }: NodeLayout): Promise<Holder | undefined> {
  const holder = (await readJsonFile(holderRecord)) as Holder | undefined;
  return holder && isAlive(holder.record) && mountNamespaceOf(holder.record.pid) === holder.mountNamespace
    ? holder
    : undefined;
}

export interface HolderOptions {
  layout: NodeLayout;
  clock: Clock;
  /** Machine code that only waits; undefined: `sleep` of the system does it. */
  program: Uint8Array | undefined;
}

/** The living holder, or a new one with its node's host name, loopback and mounts in order. */
export async function ensureHolder(options: HolderOptions): Promise<Holder> {
  const living = await findHolder(options.layout);
  if (living) return living;
  const witness = await findWitness(options.layout);
  if (witness) return startHolder(options, entered(witness, []), witness.madeAtMs);
  const own = options.layout.gateway ? [] : ['--net', '--uts'];
  const namespaces = [...own, '--mount', '--propagation', 'slave'];
  const holder = await startHolder(options, ['unshare', ...namespaces, '--'], options.clock.now());
  await run(entered(holder, ['mount', '--make-rshared', '/']));
  await showKubeletFolder(holder, options.layout, options.clock);
  if (own.length > 0) await run(entered(holder, ['tee', '/proc/sys/kernel/hostname']), { input: options.layout.name });
  return holder;
}

/**
 * A process of the node that outlived its holder (containerd, a shim), through which the namespaces can be pinned again.
 * It is known by the namespace and by the node's folder in its command line: a namespace's number may be used again.
 */
export async function findWitness({ holderRecord, runDir, keptDir }: NodeLayout): Promise<Holder | undefined> {
  const former = (await readJsonFile(holderRecord)) as Holder | undefined;
  if (!former) return undefined;
  for (const { pid } of processesOf(former.mountNamespace).members) {
    const record = recordOf(pid);
    const isOurs = [runDir, keptDir].some((folder) => commandOf(pid).includes(`${folder}/`));
    if (record && isOurs) return { ...former, record };
  }
  return undefined;
}

/** In this node only. What is mounted in it is seen there alone, and not once more in the node's own folder. */
async function showKubeletFolder(holder: Holder, { kubeletDir }: NodeLayout, clock: Clock): Promise<void> {
  await mkdir(kubeletDir, { recursive: true, mode: 0o750 });
  const mount = async () => {
    await run(entered(holder, ['mount', '--bind', kubeletDir, KUBELET_FOLDER]));
    await run(entered(holder, ['mount', '--make-private', KUBELET_FOLDER]));
    await run(entered(holder, ['mount', '--make-shared', KUBELET_FOLDER]));
  };
  try {
    await withKubeletFolder(clock, mount);
  } catch (error) {
    if (!isReadOnly(error)) throw error; // else the kubelet uses the node's own folder
  }
}

const isReadOnly = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && ['EROFS', 'EACCES', 'EPERM', 'ENOTDIR'].includes(String(error.code));

async function startHolder(
  { layout, clock, program }: HolderOptions,
  prefix: readonly string[],
  madeAtMs: number,
): Promise<Holder> {
  const waits = program ? [await installed(join(layout.keptDir, 'holder'), program)] : ['sleep', 'infinity'];
  const logFile = join(layout.logs, 'holder.log');
  const child = await spawnDetached({ argv: [...prefix, ...waits], logFile });
  const mountNamespace = await separated(child.pid, clock).catch(async (cause: Error) => {
    throw new Error(`${cause.message}: ${await lastLine(logFile)}`, { cause });
  });
  const record = recordOf(child.pid);
  if (!record) throw new Error(`the process that holds node ${layout.name} ended at once; see ${logFile}`);
  const holder = { record, mountNamespace, madeAtMs };
  await writeJsonFile(layout.holderRecord, holder);
  return holder;
}

/** Waits until unshare or nsenter has left the namespaces of the host, and then become the holder. */
async function separated(pid: number, clock: Clock): Promise<string> {
  const host = mountNamespaceOf('self');
  for (const deadlineMs = clock.monotonicMs() + 5_000; clock.monotonicMs() < deadlineMs; await sleep(clock, 2)) {
    const own = mountNamespaceOf(pid);
    // unshare is still itself while it sets the propagation; its command line tells when it has become the holder
    if (own !== undefined && own !== host && !/^(unshare|nsenter)/.test(commandOf(pid))) return own;
    if (recordOf(pid) === undefined) throw new Error('the namespaces of a node could not be made');
  }
  throw new Error('the namespaces of a node were not made within 5 s');
}

const lastLine = async (path: string): Promise<string> =>
  (await readFile(path, 'utf8')).trimEnd().split('\n').at(-1) ?? '';

const commandOf = (pid: number): string => readOrUndefined(`/proc/${pid}/cmdline`) ?? 'unshare';

async function installed(path: string, program: Uint8Array): Promise<string> {
  await mkdir(join(path, '..'), { recursive: true, mode: 0o700 });
  const there = await access(path).then(
    () => true,
    () => false,
  );
  if (!there) await writeFile(path, program, { mode: 0o700 });
  return path;
}
