import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { registerStorageSize } from './storage-size.ts';

test.each<[string, () => Promise<number | undefined>, string[]]>([
  ['on disk', async () => 4096, ['apiserver_storage_size_bytes{storage_cluster_id="etcd-0"} 4096']],
  ['on none', async () => undefined, []],
  ['that does not answer', () => Promise.reject(new Error('away')), []],
])('a store %s', async (_, sizeBytes, expected) => {
  const registry = new Registry();
  registerStorageSize(registry, { sizeBytes });
  expect((await registry.metrics()).split('\n').filter((line) => line && !line.startsWith('#'))).toEqual(expected);
});
