/** GET /metrics, /metrics/resource and /metrics/probes. Names and texts are upstream's. */
import type { Kubelet } from '../kubelet.ts';
import type { VolumeStats } from '../volumes/volume-usage.ts';
import { claimMetrics, podStartMetrics, runtimeOperationMetrics } from './duration-metrics.ts';
import type { Summary } from './stats.ts';
import { type Family, familyText, type Sample } from './text-format.ts';

const NS_PER_SECOND = 1e9;

/** Of the kubelet itself. */
export async function kubeletMetrics(kubelet: Kubelet): Promise<string> {
  const [sandboxes, containers] = await Promise.all([
    kubelet.runtime.listPodSandboxes(),
    kubelet.runtime.listContainers(),
  ]);
  const states = grouped(containers);
  const usage = process.resourceUsage();
  const gauge = (name: string, help: string, samples: Sample[]) => familyText({ name, help, type: 'gauge' }, samples);
  return [
    gauge('kubelet_node_name', '[ALPHA] The node’s name. The count is always 1.', [
      { labels: { node: kubelet.nodeName }, value: 1 },
    ]),
    gauge('kubelet_running_pods', '[BETA] Number of pods that have a running pod sandbox', [
      { value: sandboxes.filter(({ state }) => state === 'SANDBOX_READY').length },
    ]),
    gauge(
      'kubelet_running_containers',
      '[BETA] Number of containers currently running',
      [...states].map(([state, list]) => ({
        labels: { container_state: state.replace('CONTAINER_', '').toLowerCase() },
        value: list.length,
      })),
    ),
    podStartMetrics(kubelet.podStarts),
    userNamespaceMetrics(kubelet),
    claimMetrics(kubelet.claims),
    runtimeOperationMetrics(kubelet.operations),
    ...(await volumeGauges(kubelet)).map(({ name, help, samples }) => gauge(name, help, samples)),
    gauge('process_resident_memory_bytes', 'Resident memory size in bytes.', [{ value: process.memoryUsage.rss() }]),
    familyText(
      { name: 'process_cpu_seconds_total', help: 'Total user and system CPU time spent in seconds.', type: 'counter' },
      [{ value: (usage.userCPUTime + usage.systemCPUTime) / 1e6 }],
    ),
  ].join('');
}

export const userNamespaceMetrics = ({ userNamespaceStarts }: Pick<Kubelet, 'userNamespaceStarts'>): string =>
  [
    familyText(
      {
        name: 'kubelet_started_user_namespaced_pods_errors_total',
        help: `[ALPHA] Cumulative number of errors when starting pods with user namespaces. ${LINUX_ONLY}`,
        type: 'counter',
      },
      [{ value: userNamespaceStarts.failed }],
    ),
    familyText(
      {
        name: 'kubelet_started_user_namespaced_pods_total',
        help: `[ALPHA] Cumulative number of pods with user namespaces started. ${LINUX_ONLY}`,
        type: 'counter',
      },
      [{ value: userNamespaceStarts.all }],
    ),
  ].join('');
const LINUX_ONLY = 'This metric will only be collected on Linux.';

const VOLUME_GAUGES = [
  ['available_bytes', 'availableBytes', 'Number of available bytes in the volume'],
  ['capacity_bytes', 'capacityBytes', 'Capacity in bytes of the volume'],
  ['inodes', 'inodes', 'Maximum number of inodes in the volume'],
  ['inodes_free', 'inodesFree', 'Number of free inodes in the volume'],
  ['inodes_used', 'inodesUsed', 'Number of used inodes in the volume'],
  ['used_bytes', 'usedBytes', 'Number of used bytes in the volume'],
] as const;

/** Of claims; two pods with the same one are told once. */
async function volumeGauges({ pods, volumeStats }: Kubelet) {
  const claims = new Map<string, { labels: Record<string, string>; stats: VolumeStats }>();
  for (const stats of (await Promise.all(pods.list().map(({ metadata }) => volumeStats(metadata.uid)))).flat())
    if (stats.pvcRef) {
      const { namespace, name } = stats.pvcRef;
      claims.set(`${namespace}/${name}`, { labels: { namespace, persistentvolumeclaim: name }, stats });
    }
  return VOLUME_GAUGES.map(([suffix, field, help]) => ({
    name: `kubelet_volume_stats_${suffix}`,
    help: `[ALPHA] ${help}`,
    samples: [...claims.values()].map(({ labels, stats }) => ({ labels, value: stats[field] })),
  }));
}

function grouped<T extends { state: string }>(items: T[]): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) groups.set(item.state, [...(groups.get(item.state) ?? []), item]);
  return groups;
}

type Measured = {
  cpu?: { usageCoreNanoSeconds: number; time: string };
  memory?: { workingSetBytes: number; time: string };
};

/** Of the node's pods: what `kubectl top` and the autoscalers read. */
export function resourceMetrics({ node, pods }: Summary): string {
  const podLabels = ({ podRef }: Summary['pods'][number]) => ({ namespace: podRef.namespace, pod: podRef.name });
  const containers = pods.flatMap((pod) =>
    pod.containers.map((container) => ({ ...container, labels: { container: container.name, ...podLabels(pod) } })),
  );
  const podsMeasured = pods.map((pod) => ({ ...pod, labels: podLabels(pod) }));
  const nodes = [{ ...node, labels: {} }];
  return [
    cpu(containers, {
      name: 'container_cpu_usage_seconds_total',
      help: '[STABLE] Cumulative cpu time consumed by the container in core-seconds',
    }),
    memory(containers, {
      name: 'container_memory_working_set_bytes',
      help: '[STABLE] Current working set of the container in bytes',
    }),
    familyText(
      {
        name: 'container_start_time_seconds',
        help: '[STABLE] Start time of the container since unix epoch in seconds',
        type: 'gauge',
      },
      containers.map(({ labels, startTime }) => ({ labels, value: Date.parse(startTime) / 1000 })),
    ),
    cpu(nodes, {
      name: 'node_cpu_usage_seconds_total',
      help: '[STABLE] Cumulative cpu time consumed by the node in core-seconds',
    }),
    memory(nodes, {
      name: 'node_memory_working_set_bytes',
      help: '[STABLE] Current working set of the node in bytes',
    }),
    cpu(podsMeasured, {
      name: 'pod_cpu_usage_seconds_total',
      help: '[STABLE] Cumulative cpu time consumed by the pod in core-seconds',
    }),
    memory(podsMeasured, {
      name: 'pod_memory_working_set_bytes',
      help: '[STABLE] Current working set of the pod in bytes',
    }),
    familyText(
      {
        name: 'resource_scrape_error',
        help: '[STABLE] 1 if there was an error while getting container metrics, 0 otherwise',
        type: 'gauge',
      },
      [{ value: 0 }],
    ),
  ].join('');
}

type Labelled = Measured & { labels: Record<string, string> };

function cpu(items: readonly Labelled[], family: Omit<Family, 'type'>): string {
  const samples = items.flatMap(({ labels, cpu: of }): Sample[] =>
    of ? [{ labels, value: of.usageCoreNanoSeconds / NS_PER_SECOND, atMs: Date.parse(of.time) }] : [],
  );
  return familyText({ ...family, type: 'counter' }, samples);
}

function memory(items: readonly Labelled[], family: Omit<Family, 'type'>): string {
  const samples = items.flatMap(({ labels, memory: of }): Sample[] =>
    of ? [{ labels, value: of.workingSetBytes, atMs: Date.parse(of.time) }] : [],
  );
  return familyText({ ...family, type: 'gauge' }, samples);
}

/** How often each probe was answered, and how. */
export const probeMetrics = (kubelet: Kubelet): string =>
  familyText(
    {
      name: 'prober_probe_total',
      help: '[BETA] Cumulative number of a liveness, readiness or startup probe for a container by result.',
      type: 'counter',
    },
    kubelet.probeCounts(),
  );
