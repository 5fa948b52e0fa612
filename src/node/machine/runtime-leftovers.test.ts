import { expect, test } from 'vitest';
import { createdMs, idOfShim } from './runtime-leftovers.ts';

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
