import { expect, test } from 'vitest';
import { Event } from '#api/core/v1/event.ts';
import { Node } from '#api/core/v1/node.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { DEFAULT_CONFIGURATION, type KubeletConfiguration } from '#api/kubelet-config/kubelet-configuration.ts';
import { type Fixture, IMAGE, withKubelet } from '../../../../test/node/simulated-kubelet.ts';
import type { Observation, PodUsage, Signal, Usage } from './usage.ts';

const MI = 1024 ** 2;
const GI = 1024 ** 3;
const nothing: PodUsage = { memoryBytes: 0, diskBytes: 0, inodes: 0, processes: 0, containers: [], volumes: new Map() };

/** Usage as the test says it: of the node by signal, of pods by name. */
class SaidUsage implements Usage {
  signals = new Map<Signal, Observation>();
  used = new Map<string, Partial<PodUsage>>();
  node = async () => new Map(this.signals);
  pods = async (pods: readonly Pod[]) =>
    new Map(
      pods.map(({ metadata }): [string, PodUsage] => [metadata.uid, { ...nothing, ...this.used.get(metadata.name) }]),
    );
}

function withUsage(
  configuration: Partial<KubeletConfiguration>,
  body: (fixture: Fixture, usage: SaidUsage) => Promise<void>,
): Promise<void> {
  const usage = new SaidUsage();
  const kubelet = { usage, configuration: { ...DEFAULT_CONFIGURATION, ...configuration } };
  return withKubelet({ kubelet }, (fixture) => body(fixture, usage));
}

const requesting = (memory: string) => ({
  containers: [{ name: 'main', image: IMAGE, resources: { requests: { memory } } }],
});
const memory = (availableBytes: number): [Signal, Observation] => [
  'memory.available',
  { available: availableBytes, capacity: 4 * GI },
];
const using = (bytes: number): Partial<PodUsage> => ({
  memoryBytes: bytes,
  containers: [{ name: 'main', memoryBytes: bytes }],
});
const conditionOf = ({ cluster }: Fixture, type: string) =>
  cluster.get(Node, 'node-1')?.status?.conditions?.find((condition) => condition.type === type);
const failed = ({ cluster }: Fixture) =>
  cluster
    .list(Pod)
    .filter(({ status }) => status?.phase === 'Failed')
    .map(({ metadata }) => metadata.name)
    .sort();

test('a node out of memory says so, and ends who uses most above its request, in upstream’s words', () =>
  withUsage({}, async (fixture, usage) => {
    await fixture.create('modest', requesting('2Gi'));
    await fixture.create('greedy', requesting('100Mi'));
    await fixture.create('idle');
    usage.used = new Map([
      ['modest', using(GI)],
      ['greedy', using(700 * MI + 4096)],
      ['idle', using(MI)],
    ]);
    usage.signals = new Map([memory(50 * MI)]);
    await fixture.cluster.passes(11_000);
    const message =
      'The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi. ' +
      'Container main was using 716804Ki, request is 100Mi, has larger consumption of memory. ';
    expect(failed(fixture)).toEqual(['greedy']);
    expect(fixture.pod('greedy')?.status).toMatchObject({ reason: 'Evicted', message });
    expect(fixture.pod('greedy')?.status?.conditions).toContainEqual(
      expect.objectContaining({ type: 'DisruptionTarget', status: 'True', reason: 'TerminationByKubelet', message }),
    );
    expect(conditionOf(fixture, 'MemoryPressure')).toMatchObject({
      status: 'True',
      reason: 'KubeletHasInsufficientMemory',
      message: 'kubelet has insufficient memory available',
    });
    expect(fixture.runtime.calls).toContain('StopContainer main 2');
    const told = fixture.cluster.list(Event).map(({ reason, message: text }) => `${reason} ${text}`);
    expect(told).toContain(`Evicted ${message}`);
    expect(told).toContain('EvictionThresholdMet Attempting to reclaim memory');
  }));

test('one pod goes at a time, by priority among those above their requests, and critical ones never', () =>
  withUsage({}, async (fixture, usage) => {
    for (const [name, spec] of [
      ['first', {}],
      ['second', {}],
    ] as const)
      await fixture.create(name, spec);
    await fixture.cluster.passes(1_000);
    usage.used = new Map([
      ['first', using(900 * MI)],
      ['second', using(100 * MI)],
    ]);
    usage.signals = new Map([memory(10 * MI)]);
    await fixture.cluster.passes(10_500);
    expect(failed(fixture)).toEqual(['first']);
    await fixture.cluster.passes(10_500);
    expect(failed(fixture)).toEqual(['first', 'second']);
  }));

test('the condition stays for the transition period, and meanwhile best-effort pods are refused', () =>
  withUsage({ evictionPressureTransitionPeriod: '1m0s' }, async (fixture, usage) => {
    usage.signals = new Map([memory(10 * MI)]);
    await fixture.cluster.passes(11_000);
    usage.signals = new Map([memory(2 * GI)]);
    await fixture.cluster.passes(30_000);
    expect(conditionOf(fixture, 'MemoryPressure')?.status).toBe('True');
    await fixture.create('best-effort');
    await fixture.create('burstable', requesting('10Mi'));
    expect(fixture.pod('best-effort')?.status).toMatchObject({
      phase: 'Failed',
      reason: 'Evicted',
      message: 'Pod was rejected: The node had condition: [MemoryPressure]. ',
    });
    expect(fixture.pod('burstable')?.status?.phase).toBe('Running');
    await fixture.cluster.passes(45_000);
    expect(conditionOf(fixture, 'MemoryPressure')).toMatchObject({
      status: 'False',
      reason: 'KubeletHasSufficientMemory',
    });
  }));

test('a soft threshold waits for its grace, and gives the pod a longer one', () =>
  withUsage(
    {
      evictionHard: {},
      evictionSoft: { 'memory.available': '1Gi' },
      evictionSoftGracePeriod: { 'memory.available': '1m' },
      evictionMaxPodGracePeriod: 20,
    },
    async (fixture, usage) => {
      await fixture.create('web');
      usage.used = new Map([['web', using(500 * MI)]]);
      usage.signals = new Map([memory(800 * MI)]);
      await fixture.cluster.passes(55_000);
      expect(conditionOf(fixture, 'MemoryPressure')?.status).toBe('True');
      expect(failed(fixture)).toEqual([]);
      await fixture.cluster.passes(20_000);
      expect(failed(fixture)).toEqual(['web']);
      expect(fixture.runtime.calls).toContain('StopContainer main 20');
    },
  ));

test('a threshold once met stays so until the minimum to reclaim is free', () =>
  withUsage(
    { evictionHard: { 'memory.available': '100Mi' }, evictionMinimumReclaim: { 'memory.available': '200Mi' } },
    async (fixture, usage) => {
      await fixture.create('one');
      await fixture.create('two');
      usage.used = new Map([
        ['one', using(500 * MI)],
        ['two', using(10 * MI)],
      ]);
      usage.signals = new Map([memory(50 * MI)]);
      await fixture.cluster.passes(10_500);
      usage.signals = new Map([memory(250 * MI)]);
      await fixture.cluster.passes(10_500);
      expect(failed(fixture)).toEqual(['one', 'two']);
    },
  ));

test('a full disk is freed of unused images before anybody is ended', () =>
  withUsage({ imageMinimumGCAge: '1s' }, async (fixture, usage) => {
    await fixture.create('web');
    fixture.runtime.addImage('example/unused:1');
    await fixture.cluster.passes(35_000);
    const disk = (): [Signal, Observation] => ['nodefs.available', { available: GI, capacity: 100 * GI }];
    const remove = fixture.runtime.removeImage.bind(fixture.runtime);
    fixture.runtime.removeImage = async (name) => {
      await remove(name);
      usage.signals = new Map([['nodefs.available', { available: 50 * GI, capacity: 100 * GI }]]);
    };
    usage.signals = new Map([disk()]);
    await fixture.cluster.passes(10_500);
    expect((await fixture.runtime.listImages()).flatMap(({ repoTags }) => repoTags)).toEqual([IMAGE]);
    expect(failed(fixture)).toEqual([]);
    expect(conditionOf(fixture, 'DiskPressure')).toMatchObject({ status: 'True', reason: 'KubeletHasDiskPressure' });
    usage.signals = new Map([disk()]);
    usage.used = new Map([['web', { diskBytes: 2 * GI, containers: [{ name: 'main', diskBytes: 2 * GI }] }]]);
    await fixture.cluster.passes(10_500);
    expect(fixture.pod('web')?.status).toMatchObject({
      reason: 'Evicted',
      message:
        'The node was low on resource: ephemeral-storage. Threshold quantity: 10Gi, available: 1Gi. ' +
        'Container main was using 2Gi, request is 0, has larger consumption of ephemeral-storage. ',
    });
  }));

for (const [what, spec, used, message] of [
  [
    'a volume larger than its limit',
    { volumes: [{ name: 'cache', emptyDir: { sizeLimit: '1Mi' } }] },
    { volumes: new Map([['cache', 2 * MI]]) },
    'Usage of EmptyDir volume "cache" exceeds the limit "1Mi". ',
  ],
  [
    'a container that writes more than its limit',
    {
      containers: [
        { name: 'main', image: IMAGE, resources: { limits: { 'ephemeral-storage': '1Mi' } } },
        { name: 'other', image: IMAGE, resources: { limits: { 'ephemeral-storage': '9Mi' } } },
      ],
    },
    { diskBytes: 2 * MI, containers: [{ name: 'main', diskBytes: 2 * MI }] },
    'Container main exceeded its local ephemeral storage limit "1Mi". ',
  ],
  [
    'a pod that writes more than its containers may together',
    { containers: [{ name: 'main', image: IMAGE, resources: { limits: { 'ephemeral-storage': '1Mi' } } }] },
    { diskBytes: 2 * MI },
    'Pod ephemeral local storage usage exceeds the total limit of containers 1Mi. ',
  ],
] as const)
  test(`${what} ends its pod`, () =>
    withUsage({}, async (fixture, usage) => {
      await fixture.create('web', spec as object);
      await fixture.cluster.passes(11_000);
      expect(failed(fixture)).toEqual([]);
      usage.used = new Map([['web', used as Partial<PodUsage>]]);
      await fixture.cluster.passes(11_000);
      expect(fixture.pod('web')?.status).toMatchObject({ phase: 'Failed', reason: 'Evicted', message });
    }));

test('processes that run out make PIDPressure', () =>
  withUsage({ evictionHard: { 'pid.available': '10%' } }, async (fixture, usage) => {
    usage.signals = new Map([['pid.available', { available: 100, capacity: 32_768 }]]);
    await fixture.cluster.passes(11_000);
    expect(conditionOf(fixture, 'PIDPressure')).toMatchObject({
      status: 'True',
      reason: 'KubeletHasInsufficientPID',
      message: 'kubelet has insufficient PID available',
    });
  }));
