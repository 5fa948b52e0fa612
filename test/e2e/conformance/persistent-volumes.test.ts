/** Volumes and claims as objects, volumes of drivers in pods, and how soon a Service leads somewhere. */
import { describe, expect, test } from 'vitest';
import type { PersistentVolume } from '#api/core/v1/persistent-volume.ts';
import type { PersistentVolumeClaim } from '#api/core/v1/persistent-volume-claim.ts';
import type { Pod } from '#api/core/v1/pod.ts';
import type { EndpointSlice } from '#api/discovery/v1/endpoint-slice.ts';
import { eventually } from '../running-cluster.ts';
import { object, playground, pod, shell } from './playground.ts';

describe('volumes and claims', () => {
  const ground = playground('claims', async () => undefined);
  const VOLUMES = '/api/v1/persistentvolumes';
  const claims = (name?: string) => ground().path('PersistentVolumeClaim', 'v1', name);
  const volumePath = (name: string) => `${VOLUMES}/${name}`;
  async function make(name: string): Promise<void> {
    const common = { accessModes: ['ReadWriteOnce'], storageClassName: `none-${name}` };
    const csi = { driver: 'kedge.example.com', volumeHandle: name };
    const volume = object('PersistentVolume', name, {
      metadata: { name, labels: { e2e: name } },
      spec: { ...common, capacity: { storage: '2Gi' }, persistentVolumeReclaimPolicy: 'Retain', csi },
    });
    await ground().api.post(VOLUMES, volume);
    await ground().create(
      object('PersistentVolumeClaim', name, {
        metadata: { name, labels: { e2e: name } },
        spec: { ...common, resources: { requests: { storage: '2Gi' } }, volumeName: 'somewhere-else' },
      }),
    );
  }

  test('PersistentVolumes CSI Conformance should run through the lifecycle of a PV and a PVC', async () => {
    await make('cycle');
    const selected = 'labelSelector=e2e%3Dcycle';
    expect((await ground().api.get<{ items: object[] }>(`${VOLUMES}?${selected}`)).items).toHaveLength(1);
    expect((await ground().api.get<{ items: object[] }>(`${claims()}?${selected}`)).items).toHaveLength(1);
    const volume = await ground().api.patch<PersistentVolume>(volumePath('cycle'), {
      metadata: { labels: { cycle: 'patched' } },
    });
    expect(volume.metadata.labels).toMatchObject({ cycle: 'patched' });
    const claim = await ground().api.patch<PersistentVolumeClaim>(claims('cycle'), {
      metadata: { labels: { cycle: 'patched' } },
    });
    expect(claim.metadata.finalizers).toEqual(['kubernetes.io/pvc-protection']);
    await eventually('the volume is updated', async () => {
      const now = await ground().api.get<PersistentVolume>(volumePath('cycle'));
      const labels = { ...now.metadata.labels, cycle: 'updated' };
      return (
        (await ground().api.try('PUT', volumePath('cycle'), { ...now, metadata: { ...now.metadata, labels } })).code ===
        200
      );
    });
    const everywhere = await ground().api.get<{ items: object[] }>(
      '/api/v1/persistentvolumeclaims?labelSelector=cycle%3Dpatched',
    );
    expect(everywhere.items).toHaveLength(1);
    await ground().api.delete(claims('cycle'));
    await ground().gone(claims('cycle'));
    await ground().api.delete(volumePath('cycle'));
    await ground().gone(volumePath('cycle'));

    await make('cycle');
    await ground().api.delete(`${claims()}?${selected}`);
    await ground().api.delete(`${VOLUMES}?${selected}`);
    for (const path of [claims('cycle'), volumePath('cycle')]) await ground().gone(path);
  });

  test('PersistentVolumes CSI Conformance should apply changes to a pv/pvc status', async () => {
    await make('status');
    const claimCondition = { type: 'StatusPatched', status: 'True', reason: 'E2E', message: 'by a test' };
    const claim = await ground().api.patch<PersistentVolumeClaim>(`${claims('status')}/status`, {
      status: { conditions: [claimCondition] },
    });
    expect(claim.status?.conditions).toMatchObject([claimCondition]);
    const volume = await ground().api.patch<PersistentVolume>(`${volumePath('status')}/status`, {
      status: { message: 'StatusPatched', reason: 'E2E patched' },
    });
    expect(volume.status).toMatchObject({ message: 'StatusPatched', reason: 'E2E patched' });
    await eventually('the claim is updated', async () => {
      const now = await ground().api.get<PersistentVolumeClaim>(`${claims('status')}/status`);
      const conditions = [{ ...claimCondition, type: 'StatusUpdated' }];
      return (
        (await ground().api.try('PUT', `${claims('status')}/status`, { ...now, status: { ...now.status, conditions } }))
          .code === 200
      );
    });
    await eventually('the volume is updated', async () => {
      const now = await ground().api.get<PersistentVolume>(`${volumePath('status')}/status`);
      const status = { ...now.status, message: 'StatusUpdated' };
      return (await ground().api.try('PUT', `${volumePath('status')}/status`, { ...now, status })).code === 200;
    });
    expect((await ground().api.get<PersistentVolume>(volumePath('status'))).status?.message).toBe('StatusUpdated');
    const read = await ground().api.get<PersistentVolumeClaim>(claims('status'));
    expect(read.status?.conditions).toMatchObject([{ type: 'StatusUpdated' }]);
    await ground().api.delete(claims('status'));
    await ground().api.delete(volumePath('status'));
    for (const path of [claims('status'), volumePath('status')]) await ground().gone(path);
  });

  test('CSIInlineVolumes should support CSIVolumeSource in Pod API', async () => {
    const volumes = [
      { name: 'inline', csi: { driver: 'e2e.example.com', readOnly: true, volumeAttributes: { foo: 'bar' } } },
    ];
    const main = shell('true', { volumeMounts: [{ name: 'inline', mountPath: '/inline' }] });
    await ground().create(
      pod('inline', {
        labels: { e2e: 'inline' },
        spec: { nodeSelector: { nowhere: 'yes' }, containers: [main], volumes },
      }),
    );
    const path = ground().path('Pod', 'v1', 'inline');
    expect((await ground().pod('inline')).spec.volumes).toContainEqual(volumes[0]);
    const everywhere = await ground().api.get<{ items: Pod[] }>('/api/v1/pods?labelSelector=e2e%3Dinline');
    expect(everywhere.items[0]?.spec.volumes).toContainEqual(volumes[0]);
    const patched = await ground().api.patch<Pod>(path, { metadata: { labels: { patched: 'yes' } } });
    expect(patched.metadata.labels).toMatchObject({ patched: 'yes' });
    await ground().api.delete(path);
    await ground().gone(path);
  });

  test('Service endpoints latency should not be very high', async () => {
    const COUNT = 50;
    const labels = { app: 'near' };
    await ground().create(pod('near', { labels, spec: { containers: [shell('sleep 3600')] } }));
    await ground().ready('near');
    const begun = new Map<string, number>();
    const latencies = new Map<string, number>();
    const watch = await ground().api.watchFromNow(ground().path('EndpointSlice', 'discovery.k8s.io/v1'));
    const collect = () => {
      for (const { object: seen } of watch.events.splice(0)) {
        const slice = seen as EndpointSlice;
        const service = slice.metadata.labels?.['kubernetes.io/service-name'] ?? '';
        const since = begun.get(service);
        if (since === undefined || slice.endpoints.length === 0 || latencies.has(service)) continue;
        latencies.set(service, performance.now() - since);
      }
    };
    try {
      for (let index = 0; index < COUNT; index++) {
        const name = `near-${index}`;
        begun.set(name, performance.now());
        await ground().create(object('Service', name, { spec: { selector: labels, ports: [{ port: 80 }] } }));
        collect();
      }
      await eventually('all are seen', async () => {
        collect();
        return latencies.size === COUNT;
      });
    } finally {
      watch.stop();
    }
    const sorted = [...latencies.values()].sort((a, b) => a - b);
    // The bounds of the conformance test: they tell a broken cluster from one that works, not a fast one from a slow one.
    expect(sorted[COUNT / 2]).toBeLessThan(20_000);
    expect(sorted[COUNT - 1]).toBeLessThan(50_000);
  });
});
