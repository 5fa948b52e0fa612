/**
 * A kernel other than this machine's for one command: a guest of qemu's that has this machine's files, read only, and keeps in
 * memory what it writes. It has all modules of Debian's kernel, and two processors in software.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { bootMachine } from './boot.ts';
import { buildInitrd, type Kernel, unpackKernel } from './kernel.ts';

export interface InGuest {
  /** For its shell, run as root in `folder`. */
  command: string;
  folder: string;
  /** What it writes is in here, too. */
  memoryMb: number;
  /** Then it is killed. */
  withinMs: number;
}

export interface GuestOutcome {
  /** undefined: it did not come to an end. */
  code: number | undefined;
  /** Of the command, both streams. */
  output: string;
  /** What the machine itself said, for when it did not get as far. */
  console: string;
}

// In Debian 12 of the package qemu-system-common, later one of its own.
const SHARERS = ['/usr/lib/qemu/virtiofsd', '/usr/libexec/virtiofsd'];
const NEEDED = ['/usr/bin/qemu-system-x86_64', '/usr/bin/cpio', '/usr/sbin/depmod', '/usr/bin/setpriv', '/bin/busybox'];

/** With CI=true it must. */
export function canRunInGuest(): boolean {
  const can = process.getuid?.() === 0 && NEEDED.every((path) => existsSync(path)) && SHARERS.some(existsSync);
  if (process.env['CI'] === 'true' && !can)
    throw new Error('needs root, qemu-system-x86 (with virtiofsd), cpio, kmod and busybox-static');
  return can;
}

export async function runInGuest(what: InGuest): Promise<GuestOutcome> {
  const directory = mkdtempSync('/var/tmp/kedge-in-guest-');
  let sharer: ChildProcess | undefined;
  try {
    const kernel = unpackKernel(directory);
    const initrd = buildInitrd({
      directory,
      kernel,
      modules: ['virtio_pci', 'virtiofs', 'overlay', 'virtio_console'],
      lines: seeTheHost(what),
      files: { 'first-process': firstProcess(what, kernel) },
    });
    const socket = join(directory, 'files');
    sharer = await shareFiles(socket);
    const devices = devicesOf(directory, { socket, memoryMb: what.memoryMb });
    const machine = { kernel: kernel.image, initrd, memoryMb: what.memoryMb, devices };
    const console = await bootMachine(machine, what.withinMs);
    const code = textOf(join(directory, 'code')).trim();
    return { code: code === '' ? undefined : Number(code), output: textOf(join(directory, 'output')), console };
  } finally {
    sharer?.kill('SIGKILL');
    rmSync(directory, { recursive: true, force: true });
  }
}

const textOf = (path: string): string => (existsSync(path) ? readFileSync(path, 'utf8') : '');

/** Ends with the machine that it serves. */
async function shareFiles(socket: string): Promise<ChildProcess> {
  const sharer = SHARERS.find((path) => existsSync(path)) ?? '';
  const options = ['-o', 'source=/', '-o', 'cache=always', '-o', 'sandbox=chroot', '--thread-pool-size=2'];
  const args = ['--pdeathsig', 'KILL', sharer, `--socket-path=${socket}`, ...options];
  const child = spawn('setpriv', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-2_000);
  });
  for (let tries = 0; tries < 100 && !existsSync(socket); tries++) {
    if (child.exitCode !== null) throw new Error(`${sharer}: ${said}`);
    await sleep(100);
  }
  return child;
}

/** Ports lead to files: a pipe that nobody reads would hold the command up. */
const devicesOf = (directory: string, { socket, memoryMb }: { socket: string; memoryMb: number }): string[] => [
  // The files' server has the guest's memory before it.
  ...['-object', `memory-backend-memfd,id=mem,size=${memoryMb}M,share=on`, '-numa', 'node,memdev=mem'],
  ...['-chardev', `socket,id=files,path=${socket}`, '-device', 'vhost-user-fs-pci,chardev=files,tag=host'],
  ...['-device', 'virtio-serial-pci'],
  ...['output', 'code'].flatMap((name) => [
    ...['-chardev', `file,id=${name},path=${join(directory, name)}`],
    ...['-device', `virtserialport,chardev=${name},name=${name}`],
  ]),
];

/** `folder` is where it is on the host, also where that is below a folder that the guest has of its own. */
const seeTheHost = ({ folder }: InGuest): string[] => [
  'mkdir /host /written /folder',
  'mount -t virtiofs -o ro host /host || { echo guest: no files; reboot -f; }',
  'mount -t tmpfs tmpfs /written; mkdir /written/files /written/work',
  'mount -t overlay -o lowerdir=/host,upperdir=/written/files,workdir=/written/work overlay /disk || reboot -f',
  `mount --bind '/disk${folder}' /folder || reboot -f`,
  'for own in run tmp; do mount -t tmpfs tmpfs /disk/$own; done',
  `mkdir -p '/disk${folder}'; mount --move /folder '/disk${folder}' || reboot -f`,
  'cp /first-process /disk/run/first-process',
  'mount --move /dev /disk/dev; umount /sys /proc',
  'exec switch_root /disk /run/first-process',
];

const firstProcess = ({ command, folder }: InGuest, { modules }: Kernel): string => `#!/bin/sh
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir -p /dev/pts /dev/shm; mount -t devpts pts /dev/pts; mount -t tmpfs shm /dev/shm
mkdir -p /lib/modules; mount --bind ${join(modules, '..')} /lib/modules
hostname guest; ip link set lo up
port() { for each in /sys/class/virtio-ports/*; do [ "$(cat $each/name)" = $1 ] && echo /dev/\${each##*/}; done; }
cat > /run/command <<'END-OF-COMMAND'
${command}
END-OF-COMMAND
cd '${folder}'
sh /run/command > $(port output) 2>&1
echo $? > $(port code)
reboot -f
`;
