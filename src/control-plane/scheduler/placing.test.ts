import { describe, expect, test } from 'vitest';
import { Event } from '#api/core/v1/event.ts';
import { Node } from '#api/core/v1/node.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { conditionOf } from '#api/core/v1/pod-conditions.ts';
import { PriorityClass } from '#api/scheduling/v1/priority-class.ts';
import { ManualClock } from '#base/manual-clock.ts';
import type { TestCluster } from '#testing/cluster.ts';
import { node, pod, podAsking, startCluster } from '#testing/cluster.ts';
import type { BindingServices, Plugin, PluginSpec } from './define-plugin.ts';
import { definePlugin, fits, PluginFailed, unschedulable } from './define-plugin.ts';
import { Placing, type PlacingServices } from './placing.ts';
import { preBind } from './pre-binding.ts';
import { defaultProfile, type Profile } from './profile.ts';
import { startScheduler } from './start-scheduler.ts';

async function clusterWith(spec: Omit<PluginSpec<undefined>, 'name'>, profile: Partial<Profile> = {}) {
  const usual = defaultProfile();
  const own: Plugin = definePlugin({ name: 'Own', ...spec });
  const cluster = await startCluster({ scheduler: [{ ...usual, ...profile, plugins: [...usual.plugins, own] }] });
  await cluster.create(Node, node('node1'));
  await cluster.patch(Node, 'node1', { spec: { taints: null } });
  return cluster;
}

const stored = (cluster: TestCluster) => cluster.get(Pod, 'default/web');
const whyNot = (cluster: TestCluster) => conditionOf(stored(cluster)!, 'PodScheduled')?.message;
const said = (cluster: TestCluster) => cluster.list(Event).map(({ reason, message }) => `${reason}: ${message}`);

function later<T>() {
  let resolve: (value: T) => void = () => undefined;
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

/** Without a scheduler around it. */
function placingWith(
  own: Omit<PluginSpec<undefined>, 'name'>,
  patch: () => Promise<Pod> = async () => pod('web') as Pod,
) {
  const plugins = [definePlugin({ name: 'Own', ...own })];
  const services = { client: { patch }, clock: new ManualClock(), whileOthers: <T>(act: Promise<T>) => act };
  const decision = { nodeName: 'node1', states: new Map(), plugins };
  return { placing: new Placing(pod('web') as Pod, decision, services as unknown as PlacingServices) };
}

const turns = () => new Promise<void>((resolve) => setImmediate(resolve));

describe('a plugin may hold a pod back before it is bound', () => {
  test('its node is nominated meanwhile, counts as taken, and is given when the plugin agrees', async () => {
    const answer = later<typeof fits>();
    await using cluster = await clusterWith({
      permit: ({ metadata }) => (metadata.name === 'web' ? answer.promise : fits),
    });
    await cluster.create(
      Pod,
      pod('web', { containers: [{ name: 'main', image: 'i', resources: { requests: { cpu: '3' } } }] }),
    );
    await cluster.settles();
    expect(stored(cluster)).toMatchObject({ status: { nominatedNodeName: 'node1' } });
    expect(stored(cluster)?.spec.nodeName).toBeUndefined();
    await cluster.create(
      Pod,
      pod('next', { containers: [{ name: 'main', image: 'i', resources: { requests: { cpu: '2' } } }] }),
    );
    await cluster.settles();
    expect(cluster.get(Pod, 'default/next')?.spec.nodeName).toBeUndefined();
    answer.resolve(fits);
    await cluster.settles();
    expect(stored(cluster)?.spec.nodeName).toBe('node1');
    expect(stored(cluster)?.status?.nominatedNodeName).toBeUndefined();
  });

  test('one that says no sends it back', async () => {
    await using cluster = await clusterWith({ permit: async () => unschedulable('not now') });
    await cluster.create(Pod, pod('web'));
    await cluster.settles();
    expect(whyNot(cluster)).toBe('0/1 nodes are available: 1 not now.');
  });

  test('nobody waits longer than fifteen minutes', async () => {
    await using cluster = await clusterWith({ permit: () => new Promise(() => undefined) });
    await cluster.create(Pod, pod('web'));
    await cluster.passes(899_000);
    expect(whyNot(cluster)).toBeUndefined();
    await cluster.passes(2_000);
    expect(whyNot(cluster)).toBe('0/1 nodes are available: 1 rejected due to timeout after waiting 15m0s.');
  });

  test.each([
    {
      how: 'listens',
      why: 'running PreBind plugin "Own": preempted by DefaultPreemption',
      preBind: (signal: AbortSignal) =>
        new Promise<typeof fits>((_, reject) => {
          signal.addEventListener('abort', () => reject(new PluginFailed((signal.reason as Error).message)));
        }),
    },
    {
      how: 'does not listen',
      why: 'preempted by DefaultPreemption',
      preBind: (signal: AbortSignal) =>
        new Promise<typeof fits>((resolve) => {
          signal.addEventListener('abort', () => resolve(fits));
        }),
    },
  ])('so does one that is prepared, also where its plugin $how', async ({ why, preBind }) => {
    await using cluster = await clusterWith({
      preBindPreFlight: ({ metadata }) => ({ hasWork: metadata.name === 'web' }),
      preBind: (_, __, { signal, whileOthers }) => whileOthers(preBind(signal)),
    });
    await cluster.patch(Node, { name: 'node1', subresource: 'status' }, { status: { allocatable: { cpu: '1' } } });
    await cluster.create(PriorityClass, { metadata: { name: 'high' }, value: 100 });
    await cluster.create(Pod, podAsking('web', { cpu: '1' }));
    await cluster.settles();
    const urgent = await cluster.create(Pod, podAsking('urgent', { cpu: '1' }, { priorityClassName: 'high' }));
    await cluster.passes(1_000);
    expect(cluster.get(Pod, 'default/urgent')?.spec.nodeName).toBe('node1');
    expect(stored(cluster)?.metadata.deletionTimestamp).toBeUndefined();
    const ofWeb = cluster.list(Event).filter(({ involvedObject }) => involvedObject.name === 'web');
    const texts = ofWeb.map(({ reason, message }) => `${reason}: ${message}`);
    expect(texts).toContain(`FailedScheduling: ${why}`);
    expect(texts).toContain(
      `Preempted: Preempted by pod ${urgent.metadata.uid} on node node1 (in kube-scheduler memory).`,
    );
  });

  test('a pod that only waits gives way to one of higher priority without being deleted, and an event says so', async () => {
    const waitsAlone = async ({ metadata }: Pod) =>
      metadata.name === 'web' ? new Promise<typeof fits>(() => undefined) : fits;
    await using cluster = await clusterWith({ permit: waitsAlone });
    await cluster.patch(Node, { name: 'node1', subresource: 'status' }, { status: { allocatable: { cpu: '1' } } });
    await cluster.create(PriorityClass, { metadata: { name: 'high' }, value: 100 });
    const web = await cluster.create(Pod, podAsking('web', { cpu: '1' }));
    await cluster.settles();
    const urgent = await cluster.create(Pod, podAsking('urgent', { cpu: '1' }, { priorityClassName: 'high' }));
    await cluster.passes(1_000);
    expect(cluster.get(Pod, 'default/urgent')?.spec.nodeName).toBe('node1');
    expect(stored(cluster)?.metadata).toMatchObject({ uid: web.metadata.uid });
    expect(stored(cluster)?.metadata.deletionTimestamp).toBeUndefined();
    const message = `Preempted by pod ${urgent.metadata.uid} on node node1 (in kube-scheduler memory).`;
    expect(cluster.list(Event).find(({ reason }) => reason === 'Preempted')).toMatchObject({
      message,
      involvedObject: { name: 'web' },
      related: { name: 'urgent' },
    });
  });

  test('so does one that has its permission already, while others are still told where it is to go', async () => {
    const [told, calls] = [later<Pod>(), [] as string[]];
    const { placing } = placingWith(
      { permit: async () => fits, bind: async () => (calls.push('bind') > 0 ? 'bound' : 'skip') },
      () => told.promise,
    );
    const end = placing.run();
    await turns();
    expect(placing.giveWay('DefaultPreemption')).toBe(true);
    told.resolve(pod('web') as Pod);
    await expect(end).rejects.toMatchObject({ code: 'NotPlaced', message: 'rejected due to preempted' });
    expect(calls).toEqual([]);
  });

  test('a scheduler that ends says nothing of those that it held back: another may have placed them', async () => {
    await using cluster = await startCluster();
    await cluster.create(Node, node('node1'));
    await cluster.patch(Node, 'node1', { spec: { taints: null } });
    const usual = defaultProfile();
    const own = definePlugin({ name: 'Own', permit: () => new Promise(() => undefined) });
    const profiles = [{ ...usual, plugins: [...usual.plugins, own] }];
    const breathe = () => new Promise<void>((resolve) => setImmediate(resolve));
    const scheduler = startScheduler({ ...cluster.services, profiles, breathe });
    await cluster.create(Pod, pod('web'));
    await cluster.settles();
    expect(stored(cluster)).toMatchObject({ status: { nominatedNodeName: 'node1' } });
    scheduler.stop();
    await cluster.settles();
    expect([whyNot(cluster), said(cluster)]).toEqual([undefined, []]);
  });

  test('a pod that is gone is not waited for', async () => {
    let why: unknown;
    await using cluster = await clusterWith({
      permit: (_, __, ___, signal) =>
        new Promise((resolve) => {
          signal.addEventListener('abort', () => {
            why = (signal.reason as Error).message;
            resolve(fits);
          });
        }),
    });
    await cluster.create(Pod, pod('web'));
    await cluster.settles();
    await cluster.delete(Pod, 'default/web', { gracePeriodSeconds: 0 });
    await cluster.settles();
    expect(why).toBe('removed');
    await cluster.create(Pod, pod('other'));
    await cluster.settles();
    expect(cluster.get(Pod, 'default/other')?.status?.nominatedNodeName).toBe('node1');
  });
});

describe('before binding', () => {
  test('a node is nominated where a plugin has something to do, and not where none has', async () => {
    const patches: string[] = [];
    const preBind = async (of: Pod) => {
      patches.push(of.metadata.name);
      return fits;
    };
    await using busy = await clusterWith({ preBindPreFlight: () => ({ hasWork: true }), preBind });
    await busy.create(Pod, pod('web'));
    await busy.settles();
    expect(patches).toEqual(['web']);
    expect(stored(busy)?.spec.nodeName).toBe('node1');

    const nominating = { verb: 'patch', resource: 'pods/status' };
    await using idle = await clusterWith({ preBindPreFlight: () => ({ hasWork: false }), preBind });
    const fault = idle.faults.fail(nominating);
    await idle.create(Pod, pod('web'));
    await idle.settles();
    expect(fault.hits).toBe(0);
    expect(stored(idle)?.spec.nodeName).toBe('node1');
  });

  test('a plugin sees what it prepared, and undoes what it reserved when another one fails', async () => {
    const calls: string[] = [];
    await using cluster = await clusterWith({
      prepare: () => ({ state: 'mine' as never }),
      reserve: (_, nodeName, state) => {
        calls.push(`reserve ${nodeName} ${state}`);
        return fits;
      },
      unreserve: (_, nodeName, state) => void calls.push(`unreserve ${nodeName} ${state}`),
      preBind: async (_, __, ___, state) => {
        calls.push(`preBind ${state}`);
        return unschedulable('no disk');
      },
    });
    await cluster.create(Pod, pod('web'));
    await cluster.settles();
    expect(calls).toEqual(['reserve node1 mine', 'preBind mine', 'unreserve node1 mine']);
  });

  test('of those that fail beside each other the first is told of, but a bug is not passed over for it', async () => {
    const beside = (name: string, fail: (signal: AbortSignal) => Promise<never>) =>
      definePlugin({
        name,
        preBindPreFlight: () => ({ hasWork: true, allowParallel: true }),
        preBind: (_, __, { signal }) => fail(signal),
      }) as Plugin & { preBind: NonNullable<Plugin['preBind']> };
    const aborted = (signal: AbortSignal) =>
      new Promise<unknown>((resolve) => signal.addEventListener('abort', () => resolve(signal.reason)));
    const first = beside('First', async () => Promise.reject(new PluginFailed('no disk')));
    const gives = beside('Gives', async (signal) => Promise.reject(await aborted(signal)));
    const bug = new TypeError('a bug');
    const errs = beside('Errs', async (signal) => aborted(signal).then(() => Promise.reject(bug)));
    const placement = { pod: pod('web') as Pod, nodeName: 'node1', states: new Map() };
    const services = { signal: new AbortController().signal } as BindingServices;
    const failure = { message: 'running PreBind plugin "First": no disk' };
    await expect(preBind([gives, first], placement, services)).rejects.toMatchObject(failure);
    await expect(preBind([gives, first, errs], placement, services)).rejects.toBe(bug);
  });

  test('nothing comes of it only when all is taken back: the next try must not find what is about to go', async () => {
    const [takenBack, calls] = [later<void>(), [] as string[]];
    const { placing } = placingWith({
      preBind: async () => unschedulable('no disk'),
      unreserve: () => takenBack.promise,
    });
    const end = placing.run().catch((error: Error) => calls.push(error.message));
    await turns();
    expect(calls).toEqual([]);
    takenBack.resolve();
    await end;
    expect(calls).toEqual(['no disk']);
  });
});

test('a binding that is refused is said and tried again', async () => {
  await using cluster = await clusterWith({});
  cluster.faults.fail({ verb: 'create', resource: 'pods/binding', times: 1 }, { message: 'not today' });
  await cluster.create(Pod, pod('web'));
  await cluster.settles();
  expect(said(cluster)).toEqual(['FailedScheduling: running Bind plugin "DefaultBinder": not today']);
  expect(conditionOf(stored(cluster)!, 'PodScheduled')?.reason).toBe('SchedulerError');
  await cluster.passes(1_000);
  expect(stored(cluster)?.spec.nodeName).toBe('node1');
});

test.each([true, false])(
  'where the answer to a binding is lost, the server is asked (it was carried out: %s)',
  async (carriedOut) => {
    await using cluster = await clusterWith({});
    cluster.faults.drop({ verb: 'create', resource: 'pods/binding', times: 1 }, { carriedOut });
    await cluster.create(Pod, pod('web'));
    await cluster.passes(5_000);
    expect(stored(cluster)?.spec.nodeName).toBe('node1');
    expect(said(cluster).filter((text) => text.startsWith('Scheduled'))).toHaveLength(1);
    expect(said(cluster).filter((text) => text.startsWith('Failed'))).toHaveLength(carriedOut ? 0 : 1);
  },
);

test('an extender that binds does so in place of the plugins', async () => {
  const bound: string[] = [];
  const extender = {
    name: 'outside',
    isIgnorable: false,
    isInterested: () => true,
    bind: async (of: Pod, nodeName: string) => void bound.push(`${of.metadata.name} ${nodeName}`),
  };
  await using cluster = await clusterWith({}, { extenders: [extender] });
  await cluster.create(Pod, pod('web'));
  await cluster.settles();
  expect(bound).toEqual(['web node1']);
  expect(stored(cluster)?.spec.nodeName).toBeUndefined();
});
