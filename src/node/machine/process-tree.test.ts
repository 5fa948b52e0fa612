import { spawn } from 'node:child_process';
import { expect, test } from 'vitest';
import { systemClock } from '../../../test/node/system-clock.ts';
import { endAll, mountNamespaceOf, processesOf } from './process-tree.ts';

test.skipIf(process.getuid?.() !== 0)('everything in a namespace is ended, and nothing of another one', async () => {
  const begin = async () => {
    const child = spawn('unshare', ['--mount', 'sh', '-c', 'sleep 300 & wait'], { stdio: 'ignore' });
    const ended = new Promise((resolve) => child.once('exit', resolve));
    const own = mountNamespaceOf('self');
    const namespace = () => mountNamespaceOf(child.pid ?? 0);
    const isReady = () => namespace() !== own && processesOf(namespace() ?? '').members.length === 2;
    await expect.poll(isReady, { timeout: 20_000 }).toBe(true);
    return { namespace: namespace() ?? '', ended };
  };
  const [one, other] = [await begin(), await begin()];
  await endAll(one.namespace, { clock: systemClock, graceMs: 0 });
  await one.ended;
  expect(processesOf(other.namespace).members).toHaveLength(2);
  await endAll(other.namespace, { clock: systemClock, graceMs: 0 });
  await other.ended;
});

test.skipIf(process.getuid?.() !== 0)('what outlived who started it is ended with the rest', async () => {
  const parent = spawn('unshare', ['--mount', 'sh', '-c', 'setsid sleep 300 & wait'], { stdio: 'ignore' });
  const ended = new Promise((resolve) => parent.once('exit', resolve));
  const own = mountNamespaceOf('self');
  const found = () => mountNamespaceOf(parent.pid ?? 0);
  const isReady = () => found() !== own && processesOf(found() ?? '').members.length === 2;
  await expect.poll(isReady, { timeout: 20_000 }).toBe(true);
  const namespace = found() ?? '';
  parent.kill('SIGKILL');
  await ended;
  expect(processesOf(namespace).members).toHaveLength(1); // as an nft whose net was killed
  await endAll(namespace, { clock: systemClock, graceMs: 0 });
  expect(processesOf(namespace).members).toEqual([]);
});
