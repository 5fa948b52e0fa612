import { expect, test } from 'vitest';
import { ManualClock } from '#base/manual-clock.ts';
import { NftRefused } from '#network/netfilter/nft.ts';
import { freePort } from '#testing/free-port.ts';
import { service, slice, start, turn, world } from '../../../test/network/proxied-world.ts';
import type { Renderer } from './renderer.ts';

test('what changes while nft runs goes together in the next transaction', async () => {
  const { informers, set } = world();
  set('Service', 'default/web', service);
  set('EndpointSlice', 'default/web-1', slice('10.244.1.2'));
  const transactions: (readonly string[])[] = [];
  const waiting: (() => void)[] = [];
  const { ready } = start(informers, (commands) => {
    transactions.push(commands);
    return transactions.length === 1 ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve));
  });
  await ready;
  set('EndpointSlice', 'default/web-1', slice('10.244.1.3'));
  await turn();
  set('EndpointSlice', 'default/web-1', slice('10.244.1.4'));
  set('EndpointSlice', 'default/web-1', slice('10.244.1.5'));
  expect(transactions).toHaveLength(2);
  waiting.shift()?.();
  await turn();
  expect(transactions).toHaveLength(3);
  expect(transactions[2]?.join('\n')).toContain('10.244.1.5');
});

test('a change is put without what was put before, but with what was refused', async () => {
  const { informers, set } = world();
  const [a, b] = ['service default/a', 'service default/b'];
  const at = (name: string, clusterIP: string) => ({
    metadata: { ...service.metadata, name },
    spec: { ...service.spec, clusterIP },
  });
  set('Service', 'default/a', at('a', '10.96.0.21'));
  set('Service', 'default/b', at('b', '10.96.0.22'));
  const puts: string[][] = [];
  let isRefusing = false;
  const renderer: Renderer = {
    witnesses: [],
    forget: () => undefined,
    put: async (changes) => {
      puts.push([...changes.keys()].sort());
      if (isRefusing) throw new NftRefused('no');
    },
    isInForce: async () => true,
    differences: async () => [],
    remove: async () => undefined,
  };
  const { ready, clock } = start(informers, async () => undefined, { renderer });
  await ready;
  set('Service', 'default/a', at('a', '10.96.0.21'));
  await turn();
  isRefusing = true;
  set('Service', 'default/b', undefined);
  await turn();
  isRefusing = false;
  set('Service', 'default/a', at('a', '10.96.0.21'));
  clock.advance(100);
  await turn();
  expect(puts).toEqual([[a, b], [a], [b], [a, b]]);
});

test('who asks an endpoint that is lost is led anew, once the rules are in force', async () => {
  const { informers, set } = world();
  set('Service', 'default/web', service);
  set('EndpointSlice', 'default/web-1', slice('10.244.1.2', '10.244.1.3'));
  const done: string[] = [];
  const waiting: (() => void)[] = [];
  const conntrack = (call: readonly string[]) => {
    done.push(call.at(-1) ?? '');
    return new Promise<void>((resolve) => waiting.push(resolve));
  };
  const rules = async (commands: readonly string[]) =>
    void done.push(commands.join().includes('delete') ? 'rules' : 'first');
  const { ready } = start(informers, rules, { conntrack });
  await ready;
  for (const ips of [['fd00::2'], []]) set('EndpointSlice', 'default/web-6', { ...slice(...ips), addressType: 'IPv6' }); // the other family's proxy knows
  await turn();
  done.splice(0);
  set('EndpointSlice', 'default/web-1', slice('10.244.1.3'));
  await turn();
  expect(done).toEqual(['rules', '10.244.1.2']);
  const many = Array.from({ length: 9 }, (_, i) => `10.244.2.${i}`);
  set('EndpointSlice', 'default/web-1', slice(...many));
  await turn();
  set('EndpointSlice', 'default/web-1', slice());
  await turn();
  expect(done.slice(2)).toEqual(['rules', 'rules']); // one call at a time
  waiting.shift()?.();
  await turn();
  expect(done.slice(4)).toEqual(['--dst-nat']); // all that is half open
});

test('the zone of the node tells which endpoints are for it, also when it changes', async () => {
  const { informers, set } = world();
  set('Service', 'default/web', service);
  const hinted = ['a', 'b'].map((zone, i) => ({
    ...slice(`10.244.1.${i + 1}`).endpoints[0],
    hints: { forZones: [{ name: zone }] },
  }));
  set('EndpointSlice', 'default/web-1', { ...slice(), endpoints: hinted });
  const node = (zone: string) => ({ metadata: { name: 'node1', labels: { 'topology.kubernetes.io/zone': zone } } });
  set('Node', 'node1', node('a'));
  const transactions: string[] = [];
  const { ready } = start(informers, async (commands) => void transactions.push(commands.join('\n')));
  await ready;
  expect(transactions[0]).toContain('10.244.1.1');
  expect(transactions[0]).not.toContain('10.244.1.2');
  set('Node', 'node1', node('b'));
  await turn();
  expect(transactions[1]).toContain('10.244.1.2');
});

test('rules that the kernel refuses are built anew after a while', async () => {
  const { informers, set } = world();
  set('Service', 'default/web', service);
  const transactions: (readonly string[])[] = [];
  const { ready, clock } = start(informers, (commands) => {
    transactions.push(commands);
    return transactions.length === 1 ? Promise.reject(new NftRefused('no')) : Promise.resolve();
  });
  await turn();
  clock.advance(100);
  await ready;
  expect(transactions[1]).toContain('add table ip kube-proxy');
});

test('rules that somebody flushed are built anew', async () => {
  const { informers, set } = world();
  set('Service', 'default/web', service);
  const transactions: (readonly string[])[] = [];
  const clock = new ManualClock();
  let isThere = true;
  const kernel = {
    nft: async (commands: readonly string[]) => void transactions.push(commands),
    hasRules: async () => isThere,
  };
  await start(informers, kernel.nft, { clock, hasRules: kernel.hasRules }).ready;
  await turn();
  clock.advance(10_000);
  await turn();
  expect(transactions).toHaveLength(1);
  isThere = false;
  clock.advance(10_000);
  await turn();
  expect(transactions).toHaveLength(2);
  expect(transactions[1]).toEqual(transactions[0]);
});

test('when a Service goes whose address another shares, the address leads to the other at once', async () => {
  const { informers, set } = world();
  const sharing = (name: string, day: number) => ({
    metadata: { name, namespace: 'default', creationTimestamp: `2026-01-0${day}T00:00:00Z` },
    spec: { ...service.spec, clusterIP: `10.96.0.2${day}`, externalIPs: ['192.0.2.9'] },
  });
  for (const [name, ip] of [
    ['old', '10.244.1.1'],
    ['young', '10.244.1.2'],
  ] as const)
    set('EndpointSlice', `default/${name}-1`, {
      ...slice(ip),
      metadata: { name: `${name}-1`, namespace: 'default', labels: { 'kubernetes.io/service-name': name } },
    });
  set('Service', 'default/young', sharing('young', 2));
  set('Service', 'default/old', sharing('old', 1));
  const transactions: string[] = [];
  await start(informers, async (commands) => void transactions.push(commands.join('\n'))).ready;
  expect(transactions[0]).toContain('192.0.2.9 . 80 . 0 : 10.244.1.1 . 8080');
  expect(transactions[0]).not.toContain('192.0.2.9 . 80 . 0 : 10.244.1.2');
  set('Service', 'default/old', undefined);
  await turn();
  expect(transactions[1]).toContain('delete element ip kube-proxy lb1-tcp-eps');
  expect(transactions[1]).toMatch(/add element ip kube-proxy lb1-tcp-eps \{ 192\.0\.2\.9 \. 80 \. 0 : 10\.244\.1\.2 /);
});

test('the address that DNS answers itself gets no rule', async () => {
  const { informers, set } = world();
  set('Service', 'kube-system/kube-dns', {
    metadata: { name: 'kube-dns', namespace: 'kube-system' },
    spec: { ...service.spec, clusterIP: '10.96.0.10' },
  });
  const transactions: (readonly string[])[] = [];
  await start(informers, async (commands) => void transactions.push(commands)).ready;
  expect(transactions.flat().join('\n')).not.toContain('no-endpoints { 10.96.0.10');
});

test('load balancers are told of endpoints only when the rules lead there', async () => {
  const { informers, set } = world();
  const healthCheckNodePort = await freePort();
  const spec = { ...service.spec, type: 'LoadBalancer', externalTrafficPolicy: 'Local', ipFamilies: ['IPv4'] };
  set('Service', 'default/web', { ...service, spec: { ...spec, healthCheckNodePort } });
  set('EndpointSlice', 'default/web-1', slice());
  const told = async () => (await fetch(`http://127.0.0.1:${healthCheckNodePort}/healthz`)).status;
  const waiting: (() => void)[] = [];
  const nft = () => new Promise<void>((resolve) => void waiting.push(resolve));
  const { ready } = start(informers, nft);
  await turn();
  waiting.shift()?.();
  await ready;
  expect(await told()).toBe(503);
  set('EndpointSlice', 'default/web-1', slice('10.244.1.2'));
  await turn();
  expect([waiting.length, await told()]).toEqual([1, 503]);
  waiting.shift()?.();
  await turn();
  expect(await told()).toBe(200);
});
