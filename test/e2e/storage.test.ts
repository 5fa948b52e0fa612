/** Storage out of the box with real pods: claims, folders of nodes, what stays and what goes. */
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Event, PersistentVolume, PersistentVolumeClaim, StatefulSet } from '#api/generated/schema.ts';
import { IMAGE } from './conformance/image.ts';
import { object, playground, pod, shell, type Volume } from './conformance/playground.ts';
import { eventually, holds } from './running-cluster.ts';

describe('storage', () => {
  const ground = playground('storage', async () => undefined);
  const claimPath = (name: string) => ground().path('PersistentVolumeClaim', 'v1', name);
  const claim = (name: string) => ground().api.get<PersistentVolumeClaim>(claimPath(name));
  const volumePath = (name: string) => `/api/v1/persistentvolumes/${name}`;
  const newClaim = (name: string, spec: object = {}) =>
    ground().create(
      object('PersistentVolumeClaim', name, {
        spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '16Mi' } }, ...spec },
      }),
    );
  const volume = (name: string, claimName: string): Volume => ({ name, persistentVolumeClaim: { claimName } });
  const using = (name: string, claimName: string, { script = 'sleep 3600', spec = {}, mount = {} } = {}) =>
    pod(name, {
      spec: {
        containers: [shell(script, { volumeMounts: [{ name: 'data', mountPath: '/data', ...mount }] })],
        volumes: [volume('data', claimName)],
        ...spec,
      },
    });
  const bound = (name: string) =>
    eventually(`${name} is bound`, async () => {
      const now = await claim(name);
      return now.status?.phase === 'Bound' && now;
    });
  const removePod = async (name: string) => {
    await ground().api.delete(ground().path('Pod', 'v1', name));
    await ground().gone(ground().path('Pod', 'v1', name));
  };
  const eventsOf = async (name: string) => {
    const { items } = await ground().api.get<{ items: Event[] }>(ground().path('Event'));
    return items
      .filter(({ involvedObject }) => involvedObject.name === name)
      .map(({ reason, message }) => `${reason}: ${message}`);
  };

  test('there is a default class', async () => {
    expect(await ground().cluster.kubectl('get', 'storageclass')).toMatch(
      /^local-path \(default\) +local-path\.kedge\.dev +Delete +WaitForFirstConsumer +true/m,
    );
  });

  test('a claim waits for its first pod, lives where that runs, and binds the next pods to that node', async () => {
    await newClaim('first');
    await eventually('the claim says that it waits', async () =>
      (await eventsOf('first')).includes(
        'WaitForFirstConsumer: waiting for first consumer to be created before binding',
      ),
    );
    expect((await claim('first')).status).toEqual({ phase: 'Pending' });
    await ground().create(using('writer', 'first'));
    const writer = await ground().ready('writer');
    await ground().exec('writer', 'echo kept > /data/file');
    const { spec } = await bound('first');
    const { spec: made } = await ground().api.get<PersistentVolume>(volumePath(spec.volumeName ?? ''));
    expect(made.nodeAffinity?.required?.nodeSelectorTerms[0]?.matchExpressions?.[0]?.values).toEqual([
      writer.spec.nodeName,
    ]);
    await removePod('writer');

    const nodes = (await ground().cluster.nodeAddresses()).map(({ name }) => name);
    const other = nodes.find((name) => name !== writer.spec.nodeName);
    const elsewhere = { nodeSelector: { 'kubernetes.io/hostname': other ?? '' } };
    await ground().create(using('stray', 'first', { spec: elsewhere }));
    await eventually('the stray is told why', async () =>
      (await eventsOf('stray')).some((said) => said.startsWith('FailedScheduling') && said.includes('node affinity')),
    );
    expect((await ground().pod('stray')).spec.nodeName).toBeUndefined();
    await removePod('stray');
    await ground().create(using('reader', 'first', { script: 'cat /data/file' }));
    expect((await ground().ended('reader')).spec.nodeName).toBe(writer.spec.nodeName);
    expect(await ground().log('reader')).toBe('kept\n');
    await removePod('reader');
    await ground().api.delete(claimPath('first'));
    await ground().gone(volumePath(spec.volumeName ?? ''));
  });

  test('a StatefulSet’s pods find their own data again; released volumes take their folders with them', async () => {
    const name = 'database';
    const template = {
      metadata: { labels: { app: name } },
      spec: {
        terminationGracePeriodSeconds: 1,
        containers: [
          {
            name: 'db',
            image: IMAGE,
            command: ['sh', '-c', 'hostname >> /data/who; while true; do cat /data/who | nc -l -p 3306; done'],
            volumeMounts: [{ name: 'data', mountPath: '/data' }],
          },
        ],
      },
    };
    await ground().create(
      object('Service', 'headless-svc', {
        spec: { clusterIP: 'None', selector: { app: name }, ports: [{ port: 3306, targetPort: 3306 }] },
      }),
      object(
        'StatefulSet',
        name,
        {
          spec: {
            serviceName: 'headless-svc',
            replicas: 3,
            selector: { matchLabels: { app: name } },
            template,
            volumeClaimTemplates: [
              {
                metadata: { name: 'data' },
                spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '16Mi' } } },
              },
            ],
          },
        },
        'apps/v1',
      ),
    );
    const path = ground().path('StatefulSet', 'apps/v1', name);
    const ready = (count: number) =>
      eventually(
        `${count} replicas are ready`,
        async () => ((await ground().api.get<StatefulSet>(path)).status?.readyReplicas ?? 0) === count,
        120_000,
      );
    await ready(3);
    const before = await ground().pod('database-1');
    await ground().api.delete(ground().path('Pod', 'v1', 'database-1'));
    const after = await ground().podWhen(
      'database-1',
      'is there again',
      ({ metadata, status }) =>
        metadata.uid !== before.metadata.uid &&
        status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') === true,
    );
    expect(after.spec.nodeName).toBe(before.spec.nodeName);
    await holds('each has its own data', async () => {
      expect(await ground().exec('database-1', 'cat /data/who')).toBe('database-1\ndatabase-1');
      expect(await ground().exec('database-2', 'cat /data/who')).toBe('database-2');
    });

    const volumes = await Promise.all(
      [0, 1, 2].map(async (ordinal) => (await claim(`data-database-${ordinal}`)).spec.volumeName ?? ''),
    );
    const clusterFolder = dirname(await ground().cluster.kubeconfig());
    const folders = volumes.flatMap((volumeName) => foldersNamed(volumeName, clusterFolder));
    expect(folders).toHaveLength(3);
    await ground().api.delete(path, { propagationPolicy: 'Foreground' });
    await ground().gone(path);
    for (const ordinal of [0, 1, 2]) {
      expect((await claim(`data-database-${ordinal}`)).status?.phase).toBe('Bound');
      await ground().api.delete(claimPath(`data-database-${ordinal}`));
    }
    for (const volumeName of volumes) await ground().gone(volumePath(volumeName));
    expect(folders.filter((folder) => existsSync(folder))).toEqual([]);
  }, 400_000);

  test('a claim grows while a pod uses it', async () => {
    await newClaim('growing');
    await ground().create(using('grower', 'growing'));
    await ground().ready('grower');
    await bound('growing');
    await ground().api.patch(claimPath('growing'), { spec: { resources: { requests: { storage: '64Mi' } } } });
    await eventually('it has grown', async () => (await claim('growing')).status?.capacity?.['storage'] === '64Mi');
    await removePod('grower');
  });

  test('a volume of a pod of its own goes with the pod', async () => {
    const volumeClaimTemplate = {
      spec: { accessModes: ['ReadWriteOnce' as const], resources: { requests: { storage: '16Mi' } } },
    };
    await ground().create(
      pod('scratchy', {
        spec: {
          containers: [
            shell('echo x > /scratch/x; sleep 3600', { volumeMounts: [{ name: 'scratch', mountPath: '/scratch' }] }),
          ],
          volumes: [{ name: 'scratch', ephemeral: { volumeClaimTemplate } } as Volume],
        },
      }),
    );
    await ground().ready('scratchy');
    const { spec } = await bound('scratchy-scratch');
    await removePod('scratchy');
    await ground().gone(claimPath('scratchy-scratch'));
    await ground().gone(volumePath(spec.volumeName ?? ''));
  });

  test('who runs as nobody may write, with subPath and the group of the pod', async () => {
    await newClaim('grouped');
    const securityContext = { runAsUser: 65_534, runAsGroup: 65_534, fsGroup: 4_242 };
    await ground().create(
      using('grouped', 'grouped', {
        script: 'echo x > /data/file && stat -c %g /data/file && stat -c %a /data',
        spec: { securityContext },
        mount: { subPath: 'inner' },
      }),
    );
    const { status } = await ground().ended('grouped');
    expect(status?.phase).toBe('Succeeded');
    expect((await ground().log('grouped')).split('\n')[0]).toBe('4242');
    await removePod('grouped');
  });

  test('the kubelet’s folder has the name that drivers’ manifests know', async () => {
    const volumeMounts = [{ name: 'kubelet', mountPath: '/kubelet' }];
    await ground().create(
      pod('driver-like', {
        spec: {
          containers: [
            shell('ls /kubelet/plugins_registry && ls -d /kubelet/pods/$UID_OF_POD', {
              volumeMounts,
              env: [{ name: 'UID_OF_POD', valueFrom: { fieldRef: { fieldPath: 'metadata.uid' } } }],
            }),
          ],
          volumes: [{ name: 'kubelet', hostPath: { path: '/var/lib/kubelet', type: 'Directory' } } as Volume],
        },
      }),
    );
    const { status, metadata } = await ground().ended('driver-like');
    expect(status?.phase).toBe('Succeeded');
    expect(await ground().log('driver-like')).toContain(`/kubelet/pods/${metadata.uid}`);
    await removePod('driver-like');
  });

  test('a pod whose claim is not there waits, and begins when it comes', async () => {
    await ground().create(using('early', 'late'));
    await eventually('the scheduler says why', async () =>
      (await eventsOf('early')).some((said) => said.includes('persistentvolumeclaim "late" not found')),
    );
    await newClaim('late');
    await ground().ready('early');
    await removePod('early');
  });
});

/** Of a volume, below the cluster's own folder. */
function foldersNamed(name: string, folder: string, depth = 6): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (!entry.isDirectory() || depth === 0 || entry.name === 'pods') return [];
    return [...(path.endsWith(`/local-path/${name}`) ? [path] : []), ...foldersNamed(name, path, depth - 1)];
  });
}
