/** `npm start` on a machine that has never seen the project: a debootstrapped Debian 12 with nothing but Node.js. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { eventually } from '../e2e/running-cluster.ts';

const PROJECT = resolve(import.meta.dirname, '../..');
const canBootstrap = process.getuid?.() === 0 && existsSync('/usr/sbin/debootstrap');
if (process.env['CI'] === 'true' && !canBootstrap) throw new Error('needs root and debootstrap');

let root = '';
let machine: ChildProcess | undefined;
afterAll(async () => {
  if (machine && machine.exitCode === null) {
    machine.kill('SIGKILL'); // its pid namespace goes with it, and so do all mounts
    await new Promise((done) => machine?.once('close', done));
  }
  if (root) rmSync(root, { recursive: true, force: true });
});

test.skipIf(!canBootstrap)(
  'npm start brings a fresh Debian to an answering web service, and Ctrl-C ends it cleanly',
  { timeout: 1_500_000 },
  async () => {
    root = mkdtempSync('/var/tmp/kedge-fresh-');
    bootstrap(root);
    let said = '';
    const child = spawn(
      'unshare',
      ['--mount', '--pid', '--fork', '--kill-child', '--propagation', 'private', 'sh', '-ec', SCRIPT, 'sh', root],
      {
        stdio: ['ignore', 'pipe', 'pipe'],
        env: {
          PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
          HOME: '/root',
          TERM: 'dumb',
          ...(process.env['NODE_EXTRA_CA_CERTS'] && { NODE_EXTRA_CA_CERTS: process.env['NODE_EXTRA_CA_CERTS'] }),
        },
      },
    );
    machine = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        said += text;
      });
    }
    const urls = await eventually(
      'npm start names two URLs',
      async () => {
        if (child.exitCode !== null) throw new Error(`npm start ended with ${child.exitCode}`);
        const found = new Set(said.match(/http:\/\/[\d.]+:30080/g) ?? []);
        return found.size >= 2 && [...found];
      },
      900_000,
    ).catch((error: Error) => {
      throw new Error(`${error.message}\n${said.slice(-6_000)}`, { cause: error.cause });
    });
    for (const name of [
      'containerd',
      'runc',
      'containernetworking-plugins',
      'nftables',
      'conntrack',
      'iproute2',
      'busybox-static',
    ])
      expect(said).toContain(name);
    for (const url of urls) expect(await (await fetch(url)).text()).toContain('Hello');

    const ended = new Promise<number | null>((done) => child.once('close', done));
    interrupt(child);
    expect(await ended, said.slice(-3_000)).toBe(0);
    const left = execFileSync('ip', ['-o', 'addr'], { encoding: 'utf8' });
    for (const url of urls) expect(left).not.toContain(` ${new URL(url).hostname.replace(/\.\d+$/, '.1')}/`);
  },
);

/** What a terminal does on Ctrl-C: the signal goes to everything in the foreground. Found by the root that they run in. */
function interrupt(child: ChildProcess): void {
  const pids = execFileSync('ps', ['-eo', 'pid=,ppid=,args='], { encoding: 'utf8' });
  const starting = pids.split('\n').flatMap((line) => {
    const [pid, , ...args] = line.trim().split(/\s+/);
    const isStart = args.join(' ').includes('tools/start.mjs') && args[0]?.includes('node');
    return pid && isStart && rootOf(pid) === root ? [Number(pid)] : [];
  });
  expect(starting.length, `a running npm start under ${child.pid}`).toBeGreaterThan(0);
  for (const pid of starting) process.kill(pid, 'SIGINT');
}

function rootOf(pid: string): string {
  try {
    return realpathSync(`/proc/${pid}/root`);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}

/** $1: the new root. */
const SCRIPT = `
mount --bind "$1" "$1"
mount --rbind /sys "$1/sys"
mount --rbind /dev "$1/dev"
mount -t proc proc "$1/proc"
mount -t tmpfs tmpfs "$1/run"
mount -t tmpfs tmpfs "$1/tmp"
exec chroot "$1" sh -ec 'cd /root/kedge && exec npm start'
`;

function bootstrap(target: string): void {
  const sources = readFileSync('/etc/apt/sources.list.d/debian.sources', 'utf8');
  const mirror = /^URIs: (\S+)/m.exec(sources)?.[1] ?? '';
  execFileSync('debootstrap', ['--variant=minbase', 'bookworm', target, mirror], { stdio: 'pipe', timeout: 540_000 });
  // It reaches the same packages in the same way as this machine, and has Node.js as its owner would have installed it.
  for (const path of [
    '/etc/apt',
    '/etc/resolv.conf',
    '/etc/hosts',
    '/etc/ssl/certs',
    '/usr/share/ca-certificates',
    join(homedir(), '.npmrc'),
  ]) {
    if (existsSync(path))
      cpSync(path, join(target, path), { recursive: true, force: true, dereference: path === '/etc/resolv.conf' });
  }
  const npm = dirname(dirname(realpathSync(execFileSync('which', ['npm'], { encoding: 'utf8' }).trim())));
  mkdirSync(join(target, 'usr/local/lib/node_modules'), { recursive: true });
  cpSync(realpathSync(process.execPath), join(target, 'usr/local/bin/node'));
  cpSync(npm, join(target, 'usr/local/lib/node_modules/npm'), { recursive: true });
  symlinkSync('../lib/node_modules/npm/bin/npm-cli.js', join(target, 'usr/local/bin/npm'));
  execFileSync('git', ['clone', '-q', '--no-hardlinks', PROJECT, join(target, 'root/kedge')], { stdio: 'pipe' });
}
