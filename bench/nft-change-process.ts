/** A node's proxy in a process of its own, as `net` runs it: `nft-change-process NETWORK KUBECONFIG ORIGIN`. */
import { EndpointSlice } from '#api/discovery/v1/endpoint-slice.ts';
import { silentLog } from '#base/log.ts';
import { Client } from '#client/client.ts';
import { SharedInformers } from '#client/informers.ts';
import { endpointOf, readKubeconfig } from '#client/transport/kubeconfig.ts';
import { NodeTransport } from '#client/transport/node.ts';
import { systemClock, systemRandom } from '#cmd/system-clock.ts';
import { startProxy } from '#network/proxy/start-proxy.ts';
import { networkNamespace } from './network-namespace.ts';
import { changedIp, NAMESPACE, SERVICES, sliceBody, sliceName, TABLE } from './proxied-services.ts';
import { median, quantile, sizeRow } from './row.ts';

const CHANGES = 400;
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
const proxy = startProxy({
  nodeName: 'node-1',
  informers,
  ...shared,
  tables: [TABLE],
  nft: async (commands) => {
    await namespace.nft(commands);
    if (commands.some((command) => command.startsWith('add element') && command.includes(awaited))) inForce();
  },
  hasRules: async () => true,
  conntrack: async () => undefined,
});
await proxy.ready;
const writer = client();
const times: number[] = [];
for (let change = 1; change <= CHANGES; change++) {
  const index = (change * 7) % SERVICES;
  awaited = ` ${changedIp(index, change)} .`;
  const seen = new Promise<void>((resolve) => {
    inForce = resolve;
  });
  const { endpoints } = sliceBody(index, change);
  const began = performance.now();
  const written = writer.patch(
    EndpointSlice,
    { name: sliceName(index), namespace: NAMESPACE },
    { type: 'merge', patch: { endpoints } },
  );
  await seen;
  times.push(performance.now() - began);
  await written;
}
ended.abort();
await proxy.stopped;
const element = '10.127.255.250 . tcp . 80';
const floor: number[] = [];
for (let n = 0; n < 50; n++) {
  const verb = n % 2 === 0 ? 'add' : 'delete';
  floor.push(await namespace.nftMs([`${verb} element ip kube-proxy svc { ${element} : goto refuse }`]));
}
const kept = times.slice(CHANGES / 4);
const row = sizeRow('nft-change/p99 of one endpoint', 'ms', {
  value: quantile(kept, 0.99),
  p50: median(kept),
  p99: quantile(kept, 0.99),
  floor: { value: quantile(floor, 0.99), note: 'nft with one element, beside as many Services: its p99' },
});
process.stdout.write(JSON.stringify([{ ...row, target: TARGET_MS }]), () => process.exit(0));
