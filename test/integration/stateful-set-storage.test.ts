/** A StatefulSet with claims, from the template to pods that have their volumes: controllers, binder and scheduler together. */
import { expect, test } from 'vitest';
import { StatefulSet } from '#api/apps/v1/stateful-set.ts';
import { Node } from '#api/core/v1/node.ts';
import { PersistentVolume } from '#api/core/v1/persistent-volume.ts';
import { PersistentVolumeClaim } from '#api/core/v1/persistent-volume-claim.ts';
import { isFullyBound, SELECTED_NODE } from '#api/core/v1/persistent-volume-matching.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { StorageClass } from '#api/storage/v1/storage-class.ts';
import { statefulSetController } from '#control-plane/controllers/stateful-set/stateful-set.ts';
import { claimBinder } from '#control-plane/controllers/volumes/claim-binder.ts';
import { volumeReclaimer } from '#control-plane/controllers/volumes/volume-reclaimer.ts';
import type { Sent, TestCluster } from '#testing/cluster.ts';
import { node, startCluster } from '#testing/cluster.ts';

async function clusterWith(volumeBindingMode: 'Immediate' | 'WaitForFirstConsumer'): Promise<TestCluster> {
  const cluster = await startCluster({
    scheduler: true,
    rbac: true,
    controllers: [statefulSetController, claimBinder, volumeReclaimer],
  });
  for (const name of ['node1', 'node2', 'node3']) {
    await cluster.create(Node, node(name));
    await cluster.patch(Node, name, { spec: { taints: null } });
  }
  const provisioner = 'disks.example.org';
  await cluster.create(StorageClass, { metadata: { name: 'fast' }, provisioner, volumeBindingMode });
  return cluster;
}

const addSet = (cluster: TestCluster, replicas: number) =>
  cluster.create(StatefulSet, {
    metadata: { namespace: 'default', name: 'db' },
    spec: {
      replicas,
      serviceName: 'db',
      podManagementPolicy: 'Parallel',
      selector: { matchLabels: { app: 'db' } },
      template: {
        metadata: { labels: { app: 'db' } },
        spec: { containers: [{ name: 'main', image: 'i' }] },
      },
      volumeClaimTemplates: [
        {
          metadata: { name: 'data' },
          spec: {
            storageClassName: 'fast',
            accessModes: ['ReadWriteOnce'],
            resources: { requests: { storage: '1Gi' } },
          },
        },
      ],
    },
  } as unknown as Sent<StatefulSet>);

/** What the class's provisioner does: a volume for each claim that asks for one, on its node. */
async function provision(cluster: TestCluster): Promise<void> {
  for (const claim of cluster.list(PersistentVolumeClaim)) {
    const { name, namespace, uid, annotations } = claim.metadata;
    if (claim.spec.volumeName) continue;
    const values = [annotations?.[SELECTED_NODE] ?? ''];
    const terms = [{ matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values }] }];
    await cluster.create(PersistentVolume, {
      metadata: { name: `pvc-${uid}`, annotations: { 'pv.kubernetes.io/provisioned-by': 'disks.example.org' } },
      spec: {
        capacity: { storage: '1Gi' },
        accessModes: ['ReadWriteOnce'],
        storageClassName: 'fast',
        claimRef: { kind: 'PersistentVolumeClaim', apiVersion: 'v1', name, namespace, uid },
        csi: { driver: 'disks.example.org', volumeHandle: uid },
        ...(values[0] && { nodeAffinity: { required: { nodeSelectorTerms: terms } } }),
      },
    } as Sent<PersistentVolume>);
  }
}

const placed = (cluster: TestCluster) =>
  cluster.list(Pod).flatMap(({ metadata, spec }) => (spec.nodeName ? [metadata.name] : []));

for (const mode of ['Immediate', 'WaitForFirstConsumer'] as const)
  test(`with claims of mode ${mode} no pod is bound before its claim is, and then all are`, async () => {
    await using cluster = await clusterWith(mode);
    await addSet(cluster, 3);
    await cluster.settles();
    expect(cluster.list(PersistentVolumeClaim).map(({ metadata }) => metadata.name)).toEqual([
      'data-db-0',
      'data-db-1',
      'data-db-2',
    ]);
    expect(placed(cluster)).toEqual([]);
    await provision(cluster);
    await cluster.passes(60_000);
    expect(cluster.list(PersistentVolumeClaim).every(isFullyBound)).toBe(true);
    expect(placed(cluster)).toEqual(['db-0', 'db-1', 'db-2']);
    for (const { metadata, spec } of cluster.list(Pod)) {
      const claim = cluster.get(PersistentVolumeClaim, `default/data-${metadata.name}`);
      const selected = claim?.metadata.annotations?.[SELECTED_NODE];
      if (mode === 'WaitForFirstConsumer') expect(selected).toBe(spec.nodeName);
      else expect(selected).toBeUndefined();
    }
  });
