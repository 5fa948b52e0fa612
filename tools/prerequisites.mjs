// What a clone needs before anything of it runs: Node.js, npm packages, and for real containers Debian packages.
// Plain JavaScript without dependencies: it runs before they are there.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const OLDEST_NODE = [20, 19];
/** The newest LTS that is tested and measured beside the oldest. */
export const NEWER_NODE = '24.21.0';

/** A failure that the user can mend; shown without a stack. */
export class SetUpFailed extends Error {}

export const say = (text) => console.error(text);

export function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1])) return;
  throw new SetUpFailed(
    `Kedge needs Node.js ${OLDEST_NODE.join('.')} or newer, and this is ${process.versions.node}. Install a newer one (nodejs.org, nvm, or your system's packages) and run the command again.`,
  );
}

/** `npm ci`, when the lock file is not what is installed. */
export function ensureNpmPackages() {
  const wanted = createHash('sha256')
    .update(readFileSync(join(ROOT, 'package-lock.json')))
    .digest('hex');
  const stamp = join(ROOT, 'node_modules', '.kedge-installed');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  if (!existsSync(stamp) && isInstalledAlready()) return writeFileSync(stamp, wanted);
  say('Installing npm packages (npm ci) …');
  const result = spawnSync('npm', ['ci', '--no-progress', '--loglevel=error'], {
    cwd: ROOT,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  if (result.error)
    throw new SetUpFailed(`npm could not be started: ${result.error.message}. Install npm and try again.`);
  if (result.status !== 0) {
    throw new SetUpFailed(
      '`npm ci` failed; what it said is above. Is the npm registry reachable (`npm ping`)? Then run the command again.',
    );
  }
  writeFileSync(stamp, wanted);
}

/** npm keeps its own record of what it installed; it is current when it is newer than the lock file. */
function isInstalledAlready() {
  const record = statSync(join(ROOT, 'node_modules', '.package-lock.json'), { throwIfNoEntry: false });
  return record !== undefined && record.mtimeMs >= statSync(join(ROOT, 'package-lock.json')).mtimeMs;
}

/** The program of that Node.js. In a folder of its own: its `node` must not be found by npm scripts. */
export function newerNode() {
  const prefix = join(ROOT, '.cache', `node-${NEWER_NODE}`);
  const name = `node-${process.platform}-${process.arch}`;
  const node = join(prefix, 'node_modules', name, 'bin/node');
  if (existsSync(node)) return node;
  mkdirSync(prefix, { recursive: true });
  const install = ['install', '--no-save', '--no-package-lock', '--loglevel=error', '--prefix', prefix];
  const { status } = spawnSync('npm', [...install, `${name}@${NEWER_NODE}`], {
    cwd: prefix,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  if (status !== 0)
    throw new SetUpFailed(`Node.js ${NEWER_NODE} could not be installed from npm; what it said is above.`);
  return node;
}

// package → how to see that it, or something that serves as well, is there
const SYSTEM_PACKAGES = {
  containerd: () => hasProgram('containerd') && hasProgram('ctr'), // Docker's containerd.io has both
  runc: () => hasProgram('runc'),
  'containernetworking-plugins': () =>
    ['/opt/cni/bin', '/usr/lib/cni', '/usr/libexec/cni'].some((folder) => existsSync(join(folder, 'ptp'))),
  nftables: () => hasProgram('nft'),
  conntrack: () => hasProgram('conntrack'),
  iproute2: () => hasProgram('ip'),
  'busybox-static': () => hasProgram('busybox'),
};

/** For the tests as well: the third storage backend, and the machines that tests make. */
export const TEST_PACKAGES = {
  'etcd-server': () => hasProgram('etcd'),
  'qemu-system-x86': () => hasProgram('qemu-system-x86_64'),
  debootstrap: () => hasProgram('debootstrap'),
  ipvsadm: () => hasProgram('ipvsadm'),
  cpio: () => hasProgram('cpio'),
  kmod: () => hasProgram('depmod'),
  e2fsprogs: () => hasProgram('mke2fs'),
  openssl: () => hasProgram('openssl'),
  skopeo: () => hasProgram('skopeo'),
};

/** As root on Debian: installs what is missing, naming it first. Elsewhere nothing: Kedge itself tells what is missing. */
export function ensureSystemPackages(more = {}) {
  if (process.platform !== 'linux' || process.getuid() !== 0 || !hasProgram('apt-get')) return;
  const missing = Object.entries({ ...SYSTEM_PACKAGES, ...more }).filter(([, isThere]) => !isThere());
  if (missing.length === 0) return;
  const names = missing.map(([name]) => name);
  say(`These system packages are missing and are installed now: ${names.join(' ')}`);
  if (!aptGet('install', names)) {
    say('The list of packages may be old: apt-get update …');
    aptGet('update', []);
    if (!aptGet('install', names)) explainFailure(missing);
  }
  const still = missing.filter(([, isThere]) => !isThere()).map(([name]) => name);
  if (still.length > 0)
    throw new SetUpFailed(`Installed, and yet missing: ${still.join(' ')}. Look at: dpkg --listfiles ${still[0]}`);
}

/** One after the other, to say which one it is. */
function explainFailure(missing) {
  for (const [name, isThere] of missing) {
    if (isThere()) continue;
    say(`${name} …`);
    if (aptGet('install', [name])) continue;
    throw new SetUpFailed(
      `The system package ${name} could not be installed; what apt-get said is above. ` +
        `Mend that, then run \`apt-get install --no-install-recommends ${name}\` and this command again. ` +
        'If it conflicts with a package that you have (nothing is ever removed), remove that one or install a version that fits.',
    );
  }
}

function aptGet(command, names) {
  const options = command === 'install' ? ['--yes', '--quiet', '--no-install-recommends', '--no-remove'] : ['--quiet'];
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  return (
    spawnSync('apt-get', [command, ...options, ...names], { stdio: ['ignore', 'ignore', 'inherit'], env }).status === 0
  );
}

function hasProgram(name) {
  const folders = [...(process.env.PATH ?? '').split(':'), '/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/bin', '/bin'];
  return folders.some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** Bundles when a source is newer than the last bundle. */
export function ensureBuilt() {
  const stamp = join(ROOT, '.cache', 'built');
  const builtMs = existsSync(join(ROOT, 'dist', 'kedge.mjs'))
    ? (statSync(stamp, { throwIfNoEntry: false })?.mtimeMs ?? 0)
    : 0;
  if (
    newestMs(join(ROOT, 'src')) < builtMs &&
    ['package.json', 'package-lock.json', 'tools/build.mjs'].every(
      (file) => statSync(join(ROOT, file)).mtimeMs < builtMs,
    )
  )
    return;
  say('Building …');
  const result = spawnSync(process.execPath, [join(ROOT, 'tools', 'build.mjs'), '--quiet'], {
    cwd: ROOT,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (result.status !== 0) throw new SetUpFailed('The build failed; what is wrong stands above.');
}

function newestMs(folder) {
  let newest = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    newest = Math.max(newest, entry.isDirectory() ? newestMs(path) : statSync(path).mtimeMs);
  }
  return newest;
}

/** Runs `main`, and ends with a plain message when the set-up fails. */
export async function runTool(main) {
  try {
    await main();
  } catch (error) {
    if (!(error instanceof SetUpFailed)) throw error;
    console.error(`\n${error.message}`);
    process.exitCode = 1;
  }
}
