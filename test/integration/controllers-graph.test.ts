import { expect, test } from 'vitest';
import { graphOf } from '#control-plane/controllers/controller-graph.ts';
import { controllersFor } from '#control-plane/controllers/index.ts';
import { startHttpsApiServer } from './https-api-server.ts';
import { RawClient } from './raw-client.ts';

const PATH = '/debug/controllers/graph';

test('a running cluster tells which controller reads and writes what, to who may ask for it', async () => {
  const controllers = controllersFor();
  const debug = new Map([[PATH, () => ({ edges: graphOf(controllers) })]]);
  await using server = await startHttpsApiServer({ serve: { debug } });
  const raw = new RawClient(server);
  const { stdout } = await server.kubectl(['get', '--raw', PATH]);
  const { edges } = JSON.parse(stdout) as { edges: unknown[] };
  expect(edges).toContainEqual({ controller: 'replicaset-controller', relation: 'create', kind: 'Pod' });
  expect(edges).toContainEqual({ controller: 'garbage-collector-controller', relation: 'reconciles', kind: '*' });
  const refused = await raw.ask(PATH, { as: { name: 'eve', groups: ['system:authenticated'] } });
  expect([refused.code, refused.text]).toEqual([403, expect.stringContaining(`cannot get path \\"${PATH}\\"`)]);
  expect((await raw.ask('/debug/controllers')).code).toBe(404);
});
