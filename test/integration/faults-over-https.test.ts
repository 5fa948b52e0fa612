/** What clients outside of a test see of its faults: an answer or a watch that is lost is a stream that breaks, not an error. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ConfigMap } from '#api/core/v1/config-map.ts';
import { Client } from '#client/client.ts';
import { transportFromKubeconfig } from '#client/transport/kubeconfig.ts';
import { Unreachable } from '#client/transport.ts';
import { systemClock } from '#cmd/system-clock.ts';
import { startCluster, type TestCluster } from '#testing/cluster.ts';

let cluster: TestCluster;
let transport: ReturnType<typeof transportFromKubeconfig>;
let client: Client;

beforeAll(async () => {
  cluster = await startCluster();
  transport = transportFromKubeconfig(await cluster.kubeconfigFile(), { clock: systemClock });
  client = new Client(transport);
});
afterAll(async () => {
  transport?.close();
  await cluster?.[Symbol.asyncDispose]();
});

const map = (name: string) => ({ metadata: { name, namespace: 'default' } });

for (const carriedOut of [true, false])
  test(`an answer that is lost is no answer, whether the request took effect (${carriedOut}) or not`, async () => {
    const name = `taken-${carriedOut}`;
    cluster.faults.drop({ verb: 'create', resource: 'configmaps', times: 1 }, { carriedOut });
    await expect(client.create(ConfigMap, map(name))).rejects.toThrow(Unreachable);
    await cluster.settles();
    expect(cluster.get(ConfigMap, `default/${name}`) !== undefined).toBe(carriedOut);
    await client.create(ConfigMap, map(`${name}-again`)); // whoever tries again gets through
  });

test('a watch that is lost breaks off', async () => {
  const watching = new AbortController();
  const events = client.watch(ConfigMap, { namespace: 'default', signal: watching.signal })[Symbol.asyncIterator]();
  let first = events.next();
  await client.create(ConfigMap, map('seen'));
  for (;;) {
    const { value } = await first; // what was there before comes first
    if (value?.object.metadata.name === 'seen') break;
    first = events.next();
  }
  expect(cluster.faults.dropWatch({ resource: 'configmaps' }, 'lost')).toBe(1);
  await expect(events.next()).rejects.toThrow(Unreachable);
  watching.abort();
});
