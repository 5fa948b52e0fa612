/** Debian's kernel for guests, unpacked and not installed, and the memory disk that it starts with. */
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';

export interface Kernel {
  image: string;
  /** The folder of its version below which its modules are. */
  modules: string;
}

export function unpackKernel(directory: string): Kernel {
  const folder = join(directory, 'kernel');
  mkdirSync(folder, { recursive: true });
  const depends = execFileSync('apt-cache', ['depends', 'linux-image-cloud-amd64'], { encoding: 'utf8' });
  const name = /Depends: (linux-image-\S+)/.exec(depends)?.[1];
  if (!name) throw new Error('apt knows no linux-image-cloud-amd64: run apt-get update');
  execFileSync('apt-get', ['download', '-q', name], { cwd: folder, stdio: 'pipe' });
  const archive = readdirSync(folder).find((file) => file.endsWith('.deb')) ?? '';
  execFileSync('dpkg', ['-x', join(folder, archive), folder]);
  const version = readdirSync(join(folder, 'lib/modules'))[0] ?? '';
  execFileSync('depmod', ['-b', folder, version]);
  return { image: join(folder, 'boot', `vmlinuz-${version}`), modules: join(folder, 'lib/modules', version) };
}

export interface InitrdOptions {
  /** An empty folder's parent: the memory disk is built beside what is there. */
  directory: string;
  kernel: Kernel;
  /** Loaded first, with what they need. */
  modules: readonly string[];
  /** What the shell of busybox does then. The last line gives way to the guest's own first process. */
  lines: readonly string[];
  /** Further programs by their path, as text. */
  files?: Readonly<Record<string, string>>;
}

/** @returns where it is. */
export function buildInitrd({ directory, kernel, modules, lines, files = {} }: InitrdOptions): string {
  const root = join(directory, 'initrd');
  for (const folder of ['proc', 'sys', 'dev', 'disk', 'bin', 'modules'])
    mkdirSync(join(root, folder), { recursive: true });
  copyFileSync('/bin/busybox', join(root, 'bin/busybox'));
  const init = [
    '#!/bin/busybox sh',
    '/bin/busybox --install -s /bin',
    'mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev',
    ...moduleFiles(kernel, modules).map((file) => {
      copyFileSync(file, join(root, 'modules', basename(file)));
      return `insmod /modules/${basename(file)}`;
    }),
    ...lines,
  ];
  for (const [path, text] of Object.entries({ init: `${init.join('\n')}\n`, ...files })) {
    writeFileSync(join(root, path), text);
    chmodSync(join(root, path), 0o755);
  }
  const initrd = join(directory, 'initrd.img');
  const archive = execFileSync('cpio', ['-o', '-H', 'newc', '--quiet'], {
    cwd: root,
    input: execFileSync('find', ['.'], { cwd: root }),
    maxBuffer: 256 * 1024 * 1024,
  });
  writeFileSync(initrd, archive);
  return initrd;
}

/** Of these modules and all that they need, in the order in which they are loaded. */
function moduleFiles({ modules }: Kernel, names: readonly string[]): string[] {
  const base = join(modules, '../../..');
  const files = names.flatMap((name) =>
    execFileSync('modprobe', ['-d', base, '-S', basename(modules), '--show-depends', name], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    })
      .split('\n')
      .flatMap((line) => /^insmod (\S+)/.exec(line)?.[1] ?? []),
  );
  return [...new Set(files)];
}
