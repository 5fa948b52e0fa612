/** Pods as objects that are changed, listed, looked into and removed while they run. */
import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import WebSocket from 'ws';
import { parse } from 'yaml';
import type { Pod } from '#api/core/v1/pod.ts';
import { eventually, holds } from '../running-cluster.ts';
import { clusterPath, container, isReady, object, type Playground, playground, pod, shell } from './playground.ts';

const SLEEP = { containers: [shell('trap "exit 0" TERM; sleep 600 & wait')] };
const TINY = { requests: { cpu: '10m', memory: '10Mi' }, limits: { cpu: '10m', memory: '10Mi' } };
const UPDATES = 500;
const observed = ({ status }: Pod) => (status as { observedGeneration?: number } | undefined)?.observedGeneration;

describe('pods', () => {
  const ground = playground('pods', async (it) => {
    const hosts = { hostPath: { path: '/etc/hosts', type: 'FileOrCreate' as const } };
    const original = { name: 'hosts', mountPath: '/etc/hosts-original' };
    const hostsPod = {
      volumes: [{ name: 'hosts', ...hosts }],
      containers: [
        shell('sleep 600', { name: 'busybox-1', volumeMounts: [original] }),
        shell('sleep 600', { name: 'busybox-2', volumeMounts: [original] }),
        shell('sleep 600', { name: 'busybox-3', volumeMounts: [original, { name: 'hosts', mountPath: '/etc/hosts' }] }),
      ],
    };
    await it.create(
      pod('updated', { labels: { time: 'before' }, spec: SLEEP }),
      pod('deadline', { spec: SLEEP }),
      pod('talking', { spec: { containers: [shell('echo container is alive; sleep 600')] } }),
      pod('status', { labels: { status: 'patched' }, spec: SLEEP }),
      ...[1, 2, 3].map((index) => pod(`many-${index}`, { labels: { type: 'Testing' }, spec: SLEEP })),
      pod('hosts', { spec: hostsPod }),
      pod('hosts-of-host', { spec: { hostNetwork: true, ...hostsPod, containers: hostsPod.containers.slice(0, 2) } }),
      pod('generation', { spec: SLEEP }),
      pod('converging', { spec: { ...SLEEP, activeDeadlineSeconds: 10_000 } }),
      {
        ...pod('graceful', { spec: { ...SLEEP, terminationGracePeriodSeconds: 30 } }),
        metadata: { name: 'graceful', generation: 100 } as { name: string },
      },
      pod('qos', { spec: { containers: [container({ resources: TINY })] } }),
    );
    return undefined;
  });
  const pathOf = (name: string) => ground().path('Pod', 'v1', name);

  test('Pods should be updated', async () => {
    await ground().ready('updated');
    const found = await ground().pod('updated');
    await ground().api.put(pathOf('updated'), {
      ...found,
      metadata: { ...found.metadata, labels: { time: 'after' }, resourceVersion: undefined },
    });
    expect((await ground().pods('time=after')).map(({ metadata }) => metadata.name)).toEqual(['updated']);
  });

  test('Pods should allow activeDeadlineSeconds to be updated', async () => {
    await ground().ready('deadline');
    await ground().api.patch(pathOf('deadline'), { spec: { activeDeadlineSeconds: 2 } });
    expect((await ground().ended('deadline')).status).toMatchObject({ phase: 'Failed', reason: 'DeadlineExceeded' });
  });

  test('Pods should get a host IP', async () => {
    const { spec, status } = await ground().ready('updated');
    const addresses = await ground().cluster.nodeAddresses();
    expect(status?.hostIP).toBe(addresses.find(({ name }) => name === spec.nodeName)?.ip);
  });

  test('Pods should delete a collection of pods', async () => {
    await ground().api.delete(`${ground().path('Pod')}?labelSelector=type%3DTesting`);
    await eventually('they are gone', async () => (await ground().pods('type=Testing')).length === 0);
  });

  test('Pods should patch a pod status', async () => {
    await ground().ready('status');
    const change = { status: { message: 'Patched by e2e test', reason: 'E2E' } };
    const answer = await ground().api.patch<Pod>(`${pathOf('status')}/status`, change, 'strategic');
    expect(answer.status).toMatchObject({ ...change.status, phase: 'Running' });
  });

  test('Pods should run through the lifecycle of Pods and PodStatus', async () => {
    const { api } = ground();
    const seen = api.watch(`${ground().path('Pod')}?labelSelector=lived%3Dtrue`);
    const saw = (what: string, check: (type: string, it: Pod) => boolean) =>
      eventually(what, async () => seen.events.some((event) => check(event.type, event.object as Pod)));
    try {
      await ground().create(pod('lived', { labels: { lived: 'true' }, spec: { ...SLEEP, restartPolicy: 'Always' } }));
      await saw('ADDED', (type) => type === 'ADDED');
      await ground().ready('lived');
      await api.patch(pathOf('lived'), { metadata: { labels: { more: 'patched' } } }, 'strategic');
      await saw('the new label', (type, it) => type === 'MODIFIED' && it.metadata.labels?.['more'] === 'patched');
      const found = await api.get<Pod>(`${pathOf('lived')}/status`);
      expect(isReady(found)).toBe(true);
      const conditions = found.status?.conditions?.map((each) =>
        each.type === 'Ready' ? { ...each, status: 'False' as const } : each,
      );
      const answer = await api.put<Pod>(`${pathOf('lived')}/status`, {
        ...found,
        metadata: { ...found.metadata, resourceVersion: undefined },
        status: { ...found.status, conditions },
      });
      expect(isReady(answer)).toBe(false);
      await saw('not ready', (type, it) => type === 'MODIFIED' && !isReady(it) && it.status?.phase === 'Running');
      await api.delete(`${ground().path('Pod')}?labelSelector=lived%3Dtrue`);
      await saw('DELETED', (type) => type === 'DELETED');
    } finally {
      seen.stop();
    }
  });

  test('Pods should support remote command execution over websockets', async () => {
    await ground().ready('talking');
    const query = 'command=cat&command=/etc/passwd&stderr=1&stdout=1&container=main';
    const [channels, text] = await overWebSocket(ground(), `${pathOf('talking')}/exec?${query}`, 'channel.k8s.io');
    expect(channels.has(1)).toBe(true);
    expect(text).toContain('nobody:x:65534');
  });

  test('Pods should support retrieving logs from the container over websockets', async () => {
    await ground().ready('talking');
    const url = `${pathOf('talking')}/log?container=main`;
    await holds('it has spoken', async () =>
      expect((await overWebSocket(ground(), url, 'binary.k8s.io'))[1]).toBe('container is alive\n'),
    );
  });

  test('KubeletManagedEtcHosts should test kubelet managed /etc/hosts file', async () => {
    const isManaged = async (name: string, of: string) =>
      (await ground().exec(name, 'cat /etc/hosts', of)).startsWith('# Kubernetes-managed hosts file');
    await ground().ready('hosts');
    await ground().ready('hosts-of-host');
    expect(await isManaged('hosts', 'busybox-1')).toBe(true);
    expect(await isManaged('hosts', 'busybox-2')).toBe(true);
    expect(await isManaged('hosts', 'busybox-3')).toBe(false);
    expect(await ground().exec('hosts', 'cmp /etc/hosts /etc/hosts-original', 'busybox-3')).toBe('');
    for (const each of ['busybox-1', 'busybox-2']) {
      const [own, of] = await Promise.all(
        ['/etc/hosts', '/etc/hosts-original'].map((path) => ground().exec('hosts-of-host', `cat ${path}`, each)),
      );
      expect(own).toContain(of); // on the host's network: the host's own, under a line that says so
    }
  });

  test('Pods Extended Pods Set QOS Class should be set on Pods with matching resource requests and limits for memory and cpu', async () => {
    expect((await ground().pod('qos')).status?.qosClass).toBe('Guaranteed');
  });

  test('Pods Extended (pod generation) Pod Generation pod generation should start at 1 and increment per update', async () => {
    const { api } = ground();
    await ground().ready('generation');
    expect((await ground().pod('generation')).metadata.generation).toBe(1);
    const changes: [object, number][] = [
      [{ metadata: { labels: { key: 'value' } } }, 1],
      [{ spec: { activeDeadlineSeconds: 3000 } }, 2],
      [{ spec: { activeDeadlineSeconds: 2000 } }, 3],
      [{ spec: { tolerations: [{ key: 'foo', operator: 'Exists' }] } }, 4],
      [{ metadata: { annotations: { key: 'value' } } }, 4],
    ];
    for (const [change, generation] of changes) {
      const was = await ground().pod('generation');
      const tolerations = (change as Partial<Pod>).spec?.tolerations;
      const more = tolerations ? { spec: { tolerations: [...(was.spec.tolerations ?? []), ...tolerations] } } : change;
      expect((await api.patch(pathOf('generation'), more)).metadata.generation).toBe(generation);
    }
    await ground().podWhen('generation', 'has been looked at', (it) => observed(it) === 4);
  });

  test('Pods Extended (pod generation) Pod Generation custom-set generation on new pods and graceful delete', async () => {
    await ground().ready('graceful');
    expect((await ground().pod('graceful')).metadata.generation).toBe(1);
    const seen = ground().api.watch(`${ground().path('Pod')}?fieldSelector=metadata.name%3Dgraceful`);
    try {
      await eventually('the watch has begun', async () => seen.events.length > 0);
      await ground().api.delete(pathOf('graceful'));
      await ground().gone(pathOf('graceful'));
      await eventually('its end is seen', async () => seen.events.some(({ type }) => type === 'DELETED'));
    } finally {
      seen.stop();
    }
    const marked = seen.events.find(({ type, object: it }) => type === 'MODIFIED' && it.metadata.deletionTimestamp);
    expect(marked?.object.metadata.generation).toBe(2);
  });

  test('Pods Extended (pod generation) Pod Generation issue 500 podspec updates and verify generation and observedGeneration eventually converge', async () => {
    await ground().ready('converging');
    for (let i = 1; i <= UPDATES; i++) {
      await ground().api.patch(pathOf('converging'), { spec: { activeDeadlineSeconds: 10_000 - i } });
    }
    expect((await ground().pod('converging')).metadata.generation).toBe(UPDATES + 1);
    await ground().podWhen('converging', 'has been looked at', (it) => observed(it) === UPDATES + 1);
  });
});

describe('pod templates', () => {
  const ground = playground('pod-templates', async () => undefined);
  const template = (name: string, labels: Record<string, string> = {}) => ({
    ...object('PodTemplate', name, {
      template: { metadata: { labels: { of: name } }, spec: { containers: [container()] } },
    }),
    metadata: { name, labels },
  });

  test('PodTemplates should run the lifecycle of PodTemplates', async () => {
    const { api } = ground();
    const path = ground().path('PodTemplate', 'v1', 'lived');
    await ground().create(template('lived', { lived: 'true' }));
    expect((await api.get<{ items: unknown[] }>('/api/v1/podtemplates?labelSelector=lived%3Dtrue')).items).toHaveLength(
      1,
    );
    await api.patch(path, { metadata: { labels: { podtemplate: 'patched' } } }, 'strategic');
    expect((await api.get(path)).metadata.labels).toEqual({ lived: 'true', podtemplate: 'patched' });
    await api.delete(path);
    expect((await api.get<{ items: unknown[] }>('/api/v1/podtemplates?labelSelector=lived%3Dtrue')).items).toEqual([]);
  });

  test('PodTemplates should delete a collection of pod templates', async () => {
    await ground().create(...[1, 2, 3].map((index) => template(`many-${index}`, { many: 'true' })));
    const all = `${ground().path('PodTemplate')}?labelSelector=many%3Dtrue`;
    expect((await ground().api.get<{ items: unknown[] }>(all)).items).toHaveLength(3);
    await ground().api.delete(all);
    expect((await ground().api.get<{ items: unknown[] }>(all)).items).toEqual([]);
  });

  test('PodTemplates should replace a pod template', async () => {
    const path = ground().path('PodTemplate', 'v1', 'replaced');
    await ground().create(template('replaced'));
    const found = await ground().api.get(path);
    const annotations = { updated: 'true' };
    await ground().api.put(path, { ...found, metadata: { ...found.metadata, annotations } });
    expect((await ground().api.get(path)).metadata.annotations).toEqual(annotations);
  });
});

describe('runtime classes', () => {
  const CLASSES = '/apis/node.k8s.io/v1/runtimeclasses';
  const make = (name: string, parts: object = {}) =>
    ground().api.post(CLASSES, { metadata: { name: `conformance-${name}` }, handler: 'runc', ...parts });
  const asking = (name: string) =>
    pod(name, { spec: { runtimeClassName: `conformance-${name}`, containers: [shell('sleep 600')] } });
  const ground = playground(
    'runtime-classes',
    async () => () =>
      Promise.all(['plain', 'overhead'].map((name) => ground().api.try('DELETE', `${CLASSES}/conformance-${name}`))),
  );
  const scheduled = (name: string) => ground().podWhen(name, 'is scheduled', ({ spec }) => spec.nodeName !== undefined);

  test('RuntimeClass should schedule a Pod requesting a RuntimeClass without PodOverhead', async () => {
    await make('plain');
    await ground().create(asking('plain'));
    expect((await scheduled('plain')).spec.overhead).toBeUndefined();
  });

  test('RuntimeClass should schedule a Pod requesting a RuntimeClass and initialize its Overhead', async () => {
    await make('overhead', { overhead: { podFixed: { cpu: '10m', memory: '1Mi' } } });
    await ground().create(asking('overhead'));
    expect((await scheduled('overhead')).spec.overhead).toEqual({ cpu: '10m', memory: '1Mi' });
  });

  test('RuntimeClass should reject a Pod requesting a non-existent RuntimeClass', async () => {
    const { code, text } = await ground().api.try('POST', ground().path('Pod'), asking('missing'));
    expect(code).toBe(403);
    expect(text).toContain('RuntimeClass \\"conformance-missing\\" not found');
  });

  test('RuntimeClass should reject a Pod requesting a deleted RuntimeClass', async () => {
    await make('short');
    await ground().api.delete(`${CLASSES}/conformance-short`);
    await ground().gone(`${CLASSES}/conformance-short`);
    await eventually('the pod is refused', async () => {
      const { code } = await ground().api.try('POST', ground().path('Pod'), asking('short'));
      return code === 403;
    });
  });
});

describe('nodes', () => {
  const ground = playground('nodes', async () => undefined);

  test('Node Lifecycle should run through the lifecycle of a node', async () => {
    const { api } = ground();
    const path = `${clusterPath('Node')}/conformance-node`;
    const selected = `${clusterPath('Node')}?labelSelector=conformance%3Dnode`;
    const made = await api.post(clusterPath('Node'), {
      metadata: { name: 'conformance-node', labels: { conformance: 'node' } },
    });
    expect((await api.get(path)).metadata.uid).toBe(made.metadata.uid);
    await api.patch(path, { metadata: { labels: { patched: 'true' } } }, 'strategic');
    const found = await api.get(path);
    expect(found.metadata.labels).toMatchObject({ patched: 'true' });
    const labels = { ...found.metadata.labels, updated: 'true' };
    const updated = await api.put(path, {
      ...found,
      metadata: { ...found.metadata, labels, resourceVersion: undefined },
    });
    expect(updated.metadata.labels).toMatchObject({ updated: 'true' });
    const status = { conditions: [{ type: 'ConformanceCondition', status: 'True', reason: 'Set', message: 'Set' }] };
    const patched = await api.patch<{ status: { conditions: { type: string }[] } }>(
      `${path}/status`,
      { status },
      'strategic',
    );
    expect(patched.status.conditions.map(({ type }) => type)).toContain('ConformanceCondition');
    await api.delete(selected);
    await eventually('it is gone', async () => (await api.get<{ items: unknown[] }>(selected)).items.length === 0);
  });
});

/** Everything that comes until the other side closes, and on which channels, if the protocol has some. */
async function overWebSocket(ground: Playground, path: string, protocol: string): Promise<[Set<number>, string]> {
  const { clusters, users } = parse(await readFile(await ground.cluster.kubeconfig(), 'utf8')) as {
    clusters: [{ cluster: Record<string, string> }];
    users: [{ user: Record<string, string> }];
  };
  const bytes = (text: string | undefined) => Buffer.from(text ?? '', 'base64');
  const [{ cluster }] = clusters;
  const [{ user }] = users;
  const socket = new WebSocket(`${cluster['server']?.replace('https', 'wss')}${path}`, protocol, {
    ca: bytes(cluster['certificate-authority-data']),
    cert: bytes(user['client-certificate-data']),
    key: bytes(user['client-key-data']),
  });
  const channels = new Set<number>();
  let text = '';
  socket.on('message', (data: Buffer) => {
    if (protocol !== 'channel.k8s.io') text += data;
    else if (data.length > 1) {
      channels.add(data[0] ?? -1);
      if (data[0] === 1) text += data.subarray(1);
    }
  });
  await new Promise((done, fail) => socket.on('close', done).on('error', fail));
  return [channels, text];
}
