/** GET /metrics/resource of a simulated node, in Prometheus' text format; names are the kubelet's. */
import type { NodeUsage } from '#node/simulated/usage-meter.ts';

export function metricsText({ node, containers }: NodeUsage): string {
  const each = (name: string, of: (container: (typeof containers)[number]) => number) =>
    containers.map((container) => {
      const { namespace, pod, name: own } = container;
      const labels = Object.entries({ container: own, namespace, pod }).map(
        ([key, text]) => `${key}=${JSON.stringify(text)}`,
      );
      return `${name}{${labels.join(',')}} ${of(container)}`;
    });
  return `${[
    `node_cpu_usage_seconds_total ${node.cpuSeconds}`,
    `node_memory_working_set_bytes ${node.memoryBytes}`,
    ...each('container_cpu_usage_seconds_total', ({ cpuSeconds }) => cpuSeconds),
    ...each('container_memory_working_set_bytes', ({ memoryBytes }) => memoryBytes),
    ...each('container_start_time_seconds', ({ startMs }) => startMs / 1000),
  ].join('\n')}\n`;
}
