/** A node's proxy: `nft-change-process NETWORK KUBECONFIG ORIGIN`. */
import { EndpointSlice } from '#api/discovery/v1/endpoint-slice.ts';
import { startProxy } from '#network/proxy/start-proxy.ts';
import { timedKernelChanges } from './kernel-changes.ts';
import { changedIp, NAMESPACE, SERVICES, sliceBody, sliceName, TABLE } from './proxied-services.ts';
import { median, quantile, sizeRow } from './row.ts';

const TARGET_MS = 50;
/** Of no Service: their addresses are of 10.127.0.0/16. */
const ELEMENT = '10.128.255.250 . tcp . 80';

const { times, floor } = await timedKernelChanges(process.argv.slice(2), {
  count: 400,
  start: (followed) =>
    startProxy({
      ...followed,
      nodeName: 'node-1',
      tables: [TABLE],
      hasRules: async () => true,
      conntrack: async () => undefined,
    }),
  change(n) {
    const index = (n * 7) % SERVICES;
    const { endpoints } = sliceBody(index, n);
    const at = { name: sliceName(index), namespace: NAMESPACE };
    const awaited = ` ${changedIp(index, n)} .`;
    return {
      write: (client) => client.patch(EndpointSlice, at, { type: 'merge', patch: { endpoints } }),
      isIn: (commands) => commands.some((command) => command.startsWith('add element') && command.includes(awaited)),
    };
  },
  floor: (verb) => `${verb} element ip kube-proxy svc { ${ELEMENT} : goto refuse }`,
});
const row = sizeRow('nft-change/p99 of one endpoint', 'ms', {
  value: quantile(times, 0.99),
  p50: median(times),
  p99: quantile(times, 0.99),
  floor: { value: quantile(floor, 0.99), note: 'an nft that waits with one element, beside as many Services: its p99' },
});
process.stdout.write(JSON.stringify([{ ...row, target: TARGET_MS }]), () => process.exit(0));
