/** What the kubelet tells of how long things take. Names, texts and bounds are upstream's. */
import type { RuntimeOperations } from '../measured-runtime.ts';
import type { PodStarts } from '../pod-starts.ts';
import { familyText, histogramText } from './text-format.ts';

export function runtimeOperationMetrics(operations: RuntimeOperations): string {
  const all = [...operations].map(([type, operation]) => ({ labels: { operation_type: type }, ...operation }));
  const failed = all.filter(({ errors }) => errors > 0);
  return [
    histogramText(
      {
        name: 'kubelet_runtime_operations_duration_seconds',
        help: '[ALPHA] Duration in seconds of runtime operations. Broken down by operation type.',
      },
      all,
    ),
    familyText(
      {
        name: 'kubelet_runtime_operations_errors_total',
        help: '[ALPHA] Cumulative number of runtime operation errors by operation type.',
        type: 'counter',
      },
      failed.map(({ labels, errors }) => ({ labels, value: errors })),
    ),
    familyText(
      {
        name: 'kubelet_runtime_operations_total',
        help: '[ALPHA] Cumulative number of runtime operations by operation type.',
        type: 'counter',
      },
      all.map(({ labels, durations }) => ({ labels, value: durations.count })),
    ),
  ].join('');
}

export const podStartMetrics = ({ durations }: PodStarts): string =>
  histogramText(
    {
      name: 'kubelet_pod_start_duration_seconds',
      help: '[ALPHA] Duration in seconds from kubelet seeing a pod for the first time to the pod starting to run',
    },
    [{ durations }],
  );
