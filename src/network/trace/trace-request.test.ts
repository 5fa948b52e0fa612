import { describe, expect, test } from 'vitest';
import type { NetworkFacts } from '#api/kedge/v1alpha1/network-facts.ts';
import { INGRESS_CONTROLLER } from '#api/networking/v1/kedge-ingress.ts';
import { selfSigned } from '#cmd/pki/certificate.ts';
import type { Trace } from './hop.ts';
import { type ClusterLists, Known, type Question, type Want, wantId } from './known.ts';
import { traceRequest } from './trace-request.ts';

type Any = Record<string, unknown>;

/** A shop whose web server runs on two nodes, behind a Service and an Ingress with TLS. */
class World {
  readonly pods = [
    podOf('web-1', '10.244.1.3', 'node1'),
    podOf('web-2', '10.244.2.3', 'node2'),
    podOf('client', '10.244.2.9', 'node2'),
  ];
  readonly service: Any = {
    metadata: { namespace: 'shop', name: 'web' },
    spec: {
      type: 'LoadBalancer',
      clusterIP: '10.96.0.20',
      clusterIPs: ['10.96.0.20'],
      selector: { app: 'web' },
      ports: [{ name: 'http', port: 80, targetPort: 8080, nodePort: 30080, protocol: 'TCP' }],
      sessionAffinity: 'None',
    },
    status: { loadBalancer: { ingress: [{ ip: '172.29.0.7' }] } },
  };
  readonly lists: Any & { loopback: unknown[] } = {
    domain: 'cluster.local',
    dnsAddresses: ['10.96.0.10'],
    nowMs: Date.parse('2026-06-01T00:00:00Z'),
    services: [this.service],
    slices: [sliceOf({ 'web-1': '10.244.1.3', 'web-2': '10.244.2.3' })],
    ingresses: [ingress],
    classes: [{ metadata: { name: 'nginx' }, spec: { controller: INGRESS_CONTROLLER } }],
    nodes: [nodeOf('node1', '172.30.0.11'), nodeOf('node2', '172.30.0.12')],
    namespaces: ['shop', 'guests'].map((name) => ({
      metadata: { name, labels: { 'kubernetes.io/metadata.name': name } },
    })),
    policies: [],
    ...{ gateways: [], gatewayClasses: [], routes: [], grants: [] },
    loopback: [{ port: 8080, to: 'ingress http' }],
  };
  readonly names: Record<string, string[]> = { 'www.example.com': ['172.29.0.1'] };
  readonly secrets: Record<string, object> = { 'shop/web-tls': pair };
  readonly events: Any[] = [];
  facts: (want: Want & { type: 'node' }) => NetworkFacts | { unseen: string } = ({ front }) =>
    front ? { front: { state: 'endpoints', connections: 3 } } : { listening: [8080] };

  trace(url: string, from: Question['from'] = { type: 'host' }): Trace {
    const found = new Map<string, unknown>();
    const question = { url: new URL(url), from, hostAddress: '172.30.0.1' };
    for (let round = 0; ; round++) {
      const known = new Known(this.lists as unknown as ClusterLists, found);
      const trace = traceRequest(question, known);
      if (known.wants.length === 0 || round > 8) return trace;
      for (const want of known.wants) found.set(wantId(want), this.#answer(want));
    }
  }

  #answer(want: Want): unknown {
    switch (want.type) {
      case 'name':
        return this.names[want.name]
          ? { addresses: this.names[want.name], by: 'the test' }
          : { unseen: 'ENOTFOUND', isMissing: true };
      case 'secret':
        return this.secrets[`${want.namespace}/${want.name}`] ?? { unseen: 'not found', isMissing: true };
      case 'pods':
        return this.pods.filter(({ metadata }) => want.namespace === '' || metadata.namespace === want.namespace);
      case 'events':
        return this.events;
      case 'node':
        return this.facts(want);
    }
  }
}

const life = { notBeforeMs: Date.parse('2026-01-01T00:00:00Z'), notAfterMs: Date.parse('2027-01-01T00:00:00Z') };
const pair = selfSigned({ commonName: 'web', names: ['www.example.com'], usage: 'server', ...life });

const ingress = {
  metadata: { namespace: 'shop', name: 'web', creationTimestamp: '2026-01-01T00:00:00Z' } as Any,
  spec: {
    ingressClassName: 'nginx',
    tls: [{ hosts: ['www.example.com'], secretName: 'web-tls' }],
    rules: [
      {
        host: 'www.example.com',
        http: {
          paths: [
            { path: '/', pathType: 'Prefix', backend: { service: { name: 'web', port: { number: 80 } } } },
            { path: '/api', pathType: 'Prefix', backend: { service: { name: 'web', port: { name: 'http' } } } },
          ],
        },
      },
      {
        host: 'paths.example.com',
        http: {
          paths: [{ path: '/only', pathType: 'Exact', backend: { service: { name: 'gone', port: { number: 80 } } } }],
        },
      },
    ],
  } as Any,
  status: { loadBalancer: { ingress: [{ ip: '172.29.0.1' }] } },
};

function podOf(name: string, ip: string, nodeName: string) {
  return {
    metadata: { namespace: 'shop', name, labels: { app: name.split('-')[0]! } } as Any & {
      namespace: string;
      name: string;
    },
    spec: {
      nodeName,
      dnsPolicy: 'ClusterFirst',
      containers: [{ name: 'main', ports: [{ name: 'web', containerPort: 8080, protocol: 'TCP' }] }] as Any[],
    } as Any,
    status: {
      phase: 'Running',
      podIP: ip,
      podIPs: [{ ip }],
      conditions: [{ type: 'Ready', status: 'True' }] as Any[],
      containerStatuses: [{ name: 'main', ready: true, started: true, state: { running: {} } }] as Any[],
    } as Any,
  };
}

const nodeOf = (name: string, address: string) => ({
  metadata: { name },
  status: { addresses: [{ type: 'InternalIP', address }] },
});

const sliceOf = (pods: Record<string, string>, { port = 8080, ready = true } = {}) => ({
  metadata: { namespace: 'shop', name: 'web-x', labels: { 'kubernetes.io/service-name': 'web' } },
  addressType: 'IPv4',
  ports: [{ name: 'http', port, protocol: 'TCP' }],
  endpoints: Object.entries(pods).map(([name, address]) => ({
    addresses: [address],
    conditions: { ready, serving: ready, terminating: false },
    nodeName: `node${name === 'web-1' ? 1 : 2}`,
    targetRef: { kind: 'Pod', name },
  })),
});

const CLIENT = { type: 'pod', namespace: 'shop', name: 'client' } as const;

/** The first hop that breaks, with all that is said of it. */
function broken(trace: Trace): string {
  const hop = trace.hops.find(({ state }) => state === 'breaks');
  return hop ? `${hop.at}: ${hop.says} | ${hop.why}${hop.next ? ` | ${hop.next}` : ''}` : 'nothing';
}
const shown = ({ hops }: Trace) => hops.map(({ at, state, says }) => `${state} ${at}: ${says}`);

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

  test('session affinity is told', () => {
    const world = new World();
    Object.assign(world.service['spec'] as Any, { sessionAffinity: 'ClientIP' });
    expect(world.trace('http://web/', CLIENT).hops.find(({ at }) => at === 'service')?.details).toEqual([
      'a client stays with its endpoint for 10800 s (sessionAffinity)',
    ]);
  });
});

const unready = (world: World, of: Any, container: Any = {}) => {
  world.lists['slices'] = [sliceOf({ 'web-1': '10.244.1.3' }, { ready: false })];
  world.pods.splice(1, 1);
  const [pod] = world.pods;
  Object.assign(pod!.status, { conditions: [{ type: 'Ready', status: 'False' }] }, of);
  Object.assign((pod!.spec['containers'] as Any[])[0]!, container);
};
const waiting = (reason: string, more: Any = {}) => ({
  containerStatuses: [{ name: 'main', ready: false, started: false, state: { waiting: { reason } }, ...more }],
});

const denyAll = {
  metadata: { namespace: 'shop', name: 'deny' },
  spec: { podSelector: { matchLabels: { app: 'web' } }, policyTypes: ['Ingress'] } as Any,
};

describe('where it breaks, why, and what to do', () => {
  test.each<[string, string, Question['from'], (world: World) => void, string]>([
    [
      'a name without a record',
      'http://www.example.com/',
      { type: 'host' },
      (world) => void delete world.names['www.example.com'],
      'dns: www.example.com has no address | there is no DNS record for it | give the name a record, or try without: curl --resolve www.example.com:80:172.29.0.1 http://www.example.com/',
    ],
    [
      "a name of the cluster's, asked from outside",
      'http://web.shop.svc.cluster.local/',
      { type: 'host' },
      () => undefined,
      'dns: web.shop.svc.cluster.local has no address here | only pods ask the DNS of the cluster | trace it from a pod: --from pod/NAME',
    ],
    [
      'a Service of another namespace',
      'http://web/',
      { ...CLIENT, namespace: 'guests' },
      (world) =>
        world.pods.map(
          ({ metadata }) => metadata.name === 'client' && Object.assign(metadata, { namespace: 'guests' }),
        ),
      'dns: web has no address, says the DNS of node node2 at 10.96.0.10 | there is no Service "web" in namespace guests | there is one in namespace shop: ask for web.shop',
    ],
    [
      'a host that no rule claims',
      'http://other.example.com/',
      { type: 'host' },
      (world) => Object.assign(world.names, { 'other.example.com': ['172.29.0.1'] }),
      'ingress: no Ingress takes the host other.example.com | there are rules for paths.example.com, www.example.com | add a rule with host: other.example.com',
    ],
    [
      'an Ingress without a class',
      'http://www.example.com/',
      { type: 'host' },
      (world) =>
        Object.assign(world.lists, {
          ingresses: [{ ...ingress, spec: { ...ingress.spec, ingressClassName: undefined } }],
        }),
      'ingress: no Ingress takes the host www.example.com | Ingress shop/web names it, but it has no class | set spec.ingressClassName: nginx',
    ],
    [
      'a path that no rule has',
      'http://paths.example.com/other',
      { type: 'host' },
      (world) => Object.assign(world.names, { 'paths.example.com': ['172.29.0.1'] }),
      'ingress: no rule of paths.example.com takes the path /other | its paths are /only (Exact) | add a path to an Ingress of paths.example.com, or a default backend',
    ],
    [
      'a rule whose Service is not there',
      'http://paths.example.com/only',
      { type: 'host' },
      (world) => Object.assign(world.names, { 'paths.example.com': ['172.29.0.1'] }),
      'service: Service shop/gone | there is no such Service | create it, or name another one in the rule (in shop there are web)',
    ],
    [
      'a missing Secret',
      'https://www.example.com/',
      { type: 'host' },
      (world) => void delete world.secrets['shop/web-tls'],
      'certificate: Secret shop/web-tls | there is no such Secret; a certificate of nobody is shown | kubectl -n shop create secret tls web-tls --cert=FILE --key=FILE',
    ],
    [
      'a certificate that has ended',
      'https://www.example.com/',
      { type: 'host' },
      (world) => Object.assign(world.lists, { nowMs: Date.parse('2028-01-01T00:00:00Z') }),
      'certificate: Secret shop/web-tls | its certificate ended on 2027-01-01 | renew it',
    ],
    [
      'a port that the Service does not have',
      'http://web:8080/',
      CLIENT,
      () => undefined,
      'service: Service shop/web | it has no port of that number; it has 80 (http) | ask for one of those, or add the port to the Service',
    ],
    [
      'a failing readiness probe',
      'http://web/',
      CLIENT,
      (world) => {
        unready(
          world,
          { containerStatuses: [{ name: 'main', ready: false, started: true, state: { running: {} } }] },
          { readinessProbe: { httpGet: { path: '/ready', port: 8080 } } },
        );
        world.events.push({
          reason: 'Unhealthy',
          message: 'Readiness probe failed: HTTP probe failed with statuscode: 503',
          metadata: {},
        });
      },
      'endpoints: no endpoint of 1 may be used | pod shop/web-1: the readiness probe of container main (GET /ready at port 8080) fails: Readiness probe failed: HTTP probe failed with statuscode: 503 | make the container answer its probe, or mend the probe: kubectl -n shop describe pod web-1',
    ],
    [
      'a container that crashes',
      'http://web/',
      CLIENT,
      (world) =>
        unready(world, waiting('CrashLoopBackOff', { lastState: { terminated: { exitCode: 3, reason: 'Error' } } })),
      'endpoints: no endpoint of 1 may be used | pod shop/web-1: container main crashes again and again; it last ended with code 3 (Error) | kubectl -n shop logs web-1 -c main --previous',
    ],
    [
      'an image that cannot be pulled',
      'http://web/',
      CLIENT,
      (world) => unready(world, waiting('ImagePullBackOff')),
      'endpoints: no endpoint of 1 may be used | pod shop/web-1: container main: ImagePullBackOff | kubectl -n shop describe pod web-1',
    ],
    [
      'a pod without a node',
      'http://web/',
      CLIENT,
      (world) => {
        unready(world, {
          phase: 'Pending',
          podIP: '',
          podIPs: [],
          conditions: [{ type: 'PodScheduled', status: 'False', message: '0/2 nodes are available' }],
        });
        delete world.pods[0]?.spec['nodeName'];
        world.lists['slices'] = [];
      },
      'endpoints: no endpoint of 0 may be used | pod shop/web-1: it has no node: 0/2 nodes are available | kedge why pod/web-1 -n shop',
    ],
    [
      'a selector that means no pod',
      'http://web/',
      CLIENT,
      (world) => {
        Object.assign(world.service['spec'] as Any, { selector: { app: 'wed' } });
        world.lists['slices'] = [];
      },
      'endpoints: no endpoint of 0 may be used | no pod in namespace shop has the labels app=wed; there are app=web, app=client | make the selector of the Service and the labels of its pods agree',
    ],
    [
      'a named target port that no pod has',
      'http://web/',
      CLIENT,
      (world) => {
        Object.assign((world.service['spec'] as { ports: Any[] }).ports[0]!, { targetPort: 'http' });
        world.lists['slices'] = [];
      },
      'endpoints: no endpoint of 0 may be used | pod shop/web-1: it has no port named http, which is the targetPort of the Service; it has web (8080) | name the port in the pod, or give the Service another targetPort',
    ],
    [
      'a target port at which nothing listens',
      'http://web/',
      CLIENT,
      (world) => {
        world.lists['slices'] = [sliceOf({ 'web-1': '10.244.1.3' }, { port: 9999 })];
      },
      'pod: pod shop/web-1 on node node1, port 9999 | nothing listens at port 9999; the pod listens at 8080 | set the targetPort of the Service to 8080, or let the container listen at 9999',
    ],
    [
      'a policy that lets nobody in',
      'http://web/',
      CLIENT,
      (world) => Object.assign(world.lists, { policies: [denyAll] }),
      'policy: pod shop/client → 10.244.1.3:8080 | NetworkPolicy shop/deny isolates pod shop/web-1, and no rule allows this | add an ingress rule from pods with app=client in namespace shop, TCP port 8080',
    ],
    [
      'a policy that lets nothing out',
      'http://web/',
      CLIENT,
      (world) =>
        Object.assign(world.lists, {
          policies: [
            { metadata: { namespace: 'shop', name: 'quiet' }, spec: { podSelector: {}, policyTypes: ['Egress'] } },
          ],
        }),
      'policy: pod shop/client → 10.244.1.3:8080 | NetworkPolicy shop/quiet isolates the egress of pod shop/client, and no rule allows this | add an egress rule to pods with app=web in namespace shop, TCP port 8080',
    ],
    [
      'a policy that the other node is not allowed by',
      'https://www.example.com/',
      { type: 'host' },
      (world) => Object.assign(world.lists, { policies: [denyAll] }),
      'policy: node node2 → 10.244.1.3:8080 | NetworkPolicy shop/deny isolates pod shop/web-1, and no rule allows this | add an ingress rule from ipBlock 172.30.0.12/32, TCP port 8080',
    ],
    [
      'a node without an endpoint under a Local policy',
      'http://172.30.0.12:30080/',
      { type: 'host' },
      (world) => {
        Object.assign(world.service['spec'] as Any, { externalTrafficPolicy: 'Local' });
        world.lists['slices'] = [sliceOf({ 'web-1': '10.244.1.3' })];
      },
      'endpoints: no endpoint on node node2 | externalTrafficPolicy is Local, and its endpoints are on node1 | ask node1 instead, or set externalTrafficPolicy: Cluster',
    ],
    [
      'a port of this machine that leads nowhere',
      'http://shop.localhost/',
      { type: 'host' },
      () => undefined,
      'address: 127.0.0.1:80 | nothing of the cluster is published at port 80 of this machine; published are 8080 (ingress http) | kedge up --publish PORT:NAMESPACE/SERVICE:PORT',
    ],
    [
      'a sender that is not there',
      'http://web/',
      { ...CLIENT, name: 'nobody' },
      () => undefined,
      'pod: pod shop/nobody | there is no such pod to send from',
    ],
  ])('%s', (_, url, from, change, expected) => {
    const world = new World();
    change(world);
    const trace = world.trace(url, from);
    expect(broken(trace)).toBe(expected);
    expect(trace.isBroken).toBe(true);
  });
});

describe('through a Gateway', () => {
  const gatewayWith = (listener: Any) => ({
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'Gateway',
    metadata: { namespace: 'shop', name: 'gate', generation: 1, creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: {
      gatewayClassName: 'kedge',
      listeners: [
        { name: 'one', hostname: '*.gate.example', allowedRoutes: { namespaces: { from: 'Same' } }, ...listener },
      ],
    },
    status: { addresses: [{ type: 'IPAddress', value: '172.29.0.1' }] },
  });
  const route = (...backendRefs: Any[]) => ({
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: { namespace: 'shop', name: 'ways', generation: 1, creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: {
      parentRefs: [{ group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'gate' }],
      hostnames: ['www.gate.example'],
      rules: [{ matches: [{ path: { type: 'PathPrefix', value: '/in' } }], backendRefs }],
    },
  });
  const backend = (name: string, weight = 1) => ({ group: '', kind: 'Service', name, port: 80, weight });
  const worldOf = (listener: Any, ...backends: Any[]) => {
    const world = new World();
    const gatewayClasses = [{ metadata: { name: 'kedge' }, spec: { controllerName: 'kedge.dev/gateway' } }];
    Object.assign(world.lists, { gateways: [gatewayWith(listener)], gatewayClasses, routes: [route(...backends)] });
    Object.assign(world.names, { 'www.gate.example': ['172.29.0.1'], 'other.example': ['172.29.0.1'] });
    return world;
  };
  const HTTP = { port: 8000, protocol: 'HTTP' };

  test('the listener at its port and the rule of its route lead to the Service', () => {
    const trace = worldOf(HTTP, backend('web')).trace('http://www.gate.example:8000/in/side');
    expect(broken(trace)).toBe('nothing');
    expect(shown(trace)).toContain('passes ingress: HTTPRoute shop/ways, host www.gate.example, path /in (Prefix)');
    expect(shown(trace)).toContain('passes service: Service shop/web, port 80 (http) → targetPort 8080');
  });

  test('a share of its requests that goes to nobody breaks it', () => {
    const trace = worldOf(HTTP, backend('web', 9), backend('gone', 1)).trace('http://www.gate.example:8000/in');
    expect(trace.hops.find(({ at }) => at === 'ingress')?.details?.join()).toContain('shop/web:80 9');
    const none = worldOf(HTTP, backend('gone')).trace('http://www.gate.example:8000/in');
    expect(broken(none)).toContain('what its backendRefs mean is not there, or no ReferenceGrant allows it');
  });

  test('a host that no listener has, and a port that nobody listens at', () => {
    expect(broken(worldOf(HTTP, backend('web')).trace('http://other.example:8000/'))).toContain(
      'no Ingress and no Gateway takes the host other.example',
    );
    expect(broken(worldOf(HTTP, backend('web')).trace('http://www.gate.example:9000/'))).toContain(
      'no Gateway listens there',
    );
  });

  test('a Secret of a listener that is not there', () => {
    const tls = { mode: 'Terminate', certificateRefs: [{ group: '', kind: 'Secret', name: 'gate-tls' }] };
    const trace = worldOf({ port: 443, protocol: 'HTTPS', tls }, backend('web')).trace('https://www.gate.example/in');
    expect(broken(trace)).toContain('certificate: Secret shop/gate-tls | there is no such Secret');
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
