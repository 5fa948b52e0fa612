/**
 * How soon a changed Ingress or HTTPRoute is in force: from asking the API server for the change, over TLS and with the write on disk, to the
 * first request that goes the new way. Requests go on all the while, and those that fail are counted.
 */
import { setMaxListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { gatewayDefinitions } from '#api/gateway/v1/definitions.ts';
import { silentLog } from '#base/log.ts';
import { Client } from '#client/client.ts';
import { SharedInformers } from '#client/informers.ts';
import { endpointOf, readKubeconfig } from '#client/transport/kubeconfig.ts';
import { NodeTransport } from '#client/transport/node.ts';
import { localServer } from '#cmd/supervisor/cluster-credentials.ts';
import { systemClock, systemRandom } from '#cmd/system-clock.ts';
import { gatewaySource } from '#network/gateway/gateway-source.ts';
import type { TableChange } from '#network/ingress/ingress-server.ts';
import { ingressSource } from '#network/ingress/ingress-source.ts';
import { keepTableCurrent } from '#network/ingress/keep-table-current.ts';
import type { Bench } from './bench.ts';
import { type BundledProcess, startBundled } from './bundled-process.ts';
import { type BenchCluster, newCluster, startControlPlane } from './control-plane-process.ts';
import { type Ask, exchange, open, RefusedRequest } from './http2-load.ts';
import { ingressAt } from './ingresses.ts';
import { makeNamespace } from './objects.ts';
import { inForce, type PacedLoad, pacedLoad } from './paced-load.ts';
import { median, quantile, type Row, timesRow } from './row.ts';

const NAMESPACE = 'shop';
const HOST = 'www.example.com';
const CONTROLLER = 'example.com/bench';
const CHANGES = 120;
const WARM_UP = 20;
const TARGET_MS = 20;
const LOAD_PER_SECOND = 300;
/** No EndpointSlice may hold an address of loopback. */
const STANDS_FOR_LOOPBACK = '192.0.2.1';

export async function run(bench: Bench): Promise<Row[]> {
  const cluster = await newCluster(bench);
  await startControlPlane(bench, cluster);
  const backend = await startBundled(bench, 'http1-backend');
  const worker = await startBundled(bench, 'ingress-process');
  const port = worker.greeting as number;
  const session = await open(cluster.target);
  bench.atEnd(() => session.destroy());
  const write = (ask: Ask) => exchange(session, ask);
  await makeNamespace(cluster.target, NAMESPACE);
  await write(create('/apis/networking.k8s.io/v1/ingressclasses', ingressClass));
  await write(create(`/api/v1/namespaces/${NAMESPACE}/services`, service));
  await write(
    create(`/apis/discovery.k8s.io/v1/namespaces/${NAMESPACE}/endpointslices`, slice(backend.greeting as number)),
  );
  await write(create(INGRESSES, ingressFor(0)));
  await makeGateway(write);
  await follow(bench, cluster, worker);

  const background = pacedLoad({ port, host: HOST, path: '/stays', perSecond: LOAD_PER_SECOND, connections: 16 });
  const rows: Row[] = [];
  const kinds = [
    { name: 'Ingress', host: HOST, path: `${INGRESSES}/web`, object: ingressFor },
    {
      name: 'HTTPRoute',
      host: GATEWAY_HOST,
      path: `${GATEWAY_API}/namespaces/${NAMESPACE}/httproutes/web`,
      object: routeFor,
    },
  ];
  for (const { name, host, path, object } of kinds) {
    const took: number[] = [];
    const written: number[] = [];
    for (let n = 1; n <= CHANGES; n++) {
      const began = performance.now();
      await write(merge(path, object(n)));
      written.push(performance.now() - began);
      await inForce({ port, host, path: `/v${n}` });
      took.push(performance.now() - began);
    }
    rows.push(...rowsOf(name, took.slice(WARM_UP), written.slice(WARM_UP)));
  }
  const load = await background.stop();
  bench.say(`${load.answered} requests meanwhile, ${load.failed} of them failed`);
  return [...rows, failedRow(load)];
}

function rowsOf(name: string, took: number[], written: number[]): Row[] {
  const floor = { value: median(written), note: 'the write alone' };
  const after = took.map((ms, i) => ms - (written[i] ?? 0));
  return [
    { ...timesRow(`route-change/${name}, from asking for it`, took, floor), target: TARGET_MS },
    { ...timesRow(`route-change/${name}, after the write`, after), target: TARGET_MS },
  ];
}

const failedRow = ({ failed, times }: PacedLoad): Row => ({
  measure: `route-change/failed of ${times.length} requests`,
  value: failed,
  unit: 'failed',
  p50: median(times),
  p99: quantile(times, 0.99),
  target: 0,
});

/** As `net` does: a client of its own, and a process that is told. */
async function follow(bench: Bench, { paths, record }: BenchCluster, worker: BundledProcess): Promise<void> {
  const ending = new AbortController();
  setMaxListeners(0, ending.signal); // one each informer
  bench.atEnd(() => ending.abort());
  const endpoint = { ...endpointOf(readKubeconfig(paths.kubeconfig)), server: localServer(record) };
  const transport = new NodeTransport({ ...endpoint, clock: systemClock, userAgent: 'bench' });
  const { signal } = ending;
  const client = new Client(transport);
  const informers = new SharedInformers({ client, clock: systemClock, random: systemRandom, log: silentLog, signal });
  const told: Promise<unknown>[] = [];
  const onChange = ({ endpoints = [], ...change }: TableChange) => {
    const here = endpoints.map(([key, list]) => [key, list.map(({ port }) => ({ address: '127.0.0.1', port }))]);
    told.push(worker.ask({ ...change, endpoints: here }));
  };
  const ofGateways = new SharedInformers({ client, clock: systemClock, random: systemRandom, log: silentLog, signal });
  const sources = [
    ingressSource({ controller: CONTROLLER, informers, signal }),
    gatewaySource({ controller: CONTROLLER, informers: ofGateways, signal }),
  ];
  await keepTableCurrent({ sources, informers, log: silentLog, signal, onChange });
  await Promise.all(told);
}

/** Its kinds are not there: this control plane has no nodes. */
async function makeGateway(write: (ask: Ask) => Promise<unknown>): Promise<void> {
  for (const definition of gatewayDefinitions)
    await write(create('/apis/apiextensions.k8s.io/v1/customresourcedefinitions', definition));
  const spec = { gatewayClassName: 'bench', listeners: [{ name: 'http', port: 80, protocol: 'HTTP' }] };
  const objects: [string, object][] = [
    [
      `${GATEWAY_API}/gatewayclasses`,
      { kind: 'GatewayClass', metadata: { name: 'bench' }, spec: { controllerName: CONTROLLER } },
    ],
    [`${GATEWAY_API}/namespaces/${NAMESPACE}/gateways`, { kind: 'Gateway', metadata: { name: 'gate' }, spec }],
    [
      `${GATEWAY_API}/namespaces/${NAMESPACE}/httproutes`,
      { kind: 'HTTPRoute', metadata: { name: 'web' }, ...routeFor(0) },
    ],
  ];
  for (const [path, object] of objects) {
    const ask = create(path, { apiVersion: 'gateway.networking.k8s.io/v1', ...object });
    const isServed = () =>
      write(ask).then(yes, (error: unknown) => {
        if (error instanceof RefusedRequest && error.status === 404) return false;
        throw error;
      });
    while (!(await isServed())) await delay(50);
  }
}
const yes = () => true;

const GATEWAY_API = '/apis/gateway.networking.k8s.io/v1';
const GATEWAY_HOST = 'gate.example.com';
const routeFor = (n: number): object => ({
  spec: {
    parentRefs: [{ name: 'gate' }],
    hostnames: [GATEWAY_HOST],
    rules: [{ matches: [{ path: { value: `/v${n}` } }], backendRefs: [{ name: 'web', port: 80 }] }],
  },
});
const merge = (path: string, object: object): Ask => ({
  method: 'PATCH',
  path,
  contentType: 'application/merge-patch+json',
  body: JSON.stringify(object),
});

const INGRESSES = `/apis/networking.k8s.io/v1/namespaces/${NAMESPACE}/ingresses`;
const create = (path: string, object: object): Ask => ({ method: 'POST', path, body: JSON.stringify(object) });
const ingressFor = (n: number): object => {
  const ingress = ingressAt('web', HOST, '/stays');
  const { path: _, ...rest } = ingress.spec.rules?.[0]?.http?.paths[0] ?? { path: '' };
  const paths = ['/stays', `/v${n}`].map((path) => ({ ...rest, path }));
  return { ...ingress, spec: { ...ingress.spec, rules: [{ host: HOST, http: { paths } }] } };
};
const ingressClass = {
  apiVersion: 'networking.k8s.io/v1',
  kind: 'IngressClass',
  metadata: { name: 'nginx' },
  spec: { controller: CONTROLLER },
};
const service = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web' },
  spec: { ports: [{ name: 'http', port: 80 }] },
};
const slice = (port: number): object => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name: 'web-1', labels: { 'kubernetes.io/service-name': 'web' } },
  addressType: 'IPv4',
  ports: [{ name: 'http', port }],
  endpoints: [{ addresses: [STANDS_FOR_LOOPBACK], conditions: { ready: true } }],
});
