/** A list in chunks whose version is forgotten on the way: it can be gone on with, at the newest version. */
import { expect, test } from 'vitest';
import type { KubeObject } from '#api/machinery/object.ts';
import type { StatusError } from '#api/machinery/status.ts';
import { openMemoryStorage } from '#control-plane/storage/memory.ts';
import { startHttpsApiServer } from './https-api-server.ts';

const COUNT = 40;
const LIMIT = 10;
const PATH = '/api/v1/namespaces/default/configmaps';

interface Chunk {
  metadata: { resourceVersion: string; continue?: string };
  items: KubeObject[];
}

test('Servers with support for API chunking should support continue listing from the last key if the original version has been compacted away, though the list is inconsistent', async () => {
  const storage = openMemoryStorage();
  await using server = await startHttpsApiServer({ storage });
  const admin = server.transportFor({ name: 'admin', groups: ['system:masters'] });
  const create = (name: string) => admin.request({ method: 'POST', path: PATH, object: { metadata: { name } } });
  const names = Array.from({ length: COUNT }, (_, index) => `chunk-${String(index).padStart(2, '0')}`);
  for (const name of names) await create(name);
  const chunk = async (token?: string) => {
    const from = token ? `&continue=${encodeURIComponent(token)}` : '';
    return (await admin.request({ method: 'GET', path: `${PATH}?limit=${LIMIT}${from}` })).object as Chunk;
  };

  const first = await chunk();
  await create('chunk-99'); // a newer version, so that the older one can be forgotten
  await storage.compact('', await storage.currentRevision());
  const refused = await chunk(first.metadata.continue).then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(refused).toMatchObject({ code: 410, reason: 'Expired' });
  const token = (refused as StatusError).continueToken;
  expect(token).toBeTruthy();

  let next = await chunk(token);
  expect(next.metadata.resourceVersion).not.toBe(first.metadata.resourceVersion);
  const found = [...first.items, ...next.items];
  const { resourceVersion } = next.metadata;
  while (next.metadata.continue) {
    next = await chunk(next.metadata.continue);
    expect(next.metadata.resourceVersion).toBe(resourceVersion);
    found.push(...next.items);
  }
  expect(found.map(({ metadata }) => metadata.name)).toEqual([...names, 'chunk-99']);
});
