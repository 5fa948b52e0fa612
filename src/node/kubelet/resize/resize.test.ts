import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Event } from '#api/core/v1/event.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { isReady } from '#api/core/v1/pod-conditions.ts';
import type { Node } from '#api/generated/schema.ts';
import { silentLog } from '#base/log.ts';
import { ManualClock } from '#base/manual-clock.ts';
import type { Container, ContainerStats } from '#node/runtime/container.ts';
import { detectMachineFacts } from '#node/runtime/machine-facts.ts';
import { type Fixture, IMAGE, withKubelet } from '../../../../test/node/simulated-kubelet.ts';
import { PodNotes } from '../pod-notes.ts';
import { Allocations } from './allocations.ts';
import { Resizes } from './resizes.ts';

const machine = { ...detectMachineFacts(), cpus: 4, memoryBytes: 8 * 1024 ** 3, cgroups: { version: 'none' } as const };
const guaranteed = (cpu: string, memory: string) => ({ requests: { cpu, memory }, limits: { cpu, memory } });
const containers = (resources: object, more: object = {}) => [{ name: 'main', image: IMAGE, resources, ...more }];

const resize = async ({ cluster }: Fixture, name: string, resources: object) => {
  const patch = { spec: { containers: [{ name: 'main', resources }] } };
  const at = { name, namespace: 'default', subresource: 'resize' };
  await cluster.client.patch(Pod, at, { type: 'strategic', patch });
  await cluster.settles();
};
const conditionOf = ({ pod }: Fixture, name: string, type: string) =>
  pod(name)?.status?.conditions?.find((condition) => condition.type === type);
const eventsOf = ({ cluster }: Fixture) =>
  cluster.list(Event).flatMap(({ reason, message }) => (reason?.startsWith('Resize') ? [`${reason} ${message}`] : []));
const statusOf = ({ pod }: Fixture, name: string) => pod(name)?.status?.containerStatuses?.[0];

test('a running container gets other resources without a restart, and its status says so', () =>
  withKubelet({ kubelet: { machine } }, async (fixture) => {
    await fixture.create('web', { containers: containers(guaranteed('100m', '64Mi')) });
    await resize(fixture, 'web', guaranteed('300m', '128Mi'));
    expect(fixture.runtime.calls.filter((call) => /^(Update|Stop|Start)/.test(call))).toEqual([
      'StartContainer main',
      'UpdateContainerResources main',
    ]);
    expect(fixture.runtime.newest('main')?.resources).toMatchObject({
      cpuShares: 307,
      cpuQuota: 30_000,
      memoryLimitInBytes: 128 * 1024 ** 2,
    });
    expect(statusOf(fixture, 'web')).toMatchObject({
      restartCount: 0,
      allocatedResources: { cpu: '300m', memory: '128Mi' },
      resources: guaranteed('300m', '128Mi'),
    });
    expect(conditionOf(fixture, 'web', 'PodResizeInProgress')).toBeUndefined();
    expect(fixture.pod('web')?.status?.observedGeneration).toBe(2);
    const summary =
      '{"containers":[{"name":"main","resources":{"limits":{"cpu":"300m","memory":"128Mi"},' +
      '"requests":{"cpu":"300m","memory":"128Mi"}}}],"generation":2}';
    expect(eventsOf(fixture)).toEqual([
      `ResizeStarted Pod resize started: ${summary}`,
      `ResizeCompleted Pod resize completed: ${summary}`,
    ]);
  }));

test('a container whose policy asks for it is made anew with what it was given', () =>
  withKubelet({ kubelet: { machine } }, async (fixture) => {
    const resizePolicy = [{ resourceName: 'memory', restartPolicy: 'RestartContainer' }];
    await fixture.create('web', { containers: containers(guaranteed('100m', '64Mi'), { resizePolicy }) });
    await resize(fixture, 'web', guaranteed('200m', '64Mi'));
    expect(statusOf(fixture, 'web')?.restartCount).toBe(0);
    await resize(fixture, 'web', guaranteed('200m', '128Mi'));
    await fixture.cluster.passes(1_000);
    expect(statusOf(fixture, 'web')).toMatchObject({ restartCount: 1, resources: guaranteed('200m', '128Mi') });
    expect(fixture.runtime.newest('main')?.resources?.memoryLimitInBytes).toBe(128 * 1024 ** 2);
    expect(fixture.cluster.list(Event).map(({ message }) => message)).toContain(
      'Container main resize requires restart',
    );
    expect(isReady(fixture.pod('web')!)).toBe(true);
  }));

for (const { what, annotations, requests, message } of [
  {
    what: 'more CPU than the node has',
    annotations: {},
    requests: { cpu: '8' },
    message: "Node didn't have enough capacity: cpu, requested: 8000, capacity: 4000",
  },
  {
    what: 'more memory than the node has',
    annotations: {},
    requests: { cpu: '8', memory: '2Gi' },
    message: "Node didn't have enough capacity: memory, requested: 2147483648, capacity: 1073741824",
  },
  {
    what: 'anything for a static pod',
    annotations: { 'kubernetes.io/config.source': 'file' },
    requests: { cpu: '2' },
    message: 'In-place resize of static-pods is not supported',
  },
])
  test(`${what} is Infeasible, and nothing changes`, async () => {
    const root = mkdtempSync(join(tmpdir(), 'kedge-resize-'));
    try {
      const allocations = await Allocations.open(root, { clock: new ManualClock(), log: silentLog });
      const notes = new PodNotes();
      const told: string[] = [];
      const resizes = new Resizes({
        allocations,
        notes,
        events: { normal: () => undefined, warning: (_pod, _container, reason) => told.push(reason) },
        node: () => ({ status: { allocatable: { cpu: '4', memory: '1Gi', pods: '10' } } }) as unknown as Node,
        pods: () => [],
        onAccepted: () => undefined,
      });
      const asking = (wanted: object): Pod =>
        ({
          metadata: { name: 'web', uid: 'u1', generation: 3, annotations },
          spec: { containers: containers({ requests: wanted }) },
        }) as unknown as Pod;
      const before = asking({ cpu: '1' });
      allocations.allocate(before);
      expect(resizes.decide(asking(requests)).spec).toEqual(before.spec);
      expect(notes.of('u1').resizePending).toEqual({ reason: 'Infeasible', message, generation: 3 });
      expect(told).toEqual(['ResizeInfeasible']);
      resizes.decide(asking({ cpu: '1000m' }));
      expect(notes.of('u1').resizePending).toBeUndefined();
      await allocations.settled();
    } finally {
      rmSync(root, { recursive: true });
    }
  });

test('what others hold is Deferred until one of them goes', () =>
  withKubelet({ kubelet: { machine } }, async (fixture) => {
    await fixture.create('big', {
      containers: containers({ requests: { cpu: '3' } }),
      terminationGracePeriodSeconds: 0,
    });
    await fixture.create('web', { containers: containers({ requests: { cpu: '500m' } }) });
    await resize(fixture, 'web', { requests: { cpu: '2' } });
    expect(conditionOf(fixture, 'web', 'PodResizePending')).toMatchObject({
      status: 'True',
      reason: 'Deferred',
      message: "Node didn't have enough resource: cpu, requested: 2000, used: 3000, capacity: 4000",
    });
    expect(statusOf(fixture, 'web')).toMatchObject({
      allocatedResources: { cpu: '500m' },
      resources: { requests: { cpu: '500m' } },
    });
    expect(eventsOf(fixture)).toEqual([
      expect.stringMatching(/^ResizeDeferred Pod resize Deferred: .*"generation":2,"error":"Node/),
    ]);
    await fixture.cluster.delete(Pod, 'default/big');
    await fixture.cluster.settles();
    expect(conditionOf(fixture, 'web', 'PodResizePending')).toBeUndefined();
    expect(statusOf(fixture, 'web')).toMatchObject({ allocatedResources: { cpu: '2' } });
  }));

test('a limit below what is in use is an error that is told, and tried again', () =>
  withKubelet({ kubelet: { machine } }, async (fixture) => {
    await fixture.create('web', { containers: containers(guaranteed('100m', '128Mi')) });
    let used = 100 * 1024 ** 2;
    const stats = (id: string) => ({ id, memoryUsageBytes: used }) as ContainerStats;
    fixture.runtime.listContainerStats = async () =>
      (await fixture.runtime.listContainers()).map(({ id }: Container) => stats(id));
    await resize(fixture, 'web', guaranteed('100m', '64Mi'));
    expect(conditionOf(fixture, 'web', 'PodResizeInProgress')).toMatchObject({
      status: 'True',
      reason: 'Error',
      message:
        'cannot decrease memory limits: attempting to set container "main" memory limit (67108864) below current usage (104857600)',
    });
    expect(statusOf(fixture, 'web')?.resources).toEqual(guaranteed('100m', '128Mi'));
    used = 1024;
    await fixture.cluster.passes(11_000);
    expect(conditionOf(fixture, 'web', 'PodResizeInProgress')).toBeUndefined();
    expect(statusOf(fixture, 'web')?.resources).toEqual(guaranteed('100m', '64Mi'));
  }));

test('a kubelet that begins again knows what it gave, and finishes what it had begun', () =>
  withKubelet({ kubelet: { machine } }, async (fixture) => {
    await fixture.create('web', { containers: containers(guaranteed('100m', '64Mi')) });
    await fixture.create('big', { containers: containers({ requests: { cpu: '3' } }) });
    await resize(fixture, 'web', guaranteed('2', '64Mi'));
    await fixture.restart();
    await fixture.cluster.settles();
    expect(conditionOf(fixture, 'web', 'PodResizePending')?.reason).toBe('Deferred');
    expect(statusOf(fixture, 'web')).toMatchObject({ restartCount: 0, allocatedResources: { cpu: '100m' } });
  }));
