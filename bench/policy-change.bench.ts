/** How soon a changed NetworkPolicy is in force on a node full of pods, beside 199 others: from the write of the policy on. */
import type { Bench } from './bench.ts';
import { runBundled } from './bundled.ts';
import { newCluster, startControlPlane } from './control-plane-process.ts';
import { frameLoad } from './frame-load.ts';
import type { Ask, Target } from './http2-load.ts';
import { makeNetworkNamespace } from './network-namespace.ts';
import { makeNamespace } from './objects.ts';
import { NAMESPACE, NODES, nodeBody, PODS, POLICIES, podBody, podName, podStatus, policyBody } from './policed-pods.ts';
import type { Row } from './row.ts';

const MAKE_WITHIN_MS = 60_000;
const FIRST_PORT = 80;

export async function run(bench: Bench): Promise<Row[]> {
  const cluster = await newCluster(bench);
  const { target } = await startControlPlane(bench, cluster);
  await makeNamespace(target, NAMESPACE);
  bench.say(`${PODS} pods and ${POLICIES} policies`);
  const pods = `/api/v1/namespaces/${NAMESPACE}/pods`;
  const policies = `/apis/networking.k8s.io/v1/namespaces/${NAMESPACE}/networkpolicies`;
  const body = (object: object) => JSON.stringify(object);
  await makeAll(target, NODES, (n) => ({ method: 'POST', path: '/api/v1/nodes', body: body(nodeBody(n)) }));
  await makeAll(target, PODS, (n) => ({ method: 'POST', path: pods, body: body(podBody(n)) }));
  const type = 'application/merge-patch+json';
  await makeAll(target, PODS, (n) => ({
    method: 'PATCH',
    path: `${pods}/${podName(n)}/status`,
    contentType: type,
    body: body(podStatus(n)),
  }));
  await makeAll(target, POLICIES, (n) => ({ method: 'POST', path: policies, body: body(policyBody(n, FIRST_PORT)) }));
  bench.say('changes');
  return runBundled(bench, 'policy-change-process', [
    makeNetworkNamespace(bench),
    cluster.paths.kubeconfig,
    target.origin,
  ]);
}

async function makeAll(target: Target, requests: number, ask: (n: number) => Ask): Promise<void> {
  const { times } = await frameLoad(target, { ask, requests, atOnce: 64, forMs: MAKE_WITHIN_MS });
  if (times.length < requests) throw new Error(`only ${times.length} of ${requests} were made in time`);
}
