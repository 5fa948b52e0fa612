/** How soon a changed endpoint is in force on a node that has 10,000 Services: from the write of its EndpointSlice on. */
import type { Bench } from './bench.ts';
import { runBundled } from './bundled.ts';
import { newCluster, startControlPlane } from './control-plane-process.ts';
import { frameLoad } from './frame-load.ts';
import type { Ask, Target } from './http2-load.ts';
import { makeNetworkNamespace } from './network-namespace.ts';
import { makeNamespace } from './objects.ts';
import { NAMESPACE, SERVICES, serviceBody, sliceBody } from './proxied-services.ts';
import type { Row } from './row.ts';

const MAKE_WITHIN_MS = 60_000;

export async function run(bench: Bench): Promise<Row[]> {
  const cluster = await newCluster(bench);
  const { target } = await startControlPlane(bench, cluster);
  await makeNamespace(target, NAMESPACE);
  bench.say(`${SERVICES} Services and their slices`);
  const post = (path: string, body: unknown): Ask => ({ method: 'POST', path, body: JSON.stringify(body) });
  const within = `namespaces/${NAMESPACE}`;
  await makeAll(target, (n) => post(`/api/v1/${within}/services`, serviceBody(n)));
  await makeAll(target, (n) => post(`/apis/discovery.k8s.io/v1/${within}/endpointslices`, sliceBody(n)));
  bench.say('changes');
  return runBundled(bench, 'nft-change-process', [
    makeNetworkNamespace(bench),
    cluster.paths.kubeconfig,
    target.origin,
  ]);
}

async function makeAll(target: Target, ask: (n: number) => Ask): Promise<void> {
  const { times } = await frameLoad(target, { ask, requests: SERVICES, atOnce: 64, forMs: MAKE_WITHIN_MS });
  if (times.length < SERVICES) throw new Error(`only ${times.length} of ${SERVICES} were made in time`);
}
