/**
 * A small machine of its own for what the test machine cannot be: a guest with pure cgroup v2, booted by qemu in software.
 * The disk is an ext4 image made from files of this host; nothing is downloaded but Debian's kernel package.
 */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { buildInitrd, unpackKernel } from './kernel.ts';

const MODULES = [
  'virtio_pci',
  'virtio_blk',
  'ext4',
  'overlay',
  'veth',
  'bridge',
  'nf_tables',
  'nf_nat',
  'nf_conntrack',
  'nf_conntrack_netlink',
  'nft_chain_nat',
  'nft_ct',
  'nft_nat',
  'nft_masq',
  'nft_numgen',
  'nft_fib_ipv4',
  'nft_fib_ipv6',
  'nft_fib_inet',
  'nft_reject_ipv4',
  'nft_reject_inet',
];
const COMMANDS = [
  'containerd',
  'containerd-shim-runc-v2',
  'ctr',
  'runc',
  'nft',
  'conntrack',
  'ip',
  'nsenter',
  'unshare',
  'mount',
  'umount',
  'sysctl',
  'modprobe',
  'insmod',
  'ldd',
  'bash',
  'ps',
  'hostname',
  'findmnt',
];
const PATH = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

export interface GuestImage {
  kernel: string;
  initrd: string;
  disk: string;
}

export interface GuestOptions {
  /** An empty folder to build in. */
  directory: string;
  /** Folders of this host that the guest has at the same place. */
  folders: readonly { from: string; to: string; skip?: (path: string) => boolean }[];
  /** Further files by their path, as text. */
  files?: Readonly<Record<string, string>>;
  /** What the guest runs as its first process once the disk is mounted; a shell script. It ends the machine with `reboot -f`. */
  script: string;
}

export function buildGuest(options: GuestOptions): GuestImage {
  const { directory } = options;
  const kernel = unpackKernel(directory);
  const disk = buildDisk(options, kernel.modules);
  const initrd = buildInitrd({ directory, kernel, modules: MODULES, lines: SEE_THE_DISK });
  return { kernel: kernel.image, initrd, disk };
}

function buildDisk({ directory, folders, files, script }: GuestOptions, modules: string): string {
  const root = join(directory, 'root');
  for (const folder of [
    'proc',
    'sys',
    'dev',
    'tmp',
    'run',
    'etc',
    'root',
    'var/lib',
    'var/log',
    'usr/bin',
    'usr/sbin',
    'usr/lib',
  ])
    mkdirSync(join(root, folder), { recursive: true });
  for (const [link, target] of [
    ['bin', 'usr/bin'],
    ['sbin', 'usr/sbin'],
    ['lib', 'usr/lib'],
    ['lib64', 'usr/lib64'],
  ])
    symlinkSync(target ?? '', join(root, link ?? ''));
  mkdirSync(join(root, 'usr/lib64'), { recursive: true });
  for (const command of COMMANDS) copyProgram(find(command), root);
  for (const plugin of readdirSync('/usr/lib/cni')) copyProgram(join('/usr/lib/cni', plugin), root);
  copyProgram(realpathSync(process.execPath), root);
  if (!existsSync(join(root, 'usr/bin/node'))) symlinkSync(realpathSync(process.execPath), join(root, 'usr/bin/node'));
  copyProgram('/bin/busybox', root);
  for (const applet of execFileSync('/bin/busybox', ['--list'], { encoding: 'utf8' }).trim().split('\n')) {
    if (!existsSync(join(root, 'usr/bin', applet)) && !existsSync(join(root, 'usr/sbin', applet)))
      symlinkSync('/usr/bin/busybox', join(root, 'usr/bin', applet));
  }
  cpSync(modules, join(root, 'usr/lib/modules', basename(modules)), {
    recursive: true,
    filter: (path) => !/\/(drivers\/(gpu|media|infiniband|scsi)|sound)\b/.test(path),
  });
  writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\n');
  writeFileSync(join(root, 'etc/group'), 'root:x:0:\n');
  writeFileSync(join(root, 'etc/hosts'), '127.0.0.1 localhost guest\n');
  writeFileSync(join(root, 'etc/os-release'), readFileSync('/etc/os-release'));
  for (const { from, to, skip } of folders)
    cpSync(from, join(root, to), { recursive: true, dereference: false, filter: (path) => !skip?.(path) });
  for (const [path, text] of Object.entries(files ?? {})) writeFileSync(join(root, path), text);
  const init = join(root, 'init');
  writeFileSync(init, script);
  chmodSync(init, 0o755);
  const disk = join(directory, 'disk.img');
  execFileSync('mke2fs', ['-q', '-t', 'ext4', '-d', root, '-m', '0', disk, '2G'], { stdio: 'pipe' });
  return disk;
}

const SEE_THE_DISK = [
  'for i in 1 2 3 4 5 6 7 8 9 10; do [ -b /dev/vda ] && break; sleep 0.2; done',
  'mount -t ext4 /dev/vda /disk || { echo guest: no disk; reboot -f; }',
  'mount --move /dev /disk/dev; umount /sys /proc',
  'exec switch_root /disk /init',
];

function find(command: string): string {
  const found = PATH.map((folder) => join(folder, command)).find((path) => existsSync(path));
  if (!found) throw new Error(`${command} is not on this machine`);
  return found;
}

/** The program and the libraries that it is linked to, at the same places. */
function copyProgram(path: string, root: string): void {
  place(path, root);
  let linked: string;
  try {
    linked = execFileSync('ldd', [path], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  } catch (error) {
    if ((error as { status?: number }).status === 1) return; // a script, or linked statically
    throw error;
  }
  for (const [, library] of linked.matchAll(/(?:=> )?(\/\S+) \(0x/g)) if (library) place(library, root);
}

function place(path: string, root: string): void {
  const merged = path.replace(/^\/(bin|sbin|lib|lib64)\//, '/usr/$1/');
  const to = join(root, merged);
  if (existsSync(to)) return;
  mkdirSync(dirname(to), { recursive: true });
  copyFileSync(realpathSync(path), to);
  chmodSync(to, 0o755);
}
