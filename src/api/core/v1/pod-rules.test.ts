import { describe, expect, test } from 'vitest';
import type * as schema from '#api/generated/schema.ts';
import { matchesNodeSelector, preferenceFor, wantsNode } from './node-affinity.ts';
import { isActive, isAvailable, isReady } from './pod-conditions.ts';
import { qosClassOf } from './pod-qos.ts';
import { isInResize, podLimits, podRequests, specInUse } from './pod-resources.ts';
import { isTolerated, toleratedSeconds, untolerated } from './taint.ts';

type Taint = schema.Taint;
const taint = (effect: Taint['effect'], key = 'a', value?: string): Taint => ({ key, effect, ...(value && { value }) });

test.each<[Taint, schema.Toleration[], boolean]>([
  [taint('NoSchedule'), [], false],
  [taint('NoSchedule'), [{ operator: 'Exists' }], true],
  [taint('NoSchedule'), [{ key: 'a', operator: 'Exists', effect: 'NoExecute' }], false],
  [taint('NoSchedule', 'a', 'x'), [{ key: 'a', value: 'x' }], true],
  [taint('NoSchedule', 'a', 'x'), [{ key: 'a', value: 'y', operator: 'Equal' }], false],
  [taint('NoSchedule', 'a', 'x'), [{ key: 'b', operator: 'Exists' }], false],
  [taint('NoSchedule', 'a', '5'), [{ key: 'a', value: '4', operator: 'Gt' }], true],
  [taint('NoSchedule', 'a', '5'), [{ key: 'a', value: '4', operator: 'Lt' }], false],
])('taint %j is tolerated by %j: %s', (one, tolerations, expected) => {
  expect(isTolerated(one, tolerations)).toBe(expected);
});

test('a pod stays as long as the shortest toleration that is used', () => {
  const taints = [taint('NoExecute'), taint('NoExecute', 'b')];
  const tolerate = (key: string, tolerationSeconds?: number): schema.Toleration => ({
    key,
    operator: 'Exists',
    ...(tolerationSeconds !== undefined && { tolerationSeconds }),
  });
  expect(toleratedSeconds(taints, [tolerate('a', 300)])).toBe(0);
  expect(toleratedSeconds(taints, [tolerate('a', 300), tolerate('b', 60)])).toBe(60);
  expect(toleratedSeconds(taints, [tolerate('a', 300), tolerate('b')])).toBe(300);
  expect(toleratedSeconds(taints, [tolerate('a'), tolerate('b')])).toBeUndefined();
  expect(toleratedSeconds([taint('NoSchedule')], [])).toBeUndefined();
  expect(untolerated([taint('PreferNoSchedule'), taint('NoSchedule')], [])).toEqual([taint('NoSchedule')]);
});

const container = (name: string, requests: object = {}, more: object = {}) => ({
  name,
  resources: { requests },
  ...more,
});
const spec = (more: object) => ({ containers: [], ...more }) as unknown as schema.PodSpec;

test.each<[string, object, object]>([
  [
    'adds up what runs together',
    { containers: [container('a', { cpu: '1' }), container('b', { cpu: '500m', memory: '1Gi' })] },
    { cpu: '1500m', memory: '1Gi' },
  ],
  [
    'takes the largest init container when that is more',
    {
      containers: [container('a', { cpu: '1' })],
      initContainers: [container('i', { cpu: '3' }), container('j', { cpu: '2' })],
    },
    { cpu: '3' },
  ],
  [
    'counts a sidecar beside the others and beside what starts after it',
    {
      containers: [container('a', { cpu: '1' })],
      initContainers: [
        container('early', { cpu: '2' }),
        container('side', { cpu: '1' }, { restartPolicy: 'Always' }),
        container('late', { cpu: '2' }),
      ],
    },
    { cpu: '3' },
  ],
  [
    'adds what the runtime costs',
    { containers: [container('a', { cpu: '1' })], overhead: { cpu: '250m' } },
    { cpu: '1250m' },
  ],
  [
    'believes the pod where it says itself',
    { containers: [container('a', { cpu: '1', memory: '1Gi' })], resources: { requests: { cpu: '4' } } },
    { cpu: '4', memory: '1Gi' },
  ],
  ['is nothing for a pod that asks for nothing', { containers: [container('a')] }, {}],
  [
    'is what the runtime costs where nothing else is',
    { containers: [container('a')], overhead: { cpu: '1' } },
    { cpu: '1' },
  ],
])('what a pod requests %s', (_, more, expected) => {
  expect(podRequests(spec(more))).toEqual(expected);
});

test('what a runtime costs raises only what is limited', () => {
  const limited = { name: 'a', resources: { limits: { memory: '1Gi', cpu: '0' } } };
  const overhead = { memory: '1Gi', cpu: '1', 'ephemeral-storage': '1Gi' };
  expect(podLimits(spec({ containers: [limited], overhead }))).toEqual({ memory: '2Gi', cpu: '0' });
});

describe('a pod that is being resized counts with', () => {
  const resizing = (status: object, { condition = {}, ...more }: { condition?: object } & object = {}) => ({
    spec: spec({
      containers: [container('a', { cpu: '1', memory: '1Gi' }), container('b', { cpu: '1' })],
      initContainers: [container('side', { cpu: '1' }, { restartPolicy: 'Always' }), container('early', { cpu: '1' })],
      ...more,
    }),
    status: {
      conditions: [{ type: 'PodResizePending', status: 'True', ...condition }],
      containerStatuses: [{ name: 'a', ...status }],
    } as unknown as schema.Pod['status'],
  });
  const requests = (pod: ReturnType<typeof resizing>, options = {}) => podRequests(specInUse(pod, options));

  test('what it asks for, where that is the most', () => {
    const resources = { requests: { cpu: '500m', memory: '512Mi' } };
    expect(requests(resizing({ resources, allocatedResources: { cpu: '500m' } }))).toEqual({ cpu: '3', memory: '1Gi' });
  });

  test('what it has, or was given, where that is more', () => {
    const resources = { requests: { cpu: '2', memory: '1Gi' }, limits: { cpu: '4' } };
    const pod = resizing({ resources, allocatedResources: { cpu: '1', memory: '3Gi' } });
    expect(requests(pod)).toEqual({ cpu: '4', memory: '3Gi' });
    expect(podLimits(specInUse(pod))).toEqual({ cpu: '4' });
  });

  test('what it has and was given, when its wish cannot be met', () => {
    const resources = { requests: { cpu: '250m', memory: '1Gi' } };
    const pod = resizing({ resources, allocatedResources: { cpu: '500m' } }, { condition: { reason: 'Infeasible' } });
    expect(requests(pod)).toEqual({ cpu: '2500m', memory: '1Gi' });
  });

  test('what it says of all its containers, where that counts', () => {
    const pod = resizing({}, { resources: { requests: { cpu: '4' } } } as object);
    const status = {
      ...pod.status,
      resources: { requests: { cpu: '6', memory: '1Gi', constructor: '1' } },
      allocatedResources: { cpu: '5' },
    };
    const whole = { ...pod, status } as typeof pod;
    expect(requests(whole)).toEqual({ cpu: '4', memory: '1Gi' });
    expect(requests(whole, { podLevel: true })).toEqual({ cpu: '6', memory: '1Gi' });
  });

  test('its spec, when the status says the same', () => {
    const pod = resizing({ resources: { requests: { cpu: '1', memory: '1Gi' } }, allocatedResources: { cpu: '1' } });
    expect([isInResize(pod), specInUse(pod) === pod.spec]).toEqual([false, true]);
  });
});

test('limits are added up like requests', () => {
  const limited = { name: 'a', resources: { limits: { memory: '1Gi' } } };
  expect(podLimits(spec({ containers: [limited, limited] }))).toEqual({ memory: '2Gi' });
});

test.each<[object[], string]>([
  [[{}], 'BestEffort'],
  [[{ requests: { cpu: '0' } }], 'BestEffort'],
  [[{ requests: { cpu: '1' } }], 'Burstable'],
  [[{ limits: { cpu: '1', memory: '1Gi' } }], 'Guaranteed'],
  [[{ limits: { cpu: '1', memory: '1Gi' }, requests: { cpu: '1000m', memory: '1024Mi' } }], 'Guaranteed'],
  [[{ limits: { cpu: '1', memory: '1Gi' }, requests: { cpu: '500m' } }], 'Burstable'],
  [[{ limits: { cpu: '1', memory: '1Gi' } }, {}], 'Burstable'],
  [[{ limits: { 'example.com/gpu': '1' } }], 'BestEffort'],
])('containers with %j are %s', (resources, expected) => {
  const containers = resources.map((one, i) => ({ name: `c${i}`, resources: one }));
  expect(qosClassOf({ spec: spec({ containers }) })).toBe(expected);
});

const node = (labels: Record<string, string>, name = 'n1') =>
  ({ metadata: { name, labels } }) as unknown as schema.Node;
const term = (key: string, operator: string, ...values: string[]) =>
  ({ matchExpressions: [{ key, operator, values }] }) as unknown as schema.NodeSelectorTerm;

test.each<[schema.NodeSelectorTerm[], boolean]>([
  [[], false],
  [[{}], false],
  [[term('zone', 'In', 'a', 'b')], true],
  [[term('zone', 'NotIn', 'a')], false],
  [[term('none', 'NotIn', 'a')], true],
  [[term('none', 'Exists')], false],
  [[term('zone', 'DoesNotExist')], false],
  [[term('cores', 'Gt', '3')], true],
  [[term('cores', 'Lt', '4')], false],
  [[term('zone', 'Gt', '1')], false],
  [[term('zone', 'In', 'x'), term('cores', 'In', '4')], true],
  [[{ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['n1'] }] }], true],
])('a node in zone a with 4 cores matches %j: %s', (nodeSelectorTerms, expected) => {
  expect(matchesNodeSelector({ nodeSelectorTerms }, node({ zone: 'a', cores: '4' }))).toBe(expected);
});

test('a pod wants a node when selector and affinity both do; preferences add up', () => {
  const affinity = {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [term('zone', 'In', 'a')] },
      preferredDuringSchedulingIgnoredDuringExecution: [
        { weight: 5, preference: term('disk', 'In', 'ssd') },
        { weight: 2, preference: term('zone', 'Exists') },
        { weight: 9, preference: {} },
      ],
    },
  };
  const pod = spec({ affinity, nodeSelector: { disk: 'ssd' } });
  expect(wantsNode(pod, node({ zone: 'a', disk: 'ssd' }))).toBe(true);
  expect(wantsNode(pod, node({ zone: 'a' }))).toBe(false);
  expect(wantsNode(pod, node({ zone: 'b', disk: 'ssd' }))).toBe(false);
  expect(preferenceFor(pod, node({ zone: 'a', disk: 'ssd' }))).toBe(7);
});

test('a pod is active until it ends or is told to, and available after being ready for long enough', () => {
  const pod = (status: object, metadata: object = {}) => ({ metadata, status }) as unknown as schema.Pod;
  expect(isActive(pod({ phase: 'Running' }))).toBe(true);
  expect(isActive(pod({ phase: 'Failed' }))).toBe(false);
  expect(isActive(pod({ phase: 'Running' }, { deletionTimestamp: 'd' }))).toBe(false);
  const ready = pod({ conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: '1970-01-01T00:00:10Z' }] });
  expect(isReady(ready)).toBe(true);
  expect([isAvailable(ready, 0, 0), isAvailable(ready, 10, 19_999), isAvailable(ready, 10, 20_000)]).toEqual([
    true,
    false,
    true,
  ]);
});
