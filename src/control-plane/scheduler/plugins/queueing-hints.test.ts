/** Which changes bring back a pod that a plugin has refused. */
import { expect, test } from 'vitest';
import { Node } from '#api/core/v1/node.ts';
import { Pod } from '#api/core/v1/pod.ts';
import type { Kind } from '#api/machinery/kind.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { DeviceClass } from '#api/resource/v1/device-class.ts';
import type { ClusterChange, Plugin } from '../define-plugin.ts';
import { nodeAffinity } from './node-affinity.ts';
import { nodePorts } from './node-ports.ts';
import { nodeResourcesFit } from './node-resources-fit.ts';
import { nodeUnschedulable } from './node-unschedulable.ts';
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
