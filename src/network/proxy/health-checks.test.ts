import { createServer } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import type { Service } from '#api/generated/schema.ts';
import { silentLog } from '#base/log.ts';
import { freePort } from '#testing/free-port.ts';
import { HealthChecks, healthCheckPortOf } from './health-checks.ts';

let checks: HealthChecks | undefined;
afterEach(() => checks?.close());

/** A log, and its first warning. */
function warningOf() {
  let warn: () => void = () => undefined;
  const warned = new Promise<void>((resolve) => {
    warn = resolve;
  });
  return { log: { ...silentLog, warn }, warned };
}
const local = (count: number) => ({ namespace: 'shop', name: 'web', count });
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
  checks.remove('shop/web');
  await expect(ask(port)).rejects.toThrow();
});

test('a port that another program has is tried again with the next change', async () => {
  const blocker = createServer();
  const port = await new Promise<number>((resolve) => {
    blocker.listen(0, () => resolve((blocker.address() as { port: number }).port));
  });
  const { log, warned } = warningOf();
  checks = new HealthChecks(log);
  checks.put('shop/web', port, local(1));
  await warned;
  await new Promise((resolve) => blocker.close(resolve));
  checks.put('shop/web', port, local(1));
  expect((await ask(port)).status).toBe(200);
});

test('a port that a Service still has is another’s once it goes', async () => {
  const port = await freePort();
  checks = new HealthChecks(silentLog);
  const name = async () => ((await (await ask(port)).json()) as { service: { name: string } }).service.name;
  checks.put('shop/old', port, { ...local(1), name: 'old' });
  checks.put('shop/new', port, { ...local(1), name: 'new' });
  expect(await name()).toBe('old');
  checks.remove('shop/old');
  expect(await name()).toBe('new');
  checks.remove('shop/new');
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
