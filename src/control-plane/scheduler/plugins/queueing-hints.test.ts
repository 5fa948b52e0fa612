/** Which changes bring back a pod that a plugin has refused. */
import { expect, test } from 'vitest';
import { Node } from '#api/core/v1/node.ts';
import { Pod } from '#api/core/v1/pod.ts';
import type { Kind } from '#api/machinery/kind.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { DeviceClass } from '#api/resource/v1/device-class.ts';
import type { ClusterChange, Plugin } from '../define-plugin.ts';
import { interPodAffinity } from './inter-pod-affinity.ts';
import { nodeAffinity } from './node-affinity.ts';
import { nodeDeclaredFeatures } from './node-declared-features.ts';
import { nodePorts } from './node-ports.ts';
import { nodeResourcesFit } from './node-resources-fit.ts';
import { nodeUnschedulable } from './node-unschedulable.ts';
import { podTopologySpread } from './pod-topology-spread.ts';
import { taintToleration } from './taint-toleration.ts';

const helps = ({ retryWhen = [] }: Plugin, change: ClusterChange, pod: Pod) =>
  retryWhen.some((hint) => (hint.concerns?.(change) ?? true) && hint(change, pod));
const change = (kind: Kind, now: object | undefined, before?: object): ClusterChange => ({
  kind,
  now: now as KubeObject | undefined,
  before: before as KubeObject | undefined,
});

const node = (spec: object, more: { labels?: object; allocatable?: object } = {}) => ({
  metadata: { name: 'n', labels: more.labels ?? {} },
  spec,
  status: { allocatable: { pods: '10', cpu: '4', memory: '4Gi', ...more.allocatable } },
});
const pod = (spec: object, name = 'other') =>
  ({ metadata: { name, uid: name }, spec: { containers: [], ...spec }, status: {} }) as unknown as Pod;
const asking = (requests: object, more: object = {}, name = 'other') =>
  pod({ containers: [{ name: 'c', resources: { requests } }], ...more }, name);
const listening = (hostPort: number, more: object = {}) =>
  pod({ containers: [{ name: 'c', ports: [{ hostPort, containerPort: 1, protocol: 'TCP' }] }], ...more });

const barred = { taints: [{ key: 'k', effect: 'NoSchedule' }] };
const soft = { taints: [{ key: 'k', effect: 'PreferNoSchedule' }] };
const ssd = pod({ nodeSelector: { disk: 'ssd' } });
const labelled = (disk: string) => node({}, { labels: { disk } });
const declaring = (...declaredFeatures: string[]) => ({ ...node({}), status: { declaredFeatures } });
const gpus = (amount: string) => node({}, { allocatable: { 'example.com/gpu': amount } });
const cpu = asking({ cpu: '2' });
const gpu = asking({ 'example.com/gpu': '1' });

test.each<[string, Plugin, ClusterChange, Pod, boolean]>([
  ['a node that is wanted', nodeAffinity, change(Node, labelled('ssd')), ssd, true],
  ['a node that is not wanted', nodeAffinity, change(Node, labelled('hdd')), ssd, false],
  ['a node that has become a wanted one', nodeAffinity, change(Node, labelled('ssd'), labelled('hdd')), ssd, true],
  ['a node that is no longer wanted', nodeAffinity, change(Node, labelled('hdd'), labelled('ssd')), ssd, false],
  ['a new node', nodeUnschedulable, change(Node, node({})), cpu, true],
  ['a new node that is cordoned', nodeUnschedulable, change(Node, node({ unschedulable: true })), cpu, false],
  ['a node uncordoned', nodeUnschedulable, change(Node, node({}), node({ unschedulable: true })), cpu, true],
  ['a node cordoned', nodeUnschedulable, change(Node, node({ unschedulable: true }), node({})), cpu, false],
  ['a new node that may declare', nodeDeclaredFeatures, change(Node, declaring('A')), cpu, true],
  ['a node that declares more', nodeDeclaredFeatures, change(Node, declaring('A'), declaring()), cpu, true],
  ['a node that declares the same', nodeDeclaredFeatures, change(Node, declaring('A'), declaring('A')), cpu, false],
  ['a taint taken away', taintToleration, change(Node, node({}), node(barred)), cpu, true],
  ['a taint that has become soft', taintToleration, change(Node, node(soft), node(barred)), cpu, true],
  ['a taint put on', taintToleration, change(Node, node(barred), node({})), cpu, false],
  ['a soft taint taken away', taintToleration, change(Node, node({}), node(soft)), cpu, false],
  ['a port set free', nodePorts, change(Pod, undefined, listening(80, { nodeName: 'n' })), listening(80), true],
  ['another port set free', nodePorts, change(Pod, undefined, listening(81, { nodeName: 'n' })), listening(80), false],
  ['a pod gone', nodeResourcesFit, change(Pod, undefined, asking({}, { nodeName: 'n' })), cpu, true],
  [
    'a pod that takes less of what is asked for',
    nodeResourcesFit,
    change(Pod, asking({ cpu: '1' }, { nodeName: 'n' }, 'x'), asking({ cpu: '2' }, { nodeName: 'n' }, 'x')),
    cpu,
    true,
  ],
  [
    'a pod that takes less of something else',
    nodeResourcesFit,
    change(Pod, asking({ memory: '1' }, { nodeName: 'n' }, 'x'), asking({ memory: '2' }, { nodeName: 'n' }, 'x')),
    cpu,
    false,
  ],
  ['a pod itself', nodeResourcesFit, change(Pod, asking({ cpu: '1' }), cpu), cpu, true],
  ['a node that has room', nodeResourcesFit, change(Node, node({})), cpu, true],
  ['a node that is too small', nodeResourcesFit, change(Node, node({})), asking({ cpu: '8' }), false],
  [
    'a node that has more of something else',
    nodeResourcesFit,
    change(Node, node({}, { allocatable: { memory: '8Gi' } }), node({})),
    cpu,
    false,
  ],
  ['a node that counts more devices', nodeResourcesFit, change(Node, gpus('2'), gpus('1')), gpu, true],
  ['a node with fewer devices', nodeResourcesFit, change(Node, gpus('1'), gpus('2')), gpu, false],
  [
    'a class for an extended resource',
    nodeResourcesFit,
    change(DeviceClass, { metadata: { name: 'd' }, spec: { extendedResourceName: 'example.com/gpu' } }),
    gpu,
    true,
  ],
  [
    'a class for another one',
    nodeResourcesFit,
    change(DeviceClass, { metadata: { name: 'd' }, spec: { extendedResourceName: 'example.com/nic' } }),
    gpu,
    false,
  ],
])('%s', (_, plugin, changed, waiting, isHelp) => {
  expect(helps(plugin, changed, waiting)).toBe(isHelp);
});

const web = (labels: object, more: object = {}, name = 'other') =>
  ({
    metadata: { name, uid: name, namespace: 'default', labels },
    spec: { containers: [], nodeName: 'n', ...more },
    status: {},
  }) as unknown as Pod;
const term = (app: string, more: object = {}) => ({
  topologyKey: 'zone',
  labelSelector: { matchLabels: { app } },
  ...more,
});
const affinity = (podAffinity: object[], podAntiAffinity: object[] = []) => ({
  nodeName: undefined,
  affinity: {
    podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: podAffinity },
    podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: podAntiAffinity },
  },
});
const beside = web({ app: 'me' }, affinity([term('db')]), 'beside');
const away = web({ app: 'me' }, affinity([], [term('db'), term('cache')]), 'away');
const plain = web({ app: 'me' }, { nodeName: undefined }, 'plain');
const anywhere = web({ app: 'me' }, affinity([term('db', { namespaceSelector: { matchLabels: { a: 'b' } } })]), 'any');
const elsewhere = (pod: Pod) => ({ ...pod, metadata: { ...pod.metadata, namespace: 'other' } });
const zone = (name?: string, taints?: object[]) =>
  node({ ...(taints && { taints }) }, { labels: { ...(name && { zone: name }) } });

test.each<[string, ClusterChange, Pod, boolean]>([
  ['a pod to be beside', change(Pod, web({ app: 'db' })), beside, true],
  ['some other pod', change(Pod, web({ app: 'cache' })), beside, false],
  ['a pod to be beside in another namespace', change(Pod, elsewhere(web({ app: 'db' }))), beside, false],
  ['one in a namespace that may be meant', change(Pod, elsewhere(web({ app: 'db' }))), anywhere, true],
  ['a pod that has become one to be beside', change(Pod, web({ app: 'db' }), web({ app: 'x' })), beside, true],
  ['one that is so still', change(Pod, web({ app: 'db', more: 'x' }), web({ app: 'db' })), beside, false],
  ['the last one to be beside gone', change(Pod, undefined, web({ app: 'db' })), beside, true],
  ['a pod to be away from', change(Pod, web({ app: 'db' })), away, false],
  ['a pod to be away from gone', change(Pod, undefined, web({ app: 'db' })), away, true],
  ['some other pod gone', change(Pod, undefined, web({ app: 'x' })), away, false],
  ['one that is not to be away from any more', change(Pod, web({ app: 'x' }), web({ app: 'cache' })), away, true],
  [
    'a pod gone that wanted to be without this one',
    change(Pod, undefined, web({ app: 'x' }, { ...affinity([], [term('me')]), nodeName: 'n' })),
    plain,
    true,
  ],
  ['a pod gone that wanted nothing', change(Pod, undefined, web({ app: 'x' })), plain, false],
  ['a node of the topology', change(Node, zone('a')), beside, true],
  ['a node without the topology', change(Node, zone()), beside, false],
  ['a node that is of another domain now', change(Node, zone('a'), zone('b')), beside, true],
  ['a node with other labels', change(Node, { ...zone('a'), x: 1 }, zone('a')), beside, false],
  ['any new node', change(Node, zone()), away, true],
  ['a node that has left its domain', change(Node, zone(), zone('a')), away, true],
  ['a node that has come into a domain', change(Node, zone('a'), zone()), away, false],
])('%s: InterPodAffinity says whether a pod is tried again', (_, what, waiting, expected) => {
  expect(helps(interPodAffinity, what, waiting)).toBe(expected);
});

const spread = web(
  { app: 'me' },
  {
    nodeName: undefined,
    topologySpreadConstraints: [
      {
        topologyKey: 'zone',
        maxSkew: 1,
        whenUnsatisfiable: 'DoNotSchedule',
        labelSelector: { matchLabels: { app: 'me' } },
      },
    ],
  },
  'spread',
);

test.each<[string, ClusterChange, boolean]>([
  ['a pod that counts', change(Pod, web({ app: 'me' })), true],
  ['a pod that counts gone', change(Pod, undefined, web({ app: 'me' })), true],
  ['a pod that does not count', change(Pod, web({ app: 'x' })), false],
  ['a pod of another namespace', change(Pod, elsewhere(web({ app: 'me' }))), false],
  ['a pod that counts no more', change(Pod, web({ app: 'x' }), web({ app: 'me' })), true],
  ['other labels of one that counts', change(Pod, web({ app: 'me', more: 'x' }), web({ app: 'me' })), false],
  ['a node of a domain', change(Node, zone('a')), true],
  ['a node without a domain', change(Node, zone()), false],
  ['a node of a domain gone', change(Node, undefined, zone('a')), true],
  ['a node without a domain gone', change(Node, undefined, zone()), false],
  ['a node of another domain now', change(Node, zone('a'), zone('b')), true],
  ['a node with other taints', change(Node, zone('a', [{ key: 'k', effect: 'NoSchedule' }]), zone('a')), true],
  [
    'taints of a node without a domain',
    change(Node, zone(undefined, [{ key: 'k', effect: 'NoSchedule' }]), zone()),
    false,
  ],
])('%s: PodTopologySpread says whether a pod is tried again', (_, what, expected) => {
  expect(helps(podTopologySpread, what, spread)).toBe(expected);
});

test('a pod whose resize is over, and has less now, brings back one that needs it', () => {
  const resizing = (cpu: string) => ({
    ...asking({ cpu: '1' }, { nodeName: 'n' }, 'resizing'),
    status: { containerStatuses: [{ name: 'c', resources: { requests: { cpu } } }] },
  });
  expect(helps(nodeResourcesFit, change(Pod, resizing('1'), resizing('3')), cpu)).toBe(true);
  expect(helps(nodeResourcesFit, change(Pod, resizing('3'), resizing('1')), cpu)).toBe(false);
});
