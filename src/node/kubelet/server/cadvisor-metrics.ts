/** GET /metrics/cadvisor: containers as dashboards know them, by cAdvisor's names; of its many families those that are used. */
import type { Kubelet } from '../kubelet.ts';
import { podCgroupPath } from '../quality-of-service.ts';
import { CONTAINER_NAME, POD_NAME, POD_NAMESPACE, POD_UID } from '../runtime-labels.ts';
import type { Summary } from './stats.ts';
import { type Family, familyText, type Sample } from './text-format.ts';

type Labels = Record<string, string>;

export async function cadvisorMetrics(
  kubelet: Kubelet,
  { summary, machine }: { summary: Summary; machine: { cpus: number; memoryBytes: number } },
): Promise<string> {
  const [containers, stats] = await Promise.all([
    kubelet.runtime.listContainers(),
    kubelet.runtime.listContainerStats(),
  ]);
  const byId = new Map(containers.map((container) => [container.id, container]));
  const pods = new Map(kubelet.pods.list().map((pod) => [pod.metadata.uid, pod]));
  const labelled = stats.flatMap((each) => {
    const pod = pods.get(each.labels[POD_UID] ?? '');
    if (!pod) return [];
    const labels: Labels = {
      container: each.labels[CONTAINER_NAME] ?? '',
      id: `${podCgroupPath(kubelet.cgroupRoot, pod)}/${each.id}`,
      image: byId.get(each.id)?.image ?? '',
      name: each.id,
      namespace: each.labels[POD_NAMESPACE] ?? '',
      pod: each.labels[POD_NAME] ?? '',
    };
    return [{ each, labels }];
  });
  const of = (
    family: Family,
    value: (item: (typeof labelled)[number]) => number | undefined,
    more: Labels = {},
  ): string =>
    familyText(
      family,
      labelled.flatMap((item): Sample[] => {
        const number = value(item);
        return number === undefined ? [] : [{ labels: { ...item.labels, ...more }, value: number }];
      }),
    );
  const gauge = (name: string, help: string): Family => ({ name, help, type: 'gauge' });
  const counter = (name: string, help: string): Family => ({ name, help, type: 'counter' });
  return [
    of(
      counter('container_cpu_usage_seconds_total', 'Cumulative cpu time consumed in seconds.'),
      ({ each }) => each.cpuUsageCoreNanoSeconds && each.cpuUsageCoreNanoSeconds / 1e9,
      { cpu: 'total' },
    ),
    of(
      gauge(
        'container_memory_usage_bytes',
        'Current memory usage in bytes, including all memory regardless of when it was accessed',
      ),
      ({ each }) => each.memoryUsageBytes,
    ),
    of(
      gauge('container_memory_working_set_bytes', 'Current working set in bytes.'),
      ({ each }) => each.memoryWorkingSetBytes,
    ),
    of(gauge('container_memory_rss', 'Size of RSS in bytes.'), ({ each }) => each.memoryRssBytes),
    of(
      gauge('container_fs_usage_bytes', 'Number of bytes that are consumed by the container on this filesystem.'),
      ({ each }) => each.writableLayerUsedBytes,
    ),
    of(
      gauge('container_start_time_seconds', 'Start time of the container since unix epoch in seconds.'),
      ({ each }) => {
        const createdAt = byId.get(each.id)?.createdAt;
        return createdAt === undefined ? undefined : createdAt / 1000;
      },
    ),
    ...networkOf(summary),
    familyText(gauge('machine_cpu_cores', 'Number of logical CPU cores.'), [{ value: machine.cpus }]),
    familyText(gauge('machine_memory_bytes', 'Amount of memory installed on the machine.'), [
      { value: machine.memoryBytes },
    ]),
  ].join('');
}

/** A network is the whole pod's. */
function networkOf({ pods }: Summary): string[] {
  const families = [
    ['container_network_receive_bytes_total', 'Cumulative count of bytes received', 'rxBytes'],
    ['container_network_receive_errors_total', 'Cumulative count of errors encountered while receiving', 'rxErrors'],
    ['container_network_transmit_bytes_total', 'Cumulative count of bytes transmitted', 'txBytes'],
    [
      'container_network_transmit_errors_total',
      'Cumulative count of errors encountered while transmitting',
      'txErrors',
    ],
  ] as const;
  return families.map(([name, help, field]) =>
    familyText(
      { name, help, type: 'counter' },
      pods.flatMap(({ podRef, network }): Sample[] =>
        network
          ? [
              {
                labels: { interface: network.name, namespace: podRef.namespace, pod: podRef.name },
                value: network[field],
              },
            ]
          : [],
      ),
    ),
  );
}
