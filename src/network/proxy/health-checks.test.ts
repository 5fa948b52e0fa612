import { createServer } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import type { Service } from '#api/generated/schema.ts';
import { silentLog } from '#base/log.ts';
import { HealthChecks, healthCheckPortOf } from './health-checks.ts';

let checks: HealthChecks | undefined;
afterEach(() => checks?.close());

const local = (count: number) => ({ namespace: 'shop', name: 'web', count });
/** One that nobody listens on. */
const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const probe = createServer();
    probe.listen(0, () => {
      const { port } = probe.address() as { port: number };
      probe.close(() => resolve(port));
    });
  });
const ask = (port: number) => fetch(`http://127.0.0.1:${port}/healthz`, { headers: { connection: 'close' } });

test('a node says how many endpoints of a Service it has', async () => {
  const port = await freePort();
  checks = new HealthChecks(silentLog);
  checks.put('shop/web', port, local(2));
  const healthy = await ask(port);
  expect([healthy.status, healthy.headers.get('x-load-balancing-endpoint-weight')]).toEqual([200, '2']);
  expect(await healthy.json()).toEqual({
    service: { namespace: 'shop', name: 'web' },
    localEndpoints: 2,
    serviceProxyHealthy: true,
  });
  checks.put('shop/web', port, local(0));
  expect((await ask(port)).status).toBe(503);
  checks.put('shop/web', undefined, local(0));
  await expect(ask(port)).rejects.toThrow();
});

test.each([
  ['LoadBalancer', 'Local', 30_500, 30_500],
  ['LoadBalancer', 'Cluster', 30_500, undefined],
  ['NodePort', 'Local', undefined, undefined],
])(
  'a Service of type %s with the policy %s is answered for at its port or not at all',
  (type, policy, port, wanted) => {
    const spec = { type, externalTrafficPolicy: policy, healthCheckNodePort: port };
    expect(healthCheckPortOf({ spec } as unknown as Service)).toBe(wanted);
  },
);
