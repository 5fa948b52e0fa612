import { describe, expect, test } from 'vitest';
import { type Any, broken, CLIENT, ingress, nodeOf, shown, sliceOf, World } from '../../../test/network/traced-shop.ts';

describe('a request that arrives', () => {
  test('through an Ingress with TLS: every hop to both pods', () => {
    const trace = new World().trace('https://www.example.com/api/v1');
    expect(shown(trace)).toEqual([
      'passes dns: www.example.com is 172.29.0.1, says the test',
      'passes address: Ingress address 172.29.0.1:443, carried by one of 2 nodes (node1, node2)',
      'passes certificate: Secret shop/web-tls, for www.example.com until 2027-01-01',
      'passes ingress: Ingress shop/web, host www.example.com, path /api (Prefix), the longest of 2 that match',
      'passes service: Service shop/web, port 80 (http) → targetPort 8080',
      'passes endpoints: 2 of 2 may be used: 10.244.1.3:8080, 10.244.2.3:8080',
      'passes pod: pod shop/web-1 on node node1, port 8080 of container main, listens',
      'passes pod: pod shop/web-2 on node node2, port 8080 of container main, listens',
    ]);
    expect(trace.isBroken).toBe(false);
  });

  test('from a pod to a Service by its short name', () => {
    const trace = new World().trace('http://web/', CLIENT);
    expect(shown(trace).slice(0, 3)).toEqual([
      'passes dns: web.shop.svc.cluster.local is 10.96.0.20, says the DNS of node node2 at 10.96.0.10',
      'passes address: 10.96.0.20:80 is the ClusterIP of Service shop/web, held by node node2',
      'passes service: Service shop/web, port 80 (http) → targetPort 8080',
    ]);
    expect(trace.hops[1]?.details).toEqual(['the rules of node node2 lead to its endpoints; 3 connections now']);
    expect(trace.isBroken).toBe(false);
  });

  test.each([
    ['a load balancer', 'http://172.29.0.7/', 'load balancer address of Service shop/web, held by one of 2 nodes'],
    ['a port of a node', 'http://172.30.0.11:30080/', 'nodePort 30080 of node node1, held by node node1'],
    ['a name that is its own machine', 'http://shop.localhost:8080/', 'nothing is'],
  ])('from this machine by %s', (_, url, text) => {
    const world = new World();
    world.lists['ingresses'] = [
      {
        ...ingress,
        spec: { ...ingress.spec, rules: [{ ...(ingress.spec['rules'] as Any[])[0], host: 'shop.localhost' }] },
      },
    ];
    const trace = world.trace(url);
    expect(broken(trace)).toBe('nothing');
    if (text !== 'nothing is') expect(trace.hops[0]?.says).toContain(text);
    else
      expect(trace.hops[1]?.says).toBe(
        '127.0.0.1:8080 is published on this machine; Ingress, carried by one of 2 nodes (node1, node2)',
      );
  });

  test.each([
    [1, 'carried by node node1', 'held by node node1'],
    [0, 'carried by no node that can be seen', 'held by no node that can be seen'],
  ])('who carries it is told of %i nodes too', (count, carried, held) => {
    const world = new World();
    world.lists['nodes'] = (world.lists['nodes'] as Any[]).slice(0, count);
    const first = (url: string, at: string) => world.trace(url).hops.find((hop) => hop.at === at)?.says;
    expect(first('https://www.example.com/', 'address')).toBe(`Ingress address 172.29.0.1:443, ${carried}`);
    expect(first('http://172.29.0.7/', 'address')).toMatch(new RegExp(`, ${held}$`));
  });

  test('a redirect to https is told, and its certificate looked at', () => {
    const trace = new World().trace('http://www.example.com/');
    expect(trace.hops.find(({ at }) => at === 'ingress')?.details).toEqual([
      'answers with a redirect to https, which is traced on',
    ]);
    expect(trace.hops.map(({ at }) => at)).toContain('certificate');
  });

  test('who may not see what a node holds is told so, and nothing breaks', () => {
    const world = new World();
    world.facts = () => ({ unseen: 'needs the right to get nodes/proxy' });
    const trace = world.trace('http://web/', CLIENT);
    expect(broken(trace)).toBe('nothing');
    expect(trace.hops[1]?.details).toEqual([
      'the rules of node node2 cannot be seen: needs the right to get nodes/proxy',
    ]);
  });

  test('in the mode ipvs it is told where the kernel leads, and what the node lacks for it', () => {
    const world = new World();
    const realServers = [
      { address: '10.244.1.3:8080', weight: 1, taken: 12 },
      { address: '10.244.2.3:8080', weight: 0, taken: 7 },
    ];
    const missing = '10.96.0.20 on kube-ipvs0';
    world.facts = () => ({ front: { state: 'absent', connections: 0, realServers, missing } });
    expect(world.trace('http://web/', CLIENT).hops[1]?.details).toEqual([
      'the rules of node node2 are not all there; 0 connections now',
      'IPVS of node node2 would lead it on, but the node lacks 10.96.0.20 on kube-ipvs0',
      'IPVS of node node2 leads to 10.244.1.3:8080 (12 connections so far), 10.244.2.3:8080 (7 connections so far, no new ones)',
    ]);
  });

  test('session affinity is told', () => {
    const world = new World();
    Object.assign(world.service['spec'] as Any, { sessionAffinity: 'ClientIP' });
    expect(world.trace('http://web/', CLIENT).hops.find(({ at }) => at === 'service')?.details).toEqual([
      'a client stays with its endpoint for 10800 s (sessionAffinity)',
    ]);
  });
});

describe('as the proxy of the node reckons', () => {
  test('a port of a node is asked in the family of the address', () => {
    const world = new World();
    const [node] = world.lists['nodes'] as { status: { addresses: object[] } }[];
    node?.status.addresses.push({ type: 'InternalIP', address: 'fd00::11' });
    Object.assign(world.service['spec'] as object, { ipFamilies: ['IPv4'] });
    const { hops, isBroken } = world.trace('http://[fd00::11]:30080/');
    expect(isBroken).toBe(true);
    expect(hops.find(({ state }) => state === 'breaks')?.why).toBe(
      'the Service is of IPv4 alone, and the address is of IPv6',
    );
    expect(world.trace('http://172.30.0.11:30080/').isBroken).toBe(false);
  });

  test('endpoints that are meant for another zone are not in the way', () => {
    const world = new World();
    world.lists['nodes'] = ['a', 'b'].map((zone, i) => ({
      ...nodeOf(`node${i + 1}`, `172.30.0.1${i + 1}`),
      metadata: { name: `node${i + 1}`, labels: { 'topology.kubernetes.io/zone': zone } },
    }));
    const slice = sliceOf({ 'web-1': '10.244.1.3', 'web-2': '10.244.2.3' });
    const endpoints = slice.endpoints.map((each, i) => ({ ...each, hints: { forZones: [{ name: 'ab'[i] }] } }));
    world.lists['slices'] = [{ ...slice, endpoints }];
    const { hops } = world.trace('http://10.96.0.20/', { type: 'node', name: 'node2' });
    expect(hops.find(({ at }) => at === 'endpoints')?.says).toBe('1 of 2 may be used: 10.244.2.3:8080');
  });

  test('a pod of both families is one endpoint', () => {
    const world = new World();
    const of = (addresses: Record<string, string>) => {
      const slice = sliceOf(addresses);
      return { ...slice, endpoints: slice.endpoints.map((each, i) => ({ ...each, targetRef: { uid: `pod-${i}` } })) };
    };
    const other = of({ 'web-1': 'fd00:244:1::3', 'web-2': 'fd00:244:2::3' });
    world.lists['slices'] = [of({ 'web-1': '10.244.1.3', 'web-2': '10.244.2.3' }), { ...other, addressType: 'IPv6' }];
    const { hops } = world.trace('http://10.96.0.20/', { type: 'node', name: 'node2' });
    expect(hops.find(({ at }) => at === 'endpoints')?.says).toBe(
      '2 of 2 may be used: 10.244.1.3:8080, 10.244.2.3:8080',
    );
  });

  test('of two ports of one number it is that of TCP', () => {
    const world = new World();
    const spec = world.service['spec'] as Any;
    spec['ports'] = [
      { name: 'udp', port: 80, targetPort: 9090, protocol: 'UDP' },
      { name: 'http', port: 80, targetPort: 8080, protocol: 'TCP' },
    ];
    const slice = sliceOf({ 'web-1': '10.244.1.3' });
    world.lists['slices'] = [{ ...slice, ports: [{ name: 'udp', port: 9090, protocol: 'UDP' }, ...slice.ports] }];
    const { hops } = world.trace('http://10.96.0.20/', { type: 'node', name: 'node1' });
    expect(hops.find(({ at }) => at === 'endpoints')?.says).toBe('1 of 1 may be used: 10.244.1.3:8080');
  });
});
