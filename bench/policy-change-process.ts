/** A node's policies in a process of its own, as `net` runs them: `policy-change-process NETWORK KUBECONFIG ORIGIN`. Its rules are in a network of its own. */

import { NetworkPolicy } from '#api/networking/v1/network-policy.ts';
import { silentLog } from '#base/log.ts';
import { Client } from '#client/client.ts';
import { SharedInformers } from '#client/informers.ts';
import { endpointOf, readKubeconfig } from '#client/transport/kubeconfig.ts';
import { NodeTransport } from '#client/transport/node.ts';
import { systemClock, systemRandom } from '#cmd/system-clock.ts';
import { startNetworkPolicy } from '#network/policy/start-network-policy.ts';
import { networkNamespace } from './network-namespace.ts';
import { NAMESPACE, NODE, POLICIES, policyBody, policyName } from './policed-pods.ts';
import { median, quantile, sizeRow } from './row.ts';

const CHANGES = 240;
const TARGET_MS = 50;

const [network = '', kubeconfig = '', origin = ''] = process.argv.slice(2);
const namespace = networkNamespace(network);
const access = readKubeconfig(kubeconfig);
const endpoint = endpointOf({ ...access, cluster: { ...access.cluster, server: origin } });
const client = () => new Client(new NodeTransport({ ...endpoint, clock: systemClock, userAgent: 'bench' }));
const ended = new AbortController();
const { signal } = ended;
const shared = { clock: systemClock, random: systemRandom, log: silentLog, signal };
const informers = new SharedInformers({ client: client(), ...shared });

let awaited = '';
let inForce: () => void = () => undefined;
const policies = startNetworkPolicy({
  nodeName: NODE,
  informers,
  ...shared,
  tables: [{ family: 'ipv4', podRanges: ['10.244.1.0/24'] }],
  nft: async (commands) => {
    await namespace.nft(commands);
    if (awaited && commands.some((command) => command.includes(awaited))) inForce();
  },
  hasRules: async () => true,
});
await policies.ready;
const writer = client();
const times: number[] = [];
const written: number[] = [];
for (let change = 1; change <= CHANGES; change++) {
  const index = (change * 7) % 100; // one that has pods here
  const port = 20_000 + change;
  awaited = `proto-src ${port} `;
  const seen = new Promise<void>((resolve) => {
    inForce = resolve;
  });
  const began = performance.now();
  const at = { name: policyName(index), namespace: NAMESPACE };
  const write = writer
    .patch(NetworkPolicy, at, { type: 'merge', patch: policyBody(index, port) })
    .then(() => written.push(performance.now() - began));
  await seen;
  times.push(performance.now() - began);
  await write;
}
ended.abort();
await policies.stopped;
const floor: number[] = [];
for (let n = 0; n < 50; n++) {
  const verb = n % 2 === 0 ? 'add' : 'delete';
  floor.push(await namespace.nftMs([`${verb} element ip network-policy known { 10.244.1.254 }`]));
}
const kept = times.slice(CHANGES / 4);
const row = sizeRow(`policy-change/p99 beside ${POLICIES} policies`, 'ms', {
  value: quantile(kept, 0.99),
  p50: median(kept),
  p99: quantile(kept, 0.99),
  floor: {
    value: quantile(floor, 0.99) + median(written),
    note: 'the write alone, and nft with one element beside as many rules: its p99',
  },
});
process.stdout.write(JSON.stringify([{ ...row, target: TARGET_MS }]), () => process.exit(0));
