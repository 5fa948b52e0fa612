/** The image that the conformance tests run: all of busybox, Node.js, a server that tells who it is, webhooks, an API server, a resolver. */
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildSync } from 'esbuild';
import type { KedgeCluster } from '../running-cluster.ts';

export const IMAGE = 'kedge.local/conformance:1';
export const SERVER = ['node', '/server.mjs'];

const builds = new Map<string, Promise<void>>();

/** Once for a cluster. The image's own command is `echo entry`, its arguments are `default arguments`. */
export function imageOn(cluster: KedgeCluster): Promise<void> {
  const build = builds.get(cluster.name) ?? buildOn(cluster);
  builds.set(cluster.name, build);
  return build;
}

async function buildOn(cluster: KedgeCluster): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'kedge-conformance-'));
  try {
    fill(folder);
    const words = ['--entrypoint', '/bin/echo', '--entrypoint', 'entry', '--cmd', 'default', '--cmd', 'arguments'];
    await cluster.kedge('image', 'build', folder, '--name', cluster.name, '--tag', IMAGE, '--with-node', ...words);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function fill(folder: string): void {
  const busybox = '/bin/busybox';
  for (const name of ['bin', 'etc', 'tmp']) mkdirSync(join(folder, name));
  chmodSync(join(folder, 'tmp'), 0o777);
  copyFileSync(busybox, join(folder, busybox));
  for (const applet of execFileSync(busybox, ['--list'], { encoding: 'utf8' }).split('\n')) {
    if (applet && applet !== 'busybox') symlinkSync('busybox', join(folder, 'bin', applet));
  }
  writeFileSync(join(folder, 'etc/passwd'), 'root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n');
  writeFileSync(join(folder, 'etc/group'), 'root:x:0:\nnogroup:x:65534:\n');
  for (const program of ['server.mjs', 'ask.mjs', 'webhook.mjs', 'sample-apiserver.mjs', 'resolver.mjs'])
    copyFileSync(join(import.meta.dirname, 'image', program), join(folder, program));
  buildSync({
    entryPoints: [createRequire(import.meta.url).resolve('dns-packet')],
    bundle: true,
    platform: 'node',
    outfile: join(folder, 'dns-packet.cjs'),
  });
}
