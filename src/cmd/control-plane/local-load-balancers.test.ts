import { expect, test } from 'vitest';
import type { Node } from '#api/core/v1/node.ts';
import type { Service } from '#api/core/v1/service.ts';
import { CommandFailed } from '#node/machine/run-command.ts';
import { planOf } from '#node/machine/slots.ts';
import { localLoadBalancers } from './local-load-balancers.ts';

/** This machine's routes, by address. */
function machine() {
  const routes = new Map<string, readonly string[]>();
  let isBroken = false;
  const balancers = localLoadBalancers(planOf(0), {
    routeToBalancer: async (address, gateways) => {
      routes.set(address, gateways);
      if (isBroken) throw new CommandFailed(['ip'], 2, 'no');
    },
    dropRoute: async (range) => void routes.delete(range.replace('/32', '')),
  });
  const breaks = () => {
    isBroken = true;
  };
  return { balancers, routes, breaks };
}

const service = (name: string, { wish, has }: { wish?: string; has?: string } = {}) =>
  ({
    metadata: { name, namespace: 'default' },
    spec: { ...(wish && { loadBalancerIP: wish }) },
    status: { loadBalancer: { ingress: has ? [{ ip: has }] : [] } },
  }) as unknown as Service;
const nodeAt = (address: string) => ({ status: { addresses: [{ type: 'InternalIP', address }] } }) as unknown as Node;
const nodes = [nodeAt('172.30.0.11')];
const nobody: ReadonlySet<string> = new Set();

test("an address that a Service has no more is not routed any more, unless it is another Service's", async () => {
  const { balancers, routes } = machine();
  await balancers.ensure({ service: service('a'), nodes, taken: nobody });
  expect([...routes]).toEqual([['172.29.0.2', ['172.30.0.11']]]);
  await balancers.ensure({ service: service('a', { has: '172.29.0.2', wish: '172.29.0.9' }), nodes, taken: nobody });
  expect([...routes.keys()]).toEqual(['172.29.0.9']);
  const both = service('b', { has: '172.29.0.9' });
  await balancers.ensure({ service: both, nodes, taken: new Set(['172.29.0.9']) });
  expect([...routes.keys()]).toEqual(['172.29.0.9', '172.29.0.2']);
  await balancers.remove(both);
  expect([...routes.keys()]).toEqual(['172.29.0.9']);
});

test('what was begun and failed is undone with the Service, whatever its status says', async () => {
  const { balancers, routes, breaks } = machine();
  breaks();
  await expect(balancers.ensure({ service: service('a'), nodes, taken: nobody })).rejects.toThrow('ip: no');
  expect(routes.size).toBe(1);
  await balancers.remove(service('a'));
  expect(routes.size).toBe(0);
});

test('a Service whose nodes are all on other machines waits; one without nodes is unreachable', async () => {
  const { balancers, routes } = machine();
  const far = balancers.ensure({ service: service('a'), nodes: [nodeAt('203.0.113.1')], taken: nobody });
  await expect(far).rejects.toThrow('none of its nodes is on this machine');
  expect(routes.size).toBe(0);
  await balancers.ensure({ service: service('a'), nodes: [], taken: nobody });
  expect([...routes]).toEqual([['172.29.0.2', []]]);
});
