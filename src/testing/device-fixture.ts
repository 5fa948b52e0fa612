/** Nodes with devices of the driver `gpu.example.org`, as tests of ResourceClaims need them. */
import { Node } from '#api/core/v1/node.ts';
import { ResourceSlice } from '#api/resource/v1/resource-slice.ts';
import { node, type TestCluster } from './cluster.ts';

/** A node that takes pods, with a slice of these devices. */
export async function addNodeWith(cluster: TestCluster, name: string, devices: readonly string[]): Promise<void> {
  await cluster.create(Node, node(name));
  await cluster.patch(Node, name, { spec: { taints: null } });
  await publish(cluster, name, devices);
}

/** The slice of a node's pool; one of a later generation takes the place of those before. */
export const publish = (cluster: TestCluster, nodeName: string, devices: readonly string[], generation = 1) =>
  cluster.create(ResourceSlice, {
    metadata: { name: `${nodeName}-${generation}` },
    spec: {
      driver: 'gpu.example.org',
      nodeName,
      pool: { name: nodeName, generation, resourceSliceCount: 1 },
      devices: devices.map((name) => ({ name })),
    },
  });
