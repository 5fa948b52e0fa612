/** The workloads of upstream's scheduler_perf that are measured here: nodes, pods and numbers are theirs. */
import { containersAsking, nodeName, type PodSpec, type SchedulingCluster } from './scheduling-cluster.ts';
import type { Size, Workload } from './scheduling-rows.ts';

const ZONE = 'topology.kubernetes.io/zone';
const WRITES =
  'creating a pod and its binding share the thread with the scheduler, and so do those of its Events that are written before the last pod has its node (none waits longer than 10 s)';

/** 4 of them leave 400m of a node's 4 CPUs. */
const LOW: PodSpec = {
  terminationGracePeriodSeconds: 0,
  priority: 0,
  containers: containersAsking({ cpu: '900m', memory: '500Mi' }),
};
/** Takes the place of 3 of those. */
const HIGH: PodSpec = { priority: 10, containers: containersAsking({ cpu: '3000m', memory: '500Mi' }) };
const PREEMPTOR_EVERY_MS = 200;
const GREEN = { color: 'green' };

const IN_ZONES = { spec: inZones('zone1', 'zone2') };

export const WORKLOADS: Readonly<Record<string, Workload>> = {
  'scheduler-basic': plain({
    target: 1_500,
    gates: [270, 680],
    sizes: upTo({ nodes: 5_000, initial: 1_000, pods: 10_000 }),
    measured: {},
  }),
  'scheduler-affinity': plain({
    target: 1_200,
    gates: [220, 220],
    sizes: upTo({ nodes: 5_000, initial: 5_000, pods: 10_000 }),
    labels: () => ({ [ZONE]: 'zone1' }),
    initial: IN_ZONES,
    measured: IN_ZONES,
  }),
  'scheduler-spread': plain({
    target: 700,
    gates: [85, 460],
    sizes: upTo({ nodes: 5_000, initial: 5_000, pods: 5_000 }),
    labels: (index) => ({ [ZONE]: `moon-${(index % 3) + 1}` }),
    measured: { labels: { color: 'blue' }, spec: spreadOverZones({ color: 'blue' }) },
  }),
  'scheduler-antiaffinity': plain({
    target: 300,
    gates: [60, 60],
    sizes: [
      { nodes: 100, initial: 10, pods: 80 },
      { nodes: 1_000, initial: 100, pods: 800 },
      { nodes: 5_000, initial: 1_000, pods: 2_000 },
    ],
    initial: { namespace: 'sched-0', labels: GREEN, spec: alone() },
    measured: { namespace: 'sched-1', labels: GREEN, spec: alone() },
  }),
  'scheduler-preemption': {
    target: 900,
    gates: [160, 570],
    limit: WRITES,
    sizes: [
      { nodes: 100, initial: 400, pods: 200 },
      { nodes: 1_000, initial: 4_000, pods: 2_000 },
      { nodes: 5_000, initial: 20_000, pods: 5_000 },
    ],
    prepare: filledWithLow,
    measured: {},
    beside(cluster) {
      let made = 0;
      const timer = setInterval(() => {
        void cluster.makePods({ count: 1, prefix: `high-${made++}`, spec: HIGH });
      }, PREEMPTOR_EVERY_MS);
      return () => clearInterval(timer);
    },
  },
  'scheduler-preemption-only': {
    limit: 'three deletions, their conditions and Events for every pod, and a try before and after',
    sizes: [
      { nodes: 100, initial: 400, pods: 100 },
      { nodes: 1_000, initial: 4_000, pods: 1_000 },
      { nodes: 5_000, initial: 20_000, pods: 5_000 },
    ],
    prepare: filledWithLow,
    measured: { spec: HIGH },
  },
  'scheduler-daemonset': {
    target: 2_000,
    gates: [390, 1_100],
    limit: WRITES,
    sizes: [
      { nodes: 100, initial: 0, pods: 1_000 },
      { nodes: 1_000, initial: 0, pods: 3_000 },
      { nodes: 15_000, initial: 0, pods: 30_000 },
    ],
    async prepare(cluster, { nodes }) {
      await cluster.makeNode(
        'scheduler-perf-node',
        { 'kubernetes.io/hostname': 'scheduler-perf-node' },
        { pods: '90000' },
      );
      await cluster.makeNodes(nodes);
      cluster.startScheduler();
    },
    measured: {
      spec: {
        containers: [{ name: 'pause', image: 'registry.example/pause:3.10' }],
        affinity: {
          nodeAffinity: {
            requiredDuringSchedulingIgnoredDuringExecution: {
              nodeSelectorTerms: [
                { matchFields: [{ key: 'metadata.name', operator: 'In', values: ['scheduler-perf-node'] }] },
              ],
            },
          },
        },
      },
    },
  },
};

type Pods = Workload['measured'];

/** Nodes that differ by their labels at most, pods that are there before, and the measured ones. */
function plain({
  labels,
  initial,
  ...workload
}: Omit<Workload, 'limit' | 'prepare'> & { labels?(index: number): Record<string, string>; initial?: Pods }): Workload {
  return {
    ...workload,
    limit: WRITES,
    async prepare(cluster, { nodes, initial: count }) {
      await cluster.makeNodes(nodes, labels);
      cluster.startScheduler();
      await cluster.schedule({ count, prefix: 'initial', ...initial });
    },
  };
}

/** How it grows until the size of upstream's. */
function upTo(whole: Size): Size[] {
  return [{ nodes: 100, initial: 100, pods: 1_000 }, { nodes: 1_000, initial: 1_000, pods: 3_000 }, whole];
}

/** Full nodes. The pods name theirs: how fast they are placed, other workloads say. */
async function filledWithLow(cluster: SchedulingCluster, { nodes, initial }: Size): Promise<void> {
  await cluster.makeNodes(nodes);
  cluster.startScheduler();
  await cluster.schedule({ count: initial, prefix: 'initial', spec: LOW, nodeOf: (index) => nodeName(index % nodes) });
}

function inZones(...values: string[]): PodSpec {
  return {
    affinity: {
      nodeAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: {
          nodeSelectorTerms: [{ matchExpressions: [{ key: ZONE, operator: 'In', values }] }],
        },
      },
    },
  } as PodSpec;
}

function spreadOverZones(matchLabels: Record<string, string>): PodSpec {
  return {
    topologySpreadConstraints: [
      { maxSkew: 5, topologyKey: ZONE, whenUnsatisfiable: 'DoNotSchedule', labelSelector: { matchLabels } },
    ],
  } as PodSpec;
}

function alone(): PodSpec {
  return {
    affinity: {
      podAntiAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: [
          {
            labelSelector: { matchLabels: GREEN },
            topologyKey: 'kubernetes.io/hostname',
            namespaces: ['sched-1', 'sched-0'],
          },
        ],
      },
    },
  } as PodSpec;
}
