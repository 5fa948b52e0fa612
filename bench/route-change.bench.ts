/**
 * How soon a changed Ingress is in force: from asking the API server for the change, over TLS and with the write on disk, to the
 * first request that goes the new way. Requests go on all the while, and those that fail are counted.
 */
import { silentLog } from '#base/log.ts';
import { Client } from '#client/client.ts';
import { SharedInformers } from '#client/informers.ts';
import { endpointOf, readKubeconfig } from '#client/transport/kubeconfig.ts';
import { NodeTransport } from '#client/transport/node.ts';
import { localServer } from '#cmd/supervisor/cluster-credentials.ts';
import { systemClock, systemRandom } from '#cmd/system-clock.ts';
import type { TableChange } from '#network/ingress/ingress-server.ts';
import { ingressSource } from '#network/ingress/ingress-source.ts';
import { keepTableCurrent } from '#network/ingress/keep-table-current.ts';
import type { Bench } from './bench.ts';
import { type BundledProcess, startBundled } from './bundled-process.ts';
import { type BenchCluster, newCluster, startControlPlane } from './control-plane-process.ts';
import { type Ask, exchange, open } from './http2-load.ts';
import { ingressAt } from './ingresses.ts';
import { makeNamespace } from './objects.ts';
import { inForce, type PacedLoad, pacedLoad } from './paced-load.ts';
import { median, quantile, type Row, timesRow } from './row.ts';

const NAMESPACE = 'shop';
const HOST = 'www.example.com';
const CONTROLLER = 'example.com/bench';
const CHANGES = 200;
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
  await follow(bench, cluster, worker);

  const background = pacedLoad({ port, host: HOST, path: '/stays', perSecond: LOAD_PER_SECOND, connections: 16 });
  const took: number[] = [];
  const written: number[] = [];
  for (let n = 1; n <= CHANGES; n++) {
    const began = performance.now();
    await write({ method: 'PUT', path: `${INGRESSES}/web`, body: JSON.stringify(ingressFor(n)) });
    written.push(performance.now() - began);
    await inForce({ port, host: HOST, path: `/v${n}` });
    took.push(performance.now() - began);
  }
  const load = await background.stop();
  bench.say(`${load.answered} requests meanwhile, ${load.failed} of them failed`);
  const note = 'the write alone';
  return [
    {
      ...timesRow('route-change/Ingress, from asking for it', took.slice(WARM_UP), { value: median(written), note }),
      target: TARGET_MS,
    },
    {
      ...timesRow('route-change/Ingress, after the write', took.map((ms, i) => ms - (written[i] ?? 0)).slice(WARM_UP)),
      target: TARGET_MS,
    },
    failedRow(load),
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
  const sources = [ingressSource({ controller: CONTROLLER, informers, signal })];
  await keepTableCurrent({ sources, informers, log: silentLog, signal, onChange });
  await Promise.all(told);
}

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
