import { expect, test } from 'vitest';
import type { KubeObject } from '#api/machinery/object.ts';
import { silentLog } from '#base/log.ts';
import { ManualClock } from '#base/manual-clock.ts';
import { fixedInformers } from '#testing/fixed-informers.ts';
import { startNetworkPolicy } from './start-network-policy.ts';

test('a policy that an informer knew before is in force from the start', async () => {
  const policy = {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: 'deny', namespace: 'default' },
    spec: { podSelector: {}, policyTypes: ['Ingress'] },
  } as unknown as KubeObject;
  const ending = new AbortController();
  const transactions: (readonly string[])[] = [];
  const { ready, stopped } = startNetworkPolicy({
    nodeName: 'node1',
    informers: fixedInformers([policy]),
    clock: new ManualClock(),
    log: silentLog,
    signal: ending.signal,
    tables: [{ family: 'ipv4', podRanges: ['10.244.1.0/24'] }],
    nft: async (commands) => void transactions.push(commands),
    hasRules: async () => true,
  });
  await ready;
  ending.abort();
  await stopped;
  expect(transactions[0]).toContain('add set ip network-policy known { type ipv4_addr; }');
});
