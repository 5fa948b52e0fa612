import { mkdtempSync, rmSync } from 'node:fs';
import { get, type RequestOptions } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { silentLog } from '#base/log.ts';
import { planOf } from '#node/machine/slots.ts';
import { adminIdentity, nodeIdentity } from '../pki/cluster-identities.ts';
import { ensurePki, type Pki } from '../pki/pki.ts';
import { systemClock } from '../system-clock.ts';
import { type ImageRegistry, openImageRegistry } from './image-registry.ts';

const ELSEWHERE = '127.0.0.2';
let folder: string;
let pki: Pki;
let registry: ImageRegistry | undefined;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'image-registry-'));
  pki = ensurePki({ directory: join(folder, 'pki'), clock: systemClock });
  const plan = { ...planOf(31), registryPort: 0, hostAddresses: [] };
  const root = join(folder, 'images');
  registry = await openImageRegistry({ root, plan, listen: [ELSEWHERE], pki, log: silentLog });
});
afterAll(async () => {
  await registry?.close();
  rmSync(folder, { recursive: true, force: true });
});

const ask = (options: RequestOptions): Promise<number> =>
  new Promise((resolve, reject) => {
    const port = registry?.host.split(':')[1];
    const request = { host: ELSEWHERE, port, path: '/v2/', ca: pki.caCertificate, agent: false, ...options } as const;
    get(request, (response) => resolve(response.resume().statusCode ?? 0)).on('error', reject);
  });
const as = (name: string, identity: Parameters<Pki['issueClient']>[1]) => {
  const { certificate: cert, key } = pki.issueClient(name, identity);
  return { cert, key };
};

test('a node elsewhere reads by its certificate, and pushes nothing', async () => {
  const node = as('node', nodeIdentity('far'));
  expect(await ask(node)).toBe(200);
  expect(await ask({ ...node, method: 'POST', path: '/v2/x/blobs/uploads/' })).toBe(403);
});

test('who has another certificate of the cluster is turned away, and who has none is not heard', async () => {
  expect(await ask(as('admin', adminIdentity))).toBe(403);
  await expect(ask({})).rejects.toThrow();
});

test('a second cluster with the same port goes without', async () => {
  const port = Number(registry?.host.split(':')[1]);
  const plan = { ...planOf(31), registryPort: port, hostAddresses: [] };
  const other = { root: join(folder, 'other'), plan, listen: [], pki, log: silentLog };
  expect(await openImageRegistry(other)).toBeUndefined();
});
