import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { createdMs, idOfShim, RuntimeLeftovers } from './runtime-leftovers.ts';

const ID = '4d9dc'.padEnd(64, '0');
const SOCKET = '/run/kedge/dev/node1/c.sock';
const shim = (program: string, ...args: string[]) => `${[program, ...args].join('\0')}\0`;
const SHIM = '/usr/bin/containerd-shim-runc-v2';

test('a shim is known by its command line', () => {
  expect(idOfShim(shim(SHIM, '-namespace', 'k8s.io', '-id', ID, '-address', SOCKET), SOCKET)).toBe(ID);
});

test.each([
  ['of another containerd', shim(SHIM, '-namespace', 'k8s.io', '-id', ID, '-address', '/run/containerd/c.sock')],
  ['of another namespace', shim(SHIM, '-namespace', 'moby', '-id', ID, '-address', SOCKET)],
  ['whose id no CRI gave', shim(SHIM, '-namespace', 'k8s.io', '-id', 'mine', '-address', SOCKET)],
  ['that only speaks of one', shim('/usr/bin/tail', SHIM, '-namespace', 'k8s.io', '-id', ID, '-address', SOCKET)],
  ['that has ended', ''],
])('a process %s is none of this node', (_what, commandLine) => {
  expect(idOfShim(commandLine, SOCKET)).toBeUndefined();
});

test.each([
  ['324571310-apvk', '2026-11-21T18:22:52Z', 324],
  ['4561151-4E54', '2026-11-21T19:22:52+01:00', 4],
  ['given', '2026-11-21T18:22:52Z', 999],
])('a lease %s of %s is as old as its id says, if it does', (id, createdAt, ms) => {
  expect(createdMs(id, createdAt)).toBe(Date.parse('2026-11-21T18:22:52Z') + ms);
});

/** What containerd's tool says of a containerd with one sandbox on its way: it has an address and a network, and no container. */
const toolSays = (version: string) => `#!/bin/sh
case "$*" in
*version) printf 'Client:\\n  Version:  1.6.20\\n\\nServer:\\n  Version:  ${version}\\n' ;;
*'leases list') printf 'ID CREATED AT LABELS\\n${ID} 2026-11-21T18:22:52Z -\\n' ;;
*'containers list --quiet') ;;
*) exit 1 ;;
esac
`;

let folder: string | undefined;
afterEach(() => {
  vi.unstubAllEnvs();
  if (folder) rmSync(folder, { recursive: true });
});

test.each([
  ['1.6.20~ds1', ['container', 'address', 'network namespace', 'lease']],
  ['1.7.27', ['container', 'address', 'network namespace', 'lease']],
  // Its sandboxes have records and leases of their own before they have containers.
  ['v2.1.0', ['container']],
])('what has no container of a containerd %s may be nobody’s: %j', async (version, sorts) => {
  folder = mkdtempSync(join(tmpdir(), 'kedge-leftovers-'));
  const at = (...names: string[]) => join(folder ?? '', ...names);
  writeFileSync(at('ctr'), toolSays(version), { mode: 0o755 });
  vi.stubEnv('PATH', `${folder}${delimiter}${process.env['PATH']}`);
  mkdirSync(at('runc', 'k8s.io', 'a'.repeat(64)), { recursive: true });
  mkdirSync(at('ipam', 'kedge'), { recursive: true });
  writeFileSync(at('ipam', 'kedge', '10.0.0.2'), `${ID}\r\neth0`);
  mkdirSync(at('state', 'io.containerd.grpc.v1.cri', 'netns'), { recursive: true });
  writeFileSync(at('state', 'io.containerd.grpc.v1.cri', 'netns', 'cni-1'), '');
  const places = {
    runDir: folder,
    containerdSocket: at('c.sock'),
    containerdState: at('state'),
    containerdRoot: at('root'),
    runcRoot: at('runc'),
    cniStateDir: at('ipam'),
  };
  const leftovers = new RuntimeLeftovers({ places, mountNamespace: 'of nobody' });
  const found = [...(await leftovers.find()), ...(await leftovers.leasesBefore(Date.parse('2026-11-22T00:00:00Z')))];
  expect(found.map(({ sort }) => sort)).toEqual(sorts);
});
