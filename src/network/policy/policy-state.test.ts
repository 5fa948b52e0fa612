import { expect, test } from 'vitest';
import type { NetworkPolicy, Pod } from '#api/generated/schema.ts';
import { PolicyState } from './policy-state.ts';

const PODS = 20;
const POLICIES = 30;

/** Two namespaces with pods on this node and policies for all of their pods, and how often labels of pods were looked at. */
function policed() {
  let looks = 0;
  const labels = () =>
    new Proxy<Record<string, string>>(
      { app: 'web' },
      {
        get: (all, key: string) => {
          looks++;
          return all[key];
        },
      },
    );
  const podOf = (namespace: string, i: number) =>
    ({
      metadata: { name: `p${i}`, namespace, labels: labels() },
      spec: { nodeName: 'node1', containers: [] },
      status: { phase: 'Running', podIPs: [{ ip: `10.244.1.${namespace === 'one' ? i : PODS + i}` }] },
    }) as unknown as Pod;
  const policyOf = (namespace: string, i: number, app = 'web') =>
    ({
      metadata: { name: `n${i}`, namespace },
      spec: {
        podSelector: { matchLabels: { app } },
        policyTypes: ['Ingress'],
        ingress: [{ ports: [{ port: 80 + i }] }],
      },
    }) as unknown as NetworkPolicy;
  const state = new PolicyState({ family: 'ipv4', nodeName: 'node1' });
  for (const namespace of ['one', 'two']) {
    for (let i = 0; i < PODS; i++) state.putPod(`${namespace}/p${i}`, podOf(namespace, i));
    for (let i = 0; i < POLICIES; i++) state.putPolicy(`${namespace}/n${i}`, policyOf(namespace, i));
  }
  state.plan();
  const looksFor = (change: () => void) => {
    looks = 0;
    change();
    state.plan();
    return looks;
  };
  return { state, podOf, policyOf, looksFor };
}

test('a policy that comes or changes is laid beside the pods of its namespace, and others only beside those that it means', () => {
  const { state, policyOf, looksFor } = policed();
  const nobodys = policyOf('one', POLICIES, 'db');
  expect(looksFor(() => state.putPolicy(`one/n${POLICIES}`, nobodys))).toBe(PODS);
  expect(looksFor(() => state.putPolicy('three/n0', policyOf('three', 0)))).toBe(0);
  // What it was and what it is, and for each pod that it meant what else there is.
  const all = PODS * (POLICIES + 1);
  expect(looksFor(() => state.putPolicy('one/n0', policyOf('one', 0, 'db')))).toBeLessThanOrEqual(2 * PODS + all);
});

test('a pod that comes or changes is laid beside the policies of its namespace, and no other is', () => {
  const { state, podOf, looksFor } = policed();
  expect(looksFor(() => state.putPod('one/p0', podOf('one', 0)))).toBe(POLICIES);
  expect(looksFor(() => state.putPod('one/p1', undefined))).toBe(0);
});
