/** What a request is traced through: a cluster in lists and answers, to be changed by a test before it traces. */
import type { NetworkFacts } from '#api/kedge/v1alpha1/network-facts.ts';
import { INGRESS_CONTROLLER } from '#api/networking/v1/kedge-ingress.ts';
import { selfSigned } from '#cmd/pki/certificate.ts';
import type { Trace } from '#network/trace/hop.ts';
import { type ClusterLists, Known, type Question, type Want, wantId } from '#network/trace/known.ts';
import { traceRequest } from '#network/trace/trace-request.ts';

/** Parts of objects, as tests break them. */
export type Any = Record<string, unknown>;

/** A shop whose web server runs on two nodes, behind a Service and an Ingress with TLS. */
export class World {
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

export const ingress = {
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

export const nodeOf = (name: string, address: string) => ({
  metadata: { name },
  status: { addresses: [{ type: 'InternalIP', address }] },
});

export const sliceOf = (pods: Record<string, string>, { port = 8080, ready = true } = {}) => ({
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

export const CLIENT = { type: 'pod', namespace: 'shop', name: 'client' } as const;

/** The first hop that breaks, with all that is said of it. */
export function broken(trace: Trace): string {
  const hop = trace.hops.find(({ state }) => state === 'breaks');
  return hop ? `${hop.at}: ${hop.says} | ${hop.why}${hop.next ? ` | ${hop.next}` : ''}` : 'nothing';
}
export const shown = ({ hops }: Trace) => hops.map(({ at, state, says }) => `${state} ${at}: ${says}`);
