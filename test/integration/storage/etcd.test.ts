import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { silentLog } from '#base/log.ts';
import { connectEtcdStorage } from '#control-plane/storage/etcd.ts';
import { bytes, storageConformance, text } from '#control-plane/storage/storage-conformance.ts';
import { etcdIsInstalled, startEtcd } from './etcd-server.ts';
import { machineClock } from './machine-clock.ts';

const connect = (...endpoints: string[]) => connectEtcdStorage({ endpoints, clock: machineClock, log: silentLog });

if (etcdIsInstalled) {
  storageConformance({
    name: 'etcd',
    makeStorage: async () => {
      const server = await startEtcd();
      return {
        storage: await connect(server.endpoint),
        reopen: () => connect(server.endpoint),
        dispose: () => server.stop(),
      };
    },
    durable: true,
    framework: { describe, test, beforeEach, afterEach, expect },
  });

  test('two stores on one etcd see each other’s writes', async () => {
    const server = await startEtcd();
    const [one, other] = [await connect(server.endpoint), await connect(server.endpoint)];
    const stop = new AbortController();
    const watched = other.watch({ prefix: '/a/', after: 1, signal: stop.signal })[Symbol.asyncIterator]();
    await one.commit({ when: [], then: [{ put: '/a/1', value: bytes('x') }] });
    const { value } = await watched.next();
    expect(
      value?.events.map(({ key, now }: { key: string; now?: { value: Uint8Array } }) => [key, text(now?.value)]),
    ).toEqual([['/a/1', 'x']]);
    expect(await other.requestProgress('/b/')).toBe(2);
    stop.abort();
    await one.close();
    await other.close();
    await server.stop();
  });

  test('a member that does not answer is passed over', async () => {
    const [gone, server] = [await startEtcd(), await startEtcd()];
    await gone.stop();
    const storage = await connect(gone.endpoint, server.endpoint);
    expect(await storage.currentRevision()).toBe(1);
    await storage.close();
    await server.stop();
  });
} else {
  test('etcd storage: etcd-server is not installed', (context) => {
    if (process.env['CI'] === 'true')
      throw new Error('install it: apt-get install --no-install-recommends etcd-server');
    context.skip('apt-get install --no-install-recommends etcd-server');
  });
}

test('without any member that answers nothing is opened', async () => {
  await expect(connect('http://127.0.0.1:1')).rejects.toMatchObject({ code: 'StorageUnreachable' });
});
