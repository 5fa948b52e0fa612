/** A node's policies: `policy-change-process NETWORK KUBECONFIG ORIGIN`. */
import { NetworkPolicy } from '#api/networking/v1/network-policy.ts';
import { startNetworkPolicy } from '#network/policy/start-network-policy.ts';
import { timedKernelChanges } from './kernel-changes.ts';
import { NAMESPACE, NODE, POLICIES, policyBody, policyName } from './policed-pods.ts';
import { median, quantile, sizeRow } from './row.ts';

const TARGET_MS = 50;

const { times, written, floor } = await timedKernelChanges(process.argv.slice(2), {
  count: 240,
  start: (followed) =>
    startNetworkPolicy({
      ...followed,
      nodeName: NODE,
      tables: [{ family: 'ipv4', podRanges: ['10.244.1.0/24'] }],
      hasRules: async () => true,
    }),
  change(n) {
    const index = (n * 7) % 100; // one that has pods here
    const port = 20_000 + n;
    const patch = policyBody(index, port);
    const at = { name: policyName(index), namespace: NAMESPACE };
    return {
      write: (client) => client.patch(NetworkPolicy, at, { type: 'merge', patch }),
      isIn: (commands) => commands.some((command) => command.includes(`proto-src ${port} `)),
    };
  },
  floor: (verb) => `${verb} element ip network-policy known { 10.244.1.254 }`,
});
const row = sizeRow(`policy-change/p99 beside ${POLICIES} policies`, 'ms', {
  value: quantile(times, 0.99),
  p50: median(times),
  p99: quantile(times, 0.99),
  floor: {
    value: quantile(floor, 0.99) + median(written),
    note: 'the write alone, and an nft that waits with one element beside as many rules: its p99',
  },
});
process.stdout.write(JSON.stringify([{ ...row, target: TARGET_MS }]), () => process.exit(0));
