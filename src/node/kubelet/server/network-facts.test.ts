import { expect, test } from 'vitest';
import type { Kubelet } from '../kubelet.ts';
import { type ReadNetwork, serveNetworkFacts } from './network-facts.ts';

const pod = { metadata: { namespace: 'shop', name: 'web', uid: 'u1' }, spec: { containers: [] } };
const kubelet = {
  cgroupRoot: '/pods',
  pods: { get: (key: string) => (key === 'shop/web' ? pod : undefined) },
  cgroups: { processes: async (path: string) => (path.endsWith('podu1') ? [77, 78] : []) },
  statusOf: () => ({ podIPs: [{ ip: '10.244.1.3' }] }),
} as unknown as Kubelet;

/** What the kernel is asked. */
async function asked(query: string): Promise<unknown> {
  let seen: unknown;
  const readNetwork: ReadNetwork = async (question) => {
    seen = question;
    return {};
  };
  await serveNetworkFacts(new URLSearchParams(query), { kubelet, readNetwork });
  return seen;
}

test('a pod is looked at by one of its processes and its addresses, a front by its own words', async () => {
  expect(await asked('pod=shop/web')).toEqual({ pid: 77, addresses: ['10.244.1.3'] });
  expect(await asked('front=tcp . 30080')).toEqual({ addresses: [], front: 'tcp . 30080' });
});

test('a pod of another node, and a kubelet that looks at no network, are not found', async () => {
  await expect(asked('pod=shop/gone')).rejects.toMatchObject({ code: 404, message: 'pod does not exist' });
  const silent = serveNetworkFacts(new URLSearchParams(), { kubelet, readNetwork: undefined });
  await expect(silent).rejects.toMatchObject({ code: 404 });
});
