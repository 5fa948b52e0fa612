/** ResourceQuotas and LimitRanges: what a namespace may use, and what its pods get when they do not say. */
import { describe, expect, test } from 'vitest';
import type { LimitRange } from '#api/core/v1/limit-range.ts';
import type { Pod } from '#api/core/v1/pod.ts';
import type { ResourceQuota } from '#api/core/v1/resource-quota.ts';
import { eventually } from '../running-cluster.ts';
import type { Api } from './api.ts';
import { configMap, container, object, playground, pod, secret } from './playground.ts';

let count = 0;

/** A namespace of one test: a quota counts all that is in it. */
class Room {
  readonly #api: Api;
  readonly path: string;

  constructor(api: Api, name: string) {
    this.#api = api;
    this.path = `/api/v1/namespaces/${name}`;
  }

  of(kind: string, name = ''): string {
    const [prefix, plural] = (
      {
        ReplicaSet: ['/apis/apps/v1', 'replicasets'],
      } as Record<string, [string, string]>
    )[kind] ?? ['/api/v1', `${kind.toLowerCase()}s`];
    return `${prefix}${this.path.slice('/api/v1'.length)}/${plural}${name && `/${name}`}`;
  }

  /** As many of these as the quota says are in use. */
  async uses(quota: string, used: Record<string, string>): Promise<void> {
    let last: unknown;
    await eventually(`${quota} counts ${JSON.stringify(used)}`, async () => {
      const { status } = await this.#api.get<ResourceQuota>(this.of('ResourceQuota', quota));
      last = status?.used;
      return Object.entries(used).every(([name, amount]) => status?.used?.[name] === amount);
    }).catch((error: unknown) => {
      throw new Error(`${error}: ${JSON.stringify(last)}`);
    });
  }

  quota(name: string, hard: Record<string, string>, spec: object = {}): Promise<ResourceQuota> {
    return this.#api.post(this.of('ResourceQuota'), object('ResourceQuota', name, { spec: { hard, ...spec } }));
  }

  async make(sent: ReturnType<typeof object>): Promise<void> {
    await this.#api.post(this.of(sent.kind), sent);
  }

  /** As the quota refuses it. */
  async refuses(sent: ReturnType<typeof object>, why: string): Promise<void> {
    const { code, text } = await this.#api.try('POST', this.of(sent.kind), sent);
    expect(text).toContain(why);
    expect(code).toBe(403);
  }

  remove(kind: string, name: string): Promise<void> {
    return this.#api.delete(this.of(kind, name), { gracePeriodSeconds: 0 });
  }
}

describe.concurrent('quotas', () => {
  const ground = playground('quotas', async () => undefined);
  async function inRoom(tale: (room: Room) => Promise<void>): Promise<void> {
    const name = `conformance-quota-${++count}`;
    const { api } = ground();
    await api.post('/api/v1/namespaces', object('Namespace', name));
    const room = new Room(api, name);
    await eventually(
      'the namespace has its ServiceAccount',
      async () => (await api.try('GET', room.of('ServiceAccount', 'default'))).code === 200,
    );
    try {
      await tale(room);
    } finally {
      await api.try('DELETE', room.path);
    }
  }
  const asking = (name: string, requests: object, spec: object = {}) =>
    pod(name, {
      spec: {
        nodeSelector: { nowhere: 'yes' },
        containers: [container({ resources: { requests } as object })],
        ...spec,
      },
    });
  const template = { metadata: { labels: { app: 'x' } }, spec: { containers: [container()] } };

  test('ResourceQuota should create a ResourceQuota and ensure its status is promptly calculated.', () =>
    inRoom(async (room) => {
      await room.quota('q', { pods: '5', resourcequotas: '1' });
      await room.uses('q', { pods: '0', resourcequotas: '1' });
    }));

  const lives = (
    name: string,
    {
      hard,
      thing,
      used,
      free,
    }: {
      hard: Record<string, string>;
      thing: ReturnType<typeof object>;
      used: Record<string, string>;
      free: Record<string, string>;
    },
  ) =>
    test(name, () =>
      inRoom(async (room) => {
        await room.quota('q', hard);
        await room.uses('q', free);
        await room.make(thing);
        await room.uses('q', used);
        await room.remove(thing.kind, `${thing.metadata.name}`);
        await room.uses('q', free);
      }),
    );
  lives('ResourceQuota should create a ResourceQuota and capture the life of a secret.', {
    hard: { secrets: '10' },
    thing: secret('one', { a: 'b' }),
    free: { secrets: '0' },
    used: { secrets: '1' },
  });
  lives('ResourceQuota should create a ResourceQuota and capture the life of a configMap.', {
    hard: { configmaps: '10' },
    thing: configMap('one', { a: 'b' }),
    free: { configmaps: '1' }, // kube-root-ca.crt
    used: { configmaps: '2' },
  });
  lives('ResourceQuota should create a ResourceQuota and capture the life of a replication controller.', {
    hard: { replicationcontrollers: '10' },
    thing: object('ReplicationController', 'one', { spec: { replicas: 0, selector: { app: 'x' }, template } }),
    free: { replicationcontrollers: '0' },
    used: { replicationcontrollers: '1' },
  });
  lives('ResourceQuota should create a ResourceQuota and capture the life of a replica set.', {
    hard: { 'count/replicasets.apps': '5' },
    thing: object(
      'ReplicaSet',
      'one',
      { spec: { replicas: 0, selector: { matchLabels: { app: 'x' } }, template } },
      'apps/v1',
    ),
    free: { 'count/replicasets.apps': '0' },
    used: { 'count/replicasets.apps': '1' },
  });

  test('ResourceQuota should create a ResourceQuota and capture the life of a service.', () =>
    inRoom(async (room) => {
      const service = (name: string, type: string) =>
        object('Service', name, { spec: { type, ports: [{ port: 80 }] } });
      await room.quota('q', { services: '2', 'services.nodeports': '1', 'services.loadbalancers': '1' });
      await room.uses('q', { services: '0' });
      await room.make(service('cluster', 'ClusterIP'));
      await room.make(service('node', 'NodePort'));
      await room.refuses(service('balanced', 'LoadBalancer'), 'exceeded quota: q');
      await room.uses('q', { services: '2', 'services.nodeports': '1', 'services.loadbalancers': '0' });
      for (const name of ['cluster', 'node']) await room.remove('Service', name);
      await room.uses('q', { services: '0', 'services.nodeports': '0' });
    }));

  test('ResourceQuota should create a ResourceQuota and capture the life of a pod.', () =>
    inRoom(async (room) => {
      await room.quota('q', { pods: '5', 'requests.cpu': '1', 'requests.memory': '500Mi' });
      await room.uses('q', { pods: '0' });
      await room.make(asking('one', { cpu: '500m', memory: '252Mi' }));
      await room.uses('q', { pods: '1', 'requests.cpu': '500m', 'requests.memory': '252Mi' });
      await room.refuses(
        asking('two', { cpu: '600m', memory: '100Mi' }),
        'exceeded quota: q, requested: requests.cpu=600m, used: requests.cpu=500m, limited: requests.cpu=1',
      );
      await room.refuses(asking('three', { cpu: '100m' }), 'must specify requests.memory');
      const path = room.of('Pod', 'one');
      const grown = [{ name: 'main', resources: { requests: { cpu: '1', memory: '252Mi' } } }];
      expect(
        (
          await ground().api.try(
            'PATCH',
            path,
            { spec: { containers: grown } },
            'application/strategic-merge-patch+json',
          )
        ).code,
      ).toBe(422);
      await room.remove('Pod', 'one');
      await room.uses('q', { pods: '0', 'requests.cpu': '0', 'requests.memory': '0' });
    }));

  test('ResourceQuota should verify ResourceQuota with terminating scopes.', () =>
    inRoom(async (room) => {
      await room.quota('ending', { pods: '5' }, { scopes: ['Terminating'] });
      await room.quota('lasting', { pods: '5' }, { scopes: ['NotTerminating'] });
      for (const name of ['ending', 'lasting']) await room.uses(name, { pods: '0' });
      await room.make(asking('long', { cpu: '1m' }));
      await room.uses('lasting', { pods: '1' });
      await room.uses('ending', { pods: '0' });
      await room.make(asking('short', { cpu: '1m' }, { activeDeadlineSeconds: 3600 }));
      await room.uses('ending', { pods: '1' });
      await room.uses('lasting', { pods: '1' });
      for (const name of ['long', 'short']) await room.remove('Pod', name);
      await room.uses('ending', { pods: '0' });
      await room.uses('lasting', { pods: '0' });
    }));

  test('ResourceQuota should verify ResourceQuota with best effort scope.', () =>
    inRoom(async (room) => {
      await room.quota('best', { pods: '5' }, { scopes: ['BestEffort'] });
      await room.quota('rest', { pods: '5' }, { scopes: ['NotBestEffort'] });
      for (const name of ['best', 'rest']) await room.uses(name, { pods: '0' });
      await room.make(asking('careless', {}));
      await room.uses('best', { pods: '1' });
      await room.uses('rest', { pods: '0' });
      await room.make(asking('careful', { cpu: '1m' }));
      await room.uses('rest', { pods: '1' });
      await room.uses('best', { pods: '1' });
    }));

  test('ResourceQuota should be able to update and delete ResourceQuota.', () =>
    inRoom(async (room) => {
      const path = room.of('ResourceQuota', 'q');
      await room.quota('q', { 'requests.cpu': '1', 'requests.memory': '500Mi' });
      const read = await ground().api.get<ResourceQuota>(path);
      expect(read.spec?.hard).toEqual({ 'requests.cpu': '1', 'requests.memory': '500Mi' });
      const updated = await ground().api.patch<ResourceQuota>(path, { spec: { hard: { 'requests.cpu': '2' } } });
      expect(updated.spec?.hard).toEqual({ 'requests.cpu': '2', 'requests.memory': '500Mi' });
      await room.remove('ResourceQuota', 'q');
      expect((await ground().api.try('GET', path)).code).toBe(404);
    }));

  test('ResourceQuota should manage the lifecycle of a ResourceQuota', () =>
    inRoom(async (room) => {
      const path = room.of('ResourceQuota', 'cycle');
      await room.quota('cycle', { 'requests.cpu': '1' });
      await ground().api.patch(path, {
        metadata: { labels: { cycle: 'yes' } },
        spec: { hard: { 'requests.cpu': '2' } },
      });
      const everywhere = await ground().api.get<{ items: ResourceQuota[] }>(
        '/api/v1/resourcequotas?labelSelector=cycle%3Dyes',
      );
      expect(everywhere.items.map(({ spec }) => spec?.hard)).toEqual([{ 'requests.cpu': '2' }]);
      await ground().api.delete(`${room.of('ResourceQuota')}?labelSelector=cycle%3Dyes`);
      expect((await ground().api.try('GET', path)).code).toBe(404);
    }));

  test('ResourceQuota should apply changes to a resourcequota status', () =>
    inRoom(async (room) => {
      const path = room.of('ResourceQuota', 'q');
      await room.quota('q', { cpu: '500m', memory: '500Mi' });
      await room.uses('q', { cpu: '0', memory: '0' });
      const patched = await ground().api.patch<ResourceQuota>(`${path}/status`, {
        status: { hard: { memory: '600Mi' } },
      });
      expect(patched.status?.hard).toMatchObject({ cpu: '500m', memory: '600Mi' });
      expect(patched.spec?.hard).toEqual({ cpu: '500m', memory: '500Mi' });
      await ground().api.patch(path, { spec: { hard: { memory: '750Mi' } } });
      await eventually('the controller says what the spec does', async () => {
        const { status } = await ground().api.get<ResourceQuota>(`${path}/status`);
        return status?.hard?.['memory'] === '750Mi' && status.hard['cpu'] === '500m';
      });
    }));

  const limits = (name: string, labels: Record<string, string> = {}) =>
    object('LimitRange', name, {
      metadata: { name, labels },
      spec: {
        limits: [
          {
            type: 'Container',
            min: { cpu: '50m', memory: '100Mi' },
            max: { cpu: '500m', memory: '500Mi' },
            default: { cpu: '500m', memory: '500Mi' },
            defaultRequest: { cpu: '100m', memory: '200Mi' },
          },
        ],
      },
    });

  test('LimitRange should create a LimitRange with defaults and ensure pod has those defaults applied.', () =>
    inRoom(async (room) => {
      await room.make(limits('limits'));
      const create = (name: string, resources: object) =>
        ground().api.try(
          'POST',
          room.of('Pod'),
          pod(name, {
            spec: { nodeSelector: { nowhere: 'yes' }, containers: [container({ resources: resources as object })] },
          }),
        );
      const resourcesOf = ({ text }: { text: string }) => (JSON.parse(text) as Pod).spec.containers[0]?.resources;
      const whole = { requests: { cpu: '100m', memory: '200Mi' }, limits: { cpu: '500m', memory: '500Mi' } };
      await eventually(
        'the defaults are applied',
        async () => resourcesOf(await create(`none-${++count}`, {}))?.limits?.['cpu'] === '500m',
      );
      expect(resourcesOf(await create('none', {}))).toEqual(whole);
      expect(resourcesOf(await create('part', { requests: { memory: '150Mi' }, limits: { cpu: '300m' } }))).toEqual({
        requests: { cpu: '300m', memory: '150Mi' },
        limits: { cpu: '300m', memory: '500Mi' },
      });
      expect((await create('low', { requests: { cpu: '10m' } })).text).toContain(
        'minimum cpu usage per Container is 50m, but request is 10m',
      );
      expect((await create('high', { limits: { cpu: '600m' } })).text).toContain(
        'maximum cpu usage per Container is 500m, but limit is 600m',
      );
      const path = room.of('LimitRange', 'limits');
      const now = await ground().api.get<LimitRange>(path);
      await ground().api.put(path, {
        ...now,
        spec: { limits: [{ ...now.spec?.limits[0], min: { cpu: '9m', memory: '9Mi' } }] },
      });
      await eventually(
        'the lower bound holds',
        async () => (await create(`lower-${++count}`, { requests: { cpu: '10m' } })).code === 201,
      );
      await room.remove('LimitRange', 'limits');
      await eventually(
        'nothing holds',
        async () => (await create(`free-${++count}`, { limits: { cpu: '600m' } })).code === 201,
      );
    }));

  test('LimitRange should list, patch and delete a LimitRange by collection', () =>
    inRoom(async (room) => {
      await room.make(limits('limits', { collection: 'ranges' }));
      const selected = '/api/v1/limitranges?labelSelector=collection%3Dranges';
      expect((await ground().api.get<{ items: object[] }>(selected)).items).toHaveLength(1);
      const patched = await ground().api.patch<LimitRange>(
        room.of('LimitRange', 'limits'),
        { metadata: { labels: { patched: 'yes' } } },
        'strategic',
      );
      expect(patched.metadata.labels).toEqual({ collection: 'ranges', patched: 'yes' });
      await ground().api.delete(`${room.of('LimitRange')}?labelSelector=patched%3Dyes`);
      expect((await ground().api.get<{ items: object[] }>(selected)).items).toEqual([]);
    }));
});
