/** GET /metrics and /metrics/resource, in Prometheus' text format. */
import type { Kubelet } from '../kubelet.ts';
import type { Summary } from './stats.ts';

interface Sample {
  labels?: Record<string, string>;
  value: number;
}

const NS_PER_SECOND = 1e9;

function metric(name: string, type: 'counter' | 'gauge', samples: Sample[]): string {
  const lines = samples.map(({ labels = {}, value }) => {
    const pairs = Object.entries(labels).map(([key, text]) => `${key}=${JSON.stringify(text)}`);
    return `${name}${pairs.length > 0 ? `{${pairs.join(',')}}` : ''} ${value}`;
  });
  return samples.length === 0 ? '' : `# TYPE ${name} ${type}\n${lines.join('\n')}\n`;
}

/** Of the kubelet itself. */
export async function kubeletMetrics(kubelet: Kubelet): Promise<string> {
  const [sandboxes, containers] = await Promise.all([
    kubelet.runtime.listPodSandboxes(),
    kubelet.runtime.listContainers(),
  ]);
  const states = grouped(containers);
  const usage = process.resourceUsage();
  return [
    metric('kubelet_node_name', 'gauge', [{ labels: { node: kubelet.nodeName }, value: 1 }]),
    metric('kubelet_running_pods', 'gauge', [
      { value: sandboxes.filter(({ state }) => state === 'SANDBOX_READY').length },
    ]),
    metric(
      'kubelet_running_containers',
      'gauge',
      [...states].map(([state, list]) => ({
        labels: { container_state: state.replace('CONTAINER_', '').toLowerCase() },
        value: list.length,
      })),
    ),
    metric('process_resident_memory_bytes', 'gauge', [{ value: process.memoryUsage.rss() }]),
    metric('process_cpu_seconds_total', 'counter', [{ value: (usage.userCPUTime + usage.systemCPUTime) / 1e6 }]),
  ].join('');
}

function grouped<T extends { state: string }>(items: T[]): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) groups.set(item.state, [...(groups.get(item.state) ?? []), item]);
  return groups;
}

/** Of the node's pods: what `kubectl top` and the autoscalers read. */
export function resourceMetrics({ node, pods }: Summary): string {
  const podLabels = ({ podRef }: Summary['pods'][number]) => ({ namespace: podRef.namespace, pod: podRef.name });
  const containers = pods.flatMap((pod) =>
    pod.containers.map((container) => ({ ...container, labels: { container: container.name, ...podLabels(pod) } })),
  );
  const samples = <T>(
    items: T[],
    labels: (item: T) => Record<string, string>,
    value: (item: T) => number | undefined,
  ) =>
    items.flatMap((item): Sample[] => {
      const number = value(item);
      return number === undefined ? [] : [{ labels: labels(item), value: number }];
    });
  const seconds = (cpu: { usageCoreNanoSeconds: number } | undefined) =>
    cpu && cpu.usageCoreNanoSeconds / NS_PER_SECOND;
  return [
    metric(
      'container_cpu_usage_seconds_total',
      'counter',
      samples(
        containers,
        ({ labels }) => labels,
        ({ cpu }) => seconds(cpu),
      ),
    ),
    metric(
      'container_memory_working_set_bytes',
      'gauge',
      samples(
        containers,
        ({ labels }) => labels,
        ({ memory }) => memory?.workingSetBytes,
      ),
    ),
    metric(
      'container_start_time_seconds',
      'gauge',
      samples(
        containers,
        ({ labels }) => labels,
        ({ startTime }) => Date.parse(startTime) / 1000,
      ),
    ),
    metric(
      'node_cpu_usage_seconds_total',
      'counter',
      samples(
        [node],
        () => ({}),
        ({ cpu }) => seconds(cpu),
      ),
    ),
    metric(
      'node_memory_working_set_bytes',
      'gauge',
      samples(
        [node],
        () => ({}),
        ({ memory }) => memory?.workingSetBytes,
      ),
    ),
    metric(
      'pod_cpu_usage_seconds_total',
      'counter',
      samples(pods, podLabels, ({ cpu }) => seconds(cpu)),
    ),
    metric(
      'pod_memory_working_set_bytes',
      'gauge',
      samples(pods, podLabels, ({ memory }) => memory?.workingSetBytes),
    ),
  ].join('');
}
