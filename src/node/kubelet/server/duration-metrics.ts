/** What the kubelet tells of how long things take. Names, texts and bounds are upstream's. */
import type { RuntimeOperations } from '../measured-runtime.ts';
import type { PodStarts } from '../pod-starts.ts';
import type { ResourceClaims } from '../resource-claims/resource-claims.ts';
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

/** Of pods' claims for devices. */
export const claimMetrics = ({ durations, inUse }: Pick<ResourceClaims, 'durations' | 'inUse'>): string =>
  [
    histogramText(
      {
        name: 'dra_grpc_operations_duration_seconds',
        help: '[ALPHA] Duration in seconds of the DRA gRPC operations',
      },
      durations.calls,
    ),
    histogramText(
      {
        name: 'dra_operations_duration_seconds',
        help: "[ALPHA] Latency histogram in seconds for the duration of handling all ResourceClaims referenced by a pod when the pod starts or stops. Identified by the name of the operation (PrepareResources or UnprepareResources) and separated by the success of the operation. The number of failed operations is provided through the histogram's overall count.",
      },
      durations.operations,
    ),
    familyText(
      {
        name: 'dra_resource_claims_in_use',
        help: '[ALPHA] The number of ResourceClaims that are currently in use on the node, by driver name (driver_name label value) and across all drivers (special value <any> for driver_name). Note that the sum of all by-driver counts is not the total number of in-use ResourceClaims because the same ResourceClaim might use devices from different drivers. Instead, use the count for the <any> driver_name.',
        type: 'gauge',
      },
      [...inUse].map(([driver, value]) => ({ labels: { driver_name: driver }, value })),
    ),
  ].join('');

export const podStartMetrics = ({ durations }: PodStarts): string =>
  histogramText(
    {
      name: 'kubelet_pod_start_duration_seconds',
      help: '[ALPHA] Duration in seconds from kubelet seeing a pod for the first time to the pod starting to run',
    },
    [{ durations }],
  );
