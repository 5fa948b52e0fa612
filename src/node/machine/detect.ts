/** What this machine can do. Asked once at start; nothing is assumed from the name of a distribution. */
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { readOrUndefined } from './process-record.ts';
import { succeeds } from './run-command.ts';

const PROGRAMS = [
  'containerd',
  'ctr',
  'runc',
  'ip',
  'nft',
  'conntrack',
  'nsenter',
  'unshare',
  'mount',
  'busybox',
] as const;
export type Program = (typeof PROGRAMS)[number];

export interface MachineFacts {
  platform: NodeJS.Platform;
  root: boolean;
  /** systemd is process 1: the supervisor becomes a unit. */
  systemd: boolean;
  capabilities: { sysAdmin: boolean; netAdmin: boolean; sysResource: boolean };
  /** `controllers`: v1: where each hierarchy is mounted; v2: the mount point under the name of each controller. */
  cgroup: { version: 0 | 1 | 2; controllers: Readonly<Record<string, string>> };
  appArmor: boolean;
  /** Overlay file systems can be mounted. */
  overlay: boolean;
  programs: Readonly<Partial<Record<Program, string>>>;
  /** Where the CNI plugins are; undefined when ptp, host-local or loopback is missing. */
  cniFolder: string | undefined;
}

/** Something that a node with real containers needs and this machine does not have. */
export interface Missing {
  what: string;
  /** What to do about it, as a sentence. */
  remedy: string;
}

export async function detectMachine(): Promise<MachineFacts> {
  const mounts = readOrUndefined('/proc/self/mounts') ?? '';
  return {
    platform: process.platform,
    root: process.getuid?.() === 0,
    systemd: await readable('/run/systemd/system'),
    capabilities: capabilitiesOf(readOrUndefined('/proc/self/status') ?? ''),
    cgroup: cgroupOf(mounts, readOrUndefined('/sys/fs/cgroup/cgroup.controllers')),
    appArmor:
      readOrUndefined('/sys/module/apparmor/parameters/enabled')?.trim() === 'Y' && !!(await onPath('apparmor_parser')),
    overlay: await hasOverlay(),
    programs: Object.fromEntries(
      (await Promise.all(PROGRAMS.map(async (name) => [name, await onPath(name)]))).filter(([, path]) => path),
    ),
    cniFolder: await cniFolder(),
  };
}

/** Bit numbers from capability(7). */
export function capabilitiesOf(status: string): MachineFacts['capabilities'] {
  const bits = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? '0'}`);
  const has = (bit: bigint) => ((bits >> bit) & 1n) === 1n;
  return { netAdmin: has(12n), sysAdmin: has(21n), sysResource: has(24n) };
}

/** v2 only where it carries the controllers: beside v1 hierarchies it is a bystander. */
export function cgroupOf(mounts: string, v2Controllers: string | undefined): MachineFacts['cgroup'] {
  const lines = mounts.split('\n').map((line) => line.split(' '));
  const root = lines.find(([, path, type]) => type === 'cgroup2' && path === '/sys/fs/cgroup');
  if (root && v2Controllers !== undefined) {
    const names = v2Controllers.trim().split(/\s+/);
    return { version: 2, controllers: Object.fromEntries(names.map((name) => [name, '/sys/fs/cgroup'])) };
  }
  const controllers: Record<string, string> = {};
  for (const [, path = '', type, options = ''] of lines) {
    if (type !== 'cgroup') continue;
    for (const name of options.split(',').filter(isController)) controllers[name.replace(/^name=/, '')] = path;
  }
  return { version: Object.keys(controllers).length > 0 ? 1 : 0, controllers };
}

const MOUNT_OPTIONS = new Set([
  'rw',
  'ro',
  'relatime',
  'noatime',
  'nosuid',
  'nodev',
  'noexec',
  'xattr',
  'clone_children',
]);
const isController = (option: string): boolean =>
  !MOUNT_OPTIONS.has(option) && !/^(release_agent|seclabel)/.test(option);

/** What keeps this machine from running nodes with real containers, in the order in which one would mend it. */
export function missingForNodes(facts: MachineFacts): Missing[] {
  if (facts.platform !== 'linux') {
    return [{ what: 'Linux', remedy: `Containers need Linux; this is ${facts.platform}.` }];
  }
  const missing: Missing[] = [];
  const need = (there: unknown, what: string, remedy: string) => {
    if (!there) missing.push({ what, remedy });
  };
  need(facts.root, 'root rights', 'Run the command as root (sudo).');
  if (facts.root) {
    const { sysAdmin, netAdmin } = facts.capabilities;
    need(
      sysAdmin && netAdmin,
      'CAP_SYS_ADMIN and CAP_NET_ADMIN',
      'This root is restricted; use a whole machine, or a privileged container.',
    );
  }
  for (const [program, debianPackage] of Object.entries(PACKAGES)) {
    need(facts.programs[program as Program], program, `Install it: apt-get install ${debianPackage}`);
  }
  need(facts.cniFolder, 'CNI plugins', 'Install them: apt-get install containernetworking-plugins');
  need(facts.cgroup.version, 'control groups', 'Mount /sys/fs/cgroup.');
  need(facts.overlay || !facts.root, 'overlay file systems', 'The kernel needs the module "overlay".');
  return missing;
}

const PACKAGES: Partial<Record<Program, string>> = {
  containerd: 'containerd',
  ctr: 'containerd',
  runc: 'runc',
  ip: 'iproute2',
  nft: 'nftables',
  conntrack: 'conntrack',
  nsenter: 'util-linux',
  unshare: 'util-linux',
  mount: 'mount',
};

async function hasOverlay(): Promise<boolean> {
  const known = () => /\boverlay$/m.test(readOrUndefined('/proc/filesystems') ?? '');
  return known() || ((await succeeds(['modprobe', 'overlay'])) && known());
}

async function cniFolder(): Promise<string | undefined> {
  for (const folder of ['/opt/cni/bin', '/usr/lib/cni', '/usr/libexec/cni']) {
    const found = await Promise.all(['ptp', 'host-local', 'loopback'].map((plugin) => readable(join(folder, plugin))));
    if (found.every(Boolean)) return folder;
  }
  return undefined;
}

/** Also looks where root's programs are: PATH of an ordinary login on Debian has no /usr/sbin. */
export async function onPath(program: string): Promise<string | undefined> {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin'];
  for (const folder of folders) {
    if (folder.startsWith('/') && (await readable(join(folder, program), constants.X_OK))) return join(folder, program);
  }
  return undefined;
}

const readable = (path: string, mode: number = constants.R_OK): Promise<boolean> =>
  access(path, mode).then(
    () => true,
    () => false,
  );
