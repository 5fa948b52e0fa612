import { describe, expect, test } from 'vitest';
import { Node } from '#api/core/v1/node.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { conditionOf } from '#api/core/v1/pod-conditions.ts';
import { PersistentVolume } from '#api/core/v1/persistent-volume.ts';
import { PersistentVolumeClaim } from '#api/core/v1/persistent-volume-claim.ts';
import { DeviceClass } from '#api/resource/v1/device-class.ts';
import { ResourceSlice } from '#api/resource/v1/resource-slice.ts';
import { StorageClass } from '#api/storage/v1/storage-class.ts';
import type { NodeOptions, TestCluster } from '#testing/cluster.ts';
import { node, pod, podAsking, startCluster } from '#testing/cluster.ts';
import { pointsOf } from '../points.ts';
import { defaultProfile } from '../profile.ts';
import { validateSchedulerConfiguration } from './configuration-rules.ts';
import { profilesOf } from './configured-profiles.ts';
import type { SchedulerConfiguration } from './scheduler-configuration.ts';

const named = (configuration: SchedulerConfiguration) => profilesOf(configuration)[0]!.plugins.map(({ name }) => name);
const plugin = (configuration: SchedulerConfiguration, name: string) =>
  profilesOf(configuration)[0]!.plugins.find((each) => each.name === name);

describe('a profile', () => {
  test('that says nothing is the default one', () => {
    const [profile] = profilesOf({});
    expect(profile?.schedulerName).toBe('default-scheduler');
    expect(profile?.plugins.map(({ name, weight }) => [name, weight])).toEqual(
      defaultProfile().plugins.map(({ name, weight }) => [name, weight]),
    );
  });

  test('has upstream’s plugins in their order, with their weights', () => {
    const plugins = profilesOf({})[0]!.plugins.map(({ name, weight, score }) => [name, score && (weight ?? 1)]);
    expect(plugins).toEqual([
      ['SchedulingGates', undefined],
      ['PrioritySort', undefined],
      ['NodeUnschedulable', undefined],
      ['NodeName', undefined],
      ['TaintToleration', 3],
      ['NodeAffinity', 2],
      ['NodePorts', undefined],
      ['NodeResourcesFit', 1],
      ['VolumeRestrictions', undefined],
      ['NodeVolumeLimits', undefined],
      ['VolumeBinding', undefined],
      ['VolumeZone', undefined],
      ['PodTopologySpread', 2],
      ['InterPodAffinity', 2],
      ['DynamicResources', 2],
      ['DefaultPreemption', undefined],
      ['NodeResourcesBalancedAllocation', 1],
      ['ImageLocality', 1],
      ['DefaultBinder', undefined],
      ['NodeDeclaredFeatures', undefined],
    ]);
  });

  test('may do without a plugin, or without one of its points', () => {
    const plugins = {
      multiPoint: { disabled: [{ name: 'ImageLocality' }] },
      score: { disabled: [{ name: 'NodeAffinity' }] },
    };
    const configuration = { profiles: [{ plugins }] };
    expect(named(configuration)).not.toContain('ImageLocality');
    const affinity = plugin(configuration, 'NodeAffinity');
    expect([affinity?.filter === undefined, affinity?.score]).toEqual([false, undefined]);
  });

  test('may give plugins other weights', () => {
    const configuration = {
      profiles: [
        {
          plugins: {
            multiPoint: { enabled: [{ name: 'ImageLocality', weight: 7 }] },
            score: { enabled: [{ name: 'TaintToleration', weight: 50 }] },
          },
        },
      ],
    };
    expect(plugin(configuration, 'ImageLocality')?.weight).toBe(7);
    expect(plugin(configuration, 'TaintToleration')?.weight).toBe(50);
    expect(plugin(configuration, 'InterPodAffinity')?.weight).toBe(2);
  });

  test('may begin with nothing', () => {
    const some = ['PrioritySort', 'NodeName', 'DefaultBinder'].map((name) => ({ name }));
    const plugins = { multiPoint: { enabled: some, disabled: [{ name: '*' }] } };
    expect(named({ profiles: [{ plugins }] })).toEqual(['PrioritySort', 'NodeName', 'DefaultBinder']);
  });

  const inOrder = (configuration: SchedulerConfiguration) =>
    pointsOf(profilesOf(configuration)[0]!.plugins).filter.map(({ name }) => name);
  const by = (...names: string[]) => names.map((name) => ({ name }));
  test('asks those first that a point names, in the order given, and then the others', () => {
    const filter = { enabled: by('TaintToleration', 'NodeName') };
    const [first, second, third] = inOrder({ profiles: [{ plugins: { filter } }] });
    expect([first, second, third]).toEqual(['TaintToleration', 'NodeName', 'NodeUnschedulable']);
  });

  test('asks last what stands at one point alone, and nothing else where the rest is disabled', () => {
    const multiPoint = { enabled: by('PrioritySort', 'NodePorts', 'NodeName', 'DefaultBinder'), disabled: by('*') };
    const filter = { enabled: by('NodeAffinity', 'NodeName') };
    expect(inOrder({ profiles: [{ plugins: { multiPoint, filter } }] })).toEqual([
      'NodeName',
      'NodePorts',
      'NodeAffinity',
    ]);
    expect(
      inOrder({ profiles: [{ plugins: { multiPoint, filter: { ...filter, disabled: by('NodeName') } } }] }),
    ).toEqual(['NodePorts', 'NodeAffinity', 'NodeName']);
    expect(inOrder({ profiles: [{ plugins: { filter: { ...filter, disabled: by('*') } } }] })).toEqual([
      'NodeAffinity',
      'NodeName',
    ]);
  });

  test('has another order at each point', () => {
    const preFilter = { enabled: by('VolumeZone', 'NodeAffinity') };
    const filter = { enabled: by('NodeAffinity', 'VolumeZone') };
    const points = pointsOf(profilesOf({ profiles: [{ plugins: { preFilter, filter } }] })[0]!.plugins);
    expect([points.prepare, points.filter].map((list) => list.slice(0, 2).map(({ name }) => name))).toEqual([
      ['VolumeZone', 'NodeAffinity'],
      ['NodeAffinity', 'VolumeZone'],
    ]);
  });

  const WHERE = 'initializing profiles: creating profile for scheduler name default-scheduler: ';
  test.each<[string, NonNullable<SchedulerConfiguration['profiles']>[number]['plugins'], string]>([
    [
      'names a plugin that is not there',
      { filter: { enabled: [{ name: 'Mine' }] } },
      'FilterPlugin "Mine" does not exist',
    ],
    [
      'names a plugin at a point that it does not have',
      { filter: { enabled: [{ name: 'ImageLocality' }] } },
      'plugin "ImageLocality" does not extend FilterPlugin plugin',
    ],
    [
      'names one for all points that is not there',
      { multiPoint: { enabled: [{ name: 'Mine' }] } },
      'PreFilterPlugin "Mine" does not exist',
    ],
    [
      'names one twice',
      { multiPoint: { enabled: [{ name: 'DefaultBinder' }, { name: 'DefaultBinder' }] } },
      'plugin "DefaultBinder" already registered as "BindPlugin"',
    ],
    [
      'sorts the queue by nothing',
      { queueSort: { disabled: [{ name: '*' }] } },
      'only one queue sort plugin required for profile with scheduler name "default-scheduler", but got 0',
    ],
    [
      'binds nothing',
      { bind: { disabled: [{ name: 'DefaultBinder' }] } },
      'at least one bind plugin is needed for profile with scheduler name "default-scheduler"',
    ],
  ])('that %s is refused', (_, plugins, message) => {
    expect(() => profilesOf({ profiles: [{ plugins: plugins ?? {} }] })).toThrow(WHERE + message);
  });
});

describe('a configuration is refused in upstream’s words', () => {
  const args = (name: string, given: object) => ({ profiles: [{ pluginConfig: [{ name, args: given }] }] });
  test.each<[SchedulerConfiguration, string[]]>([
    [{ parallelism: 0 }, ['parallelism: Invalid value: 0: should be an integer value greater than zero']],
    [{ percentageOfNodesToScore: 101 }, ['percentageOfNodesToScore: Invalid value: 101: not in valid range [0-100]']],
    [
      { podInitialBackoffSeconds: 20, podMaxBackoffSeconds: 10 },
      ['podMaxBackoffSeconds: Invalid value: 10: must be greater than or equal to PodInitialBackoffSeconds'],
    ],
    [
      { profiles: [{ schedulerName: 'a' }, { schedulerName: 'a' }] },
      ['profiles[1].schedulerName: Duplicate value: "profiles[0].schedulerName"'],
    ],
    [{ profiles: [{ schedulerName: 'a' }, {}] }, ['profiles[1].schedulerName: Required value']],
    [
      args('InterPodAffinity', { hardPodAffinityWeight: 101 }),
      ['profiles[0].pluginConfig[0].args.hardPodAffinityWeight: Invalid value: 101: not in valid range [0, 100]'],
    ],
    [
      args('NodeResourcesFit', { scoringStrategy: { type: 'Best' } }),
      [
        'profiles[0].pluginConfig[0].args.scoringStrategy.type: Unsupported value: "Best": supported values: "LeastAllocated", "MostAllocated", "RequestedToCapacityRatio"',
      ],
    ],
    [
      args('NodeResourcesFit', { scoringStrategy: { type: 'RequestedToCapacityRatio' } }),
      [
        'profiles[0].pluginConfig[0].args.scoringStrategy.requestedToCapacityRatio: Required value: must be specified when type is RequestedToCapacityRatio',
      ],
    ],
    [
      args('NodeResourcesFit', { ignoredResourceGroups: ['a/b'] }),
      [
        "profiles[0].pluginConfig[0].args.ignoredResourceGroups[0]: Invalid value: \"a/b\": resource group name can't contain '/'",
      ],
    ],
    [
      args('PodTopologySpread', {
        defaultConstraints: [{ maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable: 'ScheduleAnyway' }],
      }),
      [
        'profiles[0].pluginConfig[0].args.defaultingType: Invalid value: "System": when .defaultConstraints are not empty',
      ],
    ],
    [
      args('VolumeBinding', { bindTimeoutSeconds: -1 }),
      [
        'profiles[0].pluginConfig[0].args.bindTimeoutSeconds: Invalid value: -1: invalid BindTimeoutSeconds, should not be a negative value',
      ],
    ],
    [
      args('DynamicResources', { filterTimeout: '-1s', bindingTimeout: '900ms' }),
      [
        'profiles[0].pluginConfig[0].args.filterTimeout: Invalid value: "-1s": must be zero or positive',
        'profiles[0].pluginConfig[0].args.bindingTimeout: Invalid value: "900ms": must be at least 1 second',
      ],
    ],
    [
      args('DynamicResources', { bindingTimeout: '5 minutes' }),
      [
        'profiles[0].pluginConfig[0].args.bindingTimeout: Invalid value: "5 minutes": time: unknown unit " minutes" in duration "5 minutes"',
      ],
    ],
    [args('DynamicResources', { filterTimeout: '0s', bindingTimeout: '1s' }), []],
    [
      { extenders: [{ urlPrefix: 'x', prioritizeVerb: 'p' }] },
      ['extenders[0].weight: Invalid value: 0: must have a positive weight applied to it'],
    ],
    [
      {
        extenders: [
          { urlPrefix: 'x', bindVerb: 'b' },
          { urlPrefix: 'y', bindVerb: 'b' },
        ],
      },
      ['extenders: Invalid value: "found 2 extenders implementing bind": only one extender can implement bind'],
    ],
    [
      { extenders: [{ urlPrefix: 'x', managedResources: [{ name: 'cpu' }] }] },
      ['extenders[0].managedResources[0].name: Invalid value: "cpu": is an invalid extended resource name'],
    ],
    [{ profiles: [{ schedulerName: 'a' }, { schedulerName: 'b' }], percentageOfNodesToScore: 0 }, []],
  ])('%j', (configuration, texts) => {
    const errors = validateSchedulerConfiguration(configuration);
    expect(errors.map(({ field, message }) => `${field}: ${message}`)).toEqual(texts);
  });
});

async function clusterOf(configuration: SchedulerConfiguration, nodes: Record<string, NodeOptions>) {
  const cluster = await startCluster({ scheduler: profilesOf(configuration) });
  for (const [name, of] of Object.entries(nodes)) {
    await cluster.create(Node, node(name, of));
    await cluster.patch(Node, name, { spec: { taints: null } });
  }
  return cluster;
}
const told = (name: string, given: object): SchedulerConfiguration => ({
  profiles: [{ pluginConfig: [{ name, args: given }] }],
});

test('each of several profiles places the pods that name it, in its own way', async () => {
  const full = { name: 'NodeResourcesFit', args: { scoringStrategy: { type: 'MostAllocated' } } };
  const configuration = { profiles: [{ schedulerName: 'spread' }, { schedulerName: 'pack', pluginConfig: [full] }] };
  await using cluster = await clusterOf(configuration, { node1: {}, node2: {} });
  await cluster.create(Pod, podAsking('there', { cpu: '2', memory: '4Gi' }, { nodeName: 'node1' }));
  for (const schedulerName of ['spread', 'pack'])
    await cluster.create(Pod, podAsking(schedulerName, { cpu: '100m', memory: '100Mi' }, { schedulerName }));
  await cluster.settles();
  const placeOf = (name: string) => cluster.get(Pod, `default/${name}`)?.spec.nodeName;
  expect([placeOf('spread'), placeOf('pack')]).toEqual(['node2', 'node1']);
});

test('node affinity that a profile adds holds for all of its pods', async () => {
  const terms = [{ matchExpressions: [{ key: 'pool', operator: 'In', values: ['mine'] }] }];
  const addedAffinity = { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: terms } };
  await using cluster = await clusterOf(told('NodeAffinity', { addedAffinity }), { node1: {} });
  await cluster.create(Pod, pod('web'));
  await cluster.settles();
  expect(conditionOf(cluster.get(Pod, 'default/web')!, 'PodScheduled')?.message).toContain(
    "1 node(s) didn't match scheduler-enforced node affinity.",
  );
  await cluster.patch(Node, 'node1', { metadata: { labels: { pool: 'mine' } } });
  await cluster.passes(1_000);
  expect(cluster.get(Pod, 'default/web')?.spec.nodeName).toBe('node1');
});

const gpus = async (cluster: TestCluster, devices: NonNullable<ResourceSlice['spec']['devices']>) => {
  await cluster.create(DeviceClass, { metadata: { name: 'gpu' }, spec: { extendedResourceName: 'example.com/gpu' } });
  const pool = { name: 'node1', generation: 1, resourceSliceCount: 1 };
  await cluster.create(ResourceSlice, {
    metadata: { name: 'node1' },
    spec: { driver: 'gpu.example.org', nodeName: 'node1', pool, devices },
  });
};
const askingForGpu = (name: string, spec: object = {}) => {
  const resources = { requests: { 'example.com/gpu': '1' }, limits: { 'example.com/gpu': '1' } };
  return pod(name, { ...spec, containers: [{ name: 'main', image: 'i', resources }] });
};

test('how long devices have to get ready is told', async () => {
  await using cluster = await clusterOf(told('DynamicResources', { bindingTimeout: '30s' }), { node1: {} });
  await gpus(cluster, [
    { name: 'slow', bindingConditions: ['example.org/on'], bindingFailureConditions: ['example.org/off'] },
  ]);
  await cluster.create(Pod, askingForGpu('web'));
  const whyNot = () => conditionOf(cluster.get(Pod, 'default/web')!, 'PodScheduled')?.message;
  await cluster.passes('29s');
  expect(whyNot()).toBeUndefined();
  await cluster.passes('2s');
  expect(whyNot()).toContain('device binding timeout');
});

test.each<[string, (name: string) => ReturnType<typeof pod>, number]>([
  ['devices', (name) => askingForGpu(name, { schedulerName: name }), 1],
  [
    'volumes',
    (name) =>
      pod(name, {
        schedulerName: name,
        volumes: [{ name: 'data', persistentVolumeClaim: { claimName: name } }],
      }),
    1,
  ],
])('profiles of one scheduler know of the %s that others are giving away', async (_, podOf, given) => {
  const pluginConfig = [
    { name: 'VolumeBinding', args: { bindTimeoutSeconds: 5 } },
    { name: 'DynamicResources', args: { bindingTimeout: '5s' } },
  ];
  const configuration = { profiles: [{ schedulerName: 'a' }, { schedulerName: 'b', pluginConfig }] };
  await using cluster = await clusterOf(configuration, { node1: {} });
  await gpus(cluster, [{ name: 'only' }]);
  const storage = { storageClassName: 'slow', accessModes: ['ReadWriteOnce'] as const };
  await cluster.create(StorageClass, {
    metadata: { name: 'slow' },
    ...{ provisioner: 'kubernetes.io/no-provisioner', volumeBindingMode: 'WaitForFirstConsumer' },
  } as never);
  await cluster.create(PersistentVolume, {
    metadata: { name: 'only' },
    spec: { ...storage, capacity: { storage: '1Gi' }, csi: { driver: 'd', volumeHandle: 'h' } },
  } as never);
  await cluster.patch(PersistentVolume, { name: 'only', subresource: 'status' }, { status: { phase: 'Available' } });
  for (const name of ['a', 'b'])
    await cluster.create(PersistentVolumeClaim, {
      metadata: { name, namespace: 'default' },
      spec: { ...storage, resources: { requests: { storage: '1Gi' } } },
    } as never);
  await Promise.all(['a', 'b'].map((name) => cluster.create(Pod, podOf(name))));
  await cluster.settles();
  const refused = cluster.list(Pod).filter((each) => conditionOf(each, 'PodScheduled')?.reason === 'Unschedulable');
  expect(refused).toHaveLength(given);
});
