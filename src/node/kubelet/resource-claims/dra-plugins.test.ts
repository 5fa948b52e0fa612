import { expect, test, vi } from 'vitest';
import { ResourceSlice } from '#api/resource/v1/resource-slice.ts';
import { withKubelet } from '../../../../test/node/simulated-kubelet.ts';

test('a kubelet that begins takes back what drivers said of its node before, and nothing of other nodes', () =>
  withKubelet({}, async ({ cluster, restart }) => {
    for (const nodeName of ['node-1', 'node-2']) {
      const pool = { name: nodeName, generation: 1, resourceSliceCount: 1 };
      await cluster.create(ResourceSlice, {
        metadata: { name: nodeName },
        spec: { driver: 'gpu.example.com', nodeName, pool },
      });
    }
    await restart();
    const nodes = () => cluster.list(ResourceSlice).map(({ spec }) => spec.nodeName);
    await vi.waitFor(() => expect(nodes()).toEqual(['node-2']), { timeout: 20_000 });
  }));
