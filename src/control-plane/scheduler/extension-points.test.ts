/** Every extension point of the framework: when it is asked, in which order, and several schedulers beside each other. */
import { expect, test } from 'vitest';
import { Event } from '#api/core/v1/event.ts';
import { Node } from '#api/core/v1/node.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { conditionOf } from '#api/core/v1/pod-conditions.ts';
import { node, pod, podAsking, startCluster, type TestCluster } from '#testing/cluster.ts';
import { definePlugin, fits, type Plugin, PluginFailed, type PreFlight, unschedulable } from './define-plugin.ts';
import { defaultProfile } from './profile.ts';
import { startScheduler } from './start-scheduler.ts';

async function addNodes(cluster: TestCluster, ...names: string[]): Promise<void> {
  for (const name of names) {
    await cluster.create(Node, node(name, { capacity: { cpu: '1' } }));
    await cluster.patch(Node, name, { spec: { taints: null } });
  }
}

/** Tells of each time that it is asked; everybody is as good to it, and may go everywhere. */
function spy(name: string, calls: string[], only: Partial<Plugin> = {}): Plugin {
  const says =
    <T>(point: string, answer: T) =>
    () => {
      calls.push(`${name} ${point}`);
      return answer;
    };
  return definePlugin({
    name,
    preEnqueue: says('preEnqueue', fits),
    prepare: says('preFilter', { state: undefined }),
    filter: says('filter', fits),
    prepareScore: says('preScore', undefined),
    score: says('score', 1),
    normalize: says('normalize', undefined),
    reserve: says('reserve', fits),
    unreserve: says('unreserve', undefined),
    permit: says('permit', fits),
    preBindPreFlight: says('preBindPreFlight', { hasWork: true }),
    preBind: async () => says('preBind', fits)(),
    postBind: says('postBind', undefined),
    ...only,
  });
}

const usual = defaultProfile();
const placeOf = (cluster: TestCluster, name: string) => cluster.get(Pod, `default/${name}`)?.spec.nodeName;
/** By the point, each as often as it was asked in a row. */
const points = (calls: readonly string[]) => [...new Set(calls)];

test('a pod that is placed goes through every point in turn, and each point through its plugins', async () => {
  const calls: string[] = [];
  const plugins = [...usual.plugins, spy('A', calls), spy('B', calls)];
  await using cluster = await startCluster({ scheduler: [{ ...usual, plugins }] });
  await addNodes(cluster, 'node1', 'node2');
  await cluster.create(Pod, pod('web'));
  await cluster.settles();
  expect(placeOf(cluster, 'web')).toBeDefined();
  const inTurn = (...names: string[]) => names.flatMap((point) => [`A ${point}`, `B ${point}`]);
  const each = points(calls);
  expect(each.filter((call) => !/preScore|score|normalize|preBindPreFlight/.test(call))).toEqual(
    inTurn('preEnqueue', 'preFilter', 'filter', 'reserve', 'permit', 'preBind', 'postBind'),
  );
  const at = (call: string) => each.indexOf(call);
  for (const name of ['A', 'B']) {
    const order = ['filter', 'preScore', 'score', 'normalize', 'reserve', 'permit', 'preBindPreFlight', 'preBind'];
    const places = order.map((point) => at(`${name} ${point}`));
    expect(places).toEqual([...places].sort((a, b) => a - b));
    expect(places).not.toContain(-1);
  }
  expect(calls.filter((call) => call === 'A filter')).toHaveLength(2); // once for each node
});

test('who has nothing to do before the binding is not asked to do it', async () => {
  const calls: string[] = [];
  const idle = spy('A', calls, { preBindPreFlight: () => ({ hasWork: false }) });
  await using cluster = await startCluster({
    scheduler: [{ ...usual, plugins: [...usual.plugins, idle, spy('B', calls)] }],
  });
  await addNodes(cluster, 'node1');
  await cluster.create(Pod, pod('web'));
  await cluster.settles();
  expect(placeOf(cluster, 'web')).toBe('node1');
  expect(calls.filter((call) => call.endsWith(' preBind'))).toEqual(['B preBind']);
});

/** What they do before the binding takes until the next turn of the event loop. */
function working(name: string, calls: string[], flight: PreFlight): Plugin {
  const preBind = async () => {
    calls.push(`${name} begins`);
    await new Promise<void>((resolve) => setImmediate(resolve));
    calls.push(`${name} ends`);
    return fits;
  };
  return definePlugin({ name, preBindPreFlight: () => flight, preBind });
}
const beside = { hasWork: true, allowParallel: true };

async function placedWith(...plugins: Plugin[]): Promise<TestCluster> {
  const cluster = await startCluster({ scheduler: [{ ...usual, plugins: [...usual.plugins, ...plugins] }] });
  await addNodes(cluster, 'node1');
  await cluster.create(Pod, pod('web'));
  await cluster.settles();
  return cluster;
}

test.each<[string, PreFlight, string[]]>([
  ['allows it too', beside, ['A begins', 'B begins', 'C begins', 'A ends', 'B ends', 'C ends']],
  ['has nothing to do', { ...beside, hasWork: false }, ['A begins', 'C begins', 'A ends', 'C ends']],
  ['works alone', { hasWork: true }, ['A begins', 'A ends', 'B begins', 'B ends', 'C begins', 'C ends']],
  ['would work alone, but has nothing to do', { hasWork: false }, ['A begins', 'A ends', 'C begins', 'C ends']],
])('who allows it works beside its neighbours before the binding; the one between %s', async (_, between, order) => {
  const calls: string[] = [];
  await using cluster = await placedWith(
    working('A', calls, beside),
    working('B', calls, between),
    working('C', calls, beside),
  );
  expect(calls).toEqual(order);
  expect(placeOf(cluster, 'web')).toBe('node1');
});

test('where one of those that work beside each other fails the others are told, waited for, and its words are said', async () => {
  const calls: string[] = [];
  const slow = spy('A', calls, {
    preBindPreFlight: () => beside,
    preBind: (_, __, { signal }) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => {
          calls.push(`A ${(signal.reason as Error).message}`);
          reject(new PluginFailed('stopped'));
        });
      }),
  });
  const failing = spy('B', calls, {
    preBindPreFlight: () => beside,
    preBind: () => Promise.reject(new PluginFailed('no disk')),
  });
  await using cluster = await placedWith(slow, failing, working('C', calls, { hasWork: true }));
  expect(conditionOf(cluster.get(Pod, 'default/web')!, 'PodScheduled')).toMatchObject({
    reason: 'SchedulerError',
    message: 'running PreBind plugin "B": no disk',
  });
  expect(calls.slice(-3)).toEqual(['A some other PreBind operation failed', 'B unreserve', 'A unreserve']);
});

test('where one does not agree the others undo what they reserved, the last first, and nothing later is asked', async () => {
  const calls: string[] = [];
  const refusing = spy('B', calls, {
    permit: () => {
      calls.push('B permit');
      return unschedulable('not now');
    },
  });
  const plugins = [...usual.plugins, spy('A', calls), refusing];
  await using cluster = await startCluster({ scheduler: [{ ...usual, plugins }] });
  await addNodes(cluster, 'node1');
  await cluster.create(Pod, pod('web'));
  await cluster.settles();
  expect(points(calls).slice(-6)).toEqual([
    'A reserve',
    'B reserve',
    'A permit',
    'B permit',
    'B unreserve',
    'A unreserve',
  ]);
  expect(conditionOf(cluster.get(Pod, 'default/web')!, 'PodScheduled')).toMatchObject({
    reason: 'Unschedulable',
    message: '0/1 nodes are available: 1 not now.',
  });
});

test('of a pod that fits nowhere those are asked that could make room, in turn, until one has', async () => {
  const asked: string[] = [];
  const maker = (name: string, message?: string) =>
    definePlugin({
      name,
      makeRoom: () => {
        asked.push(name);
        return message === undefined ? { nodeName: 'node1', victims: [] } : { message };
      },
    });
  const plugins = [
    ...usual.plugins.filter(({ makeRoom }) => !makeRoom),
    maker('A', 'nothing from me'),
    maker('B'),
    maker('C', 'never'),
  ];
  await using cluster = await startCluster({ scheduler: [{ ...usual, plugins }] });
  await addNodes(cluster, 'node1');
  await cluster.create(Pod, podAsking('web', { cpu: '2' }));
  await cluster.settles();
  expect(asked).toEqual(['A', 'B']);
  expect(cluster.get(Pod, 'default/web')?.status?.nominatedNodeName).toBe('node1');
});

test('two schedulers place pods beside each other, each those that name it, and see each other’s', async () => {
  await using cluster = await startCluster({
    scheduler: true,
    components: [
      (services) =>
        startScheduler({
          ...services,
          profiles: [{ ...defaultProfile(), schedulerName: 'second' }],
          breathe: () => new Promise<void>((resolve) => setImmediate(resolve)),
        }),
    ],
  });
  await addNodes(cluster, 'node1', 'node2');
  const schedulers = { a: 'default-scheduler', b: 'second', c: 'default-scheduler', d: 'second', e: 'third' };
  for (const [name, schedulerName] of Object.entries(schedulers)) {
    await cluster.create(Pod, podAsking(name, { cpu: '500m' }, { schedulerName }));
    await cluster.settles();
  }
  const places = Object.keys(schedulers).map((name) => placeOf(cluster, name));
  expect(places.slice(0, 4).sort()).toEqual(['node1', 'node1', 'node2', 'node2']);
  expect(places[4]).toBeUndefined();
  const told = cluster
    .list(Event)
    .map(({ involvedObject, reason, reportingComponent }) => [involvedObject.name, reason, reportingComponent]);
  expect(told.sort()).toEqual(['a', 'b', 'c', 'd'].map((name) => [name, 'Scheduled', schedulers[name as 'a']]));
});
