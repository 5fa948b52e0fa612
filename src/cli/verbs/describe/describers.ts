/** The kinds that have a description of their own. All others are described field by field. */
import { clusterRoleBindingDescriber, clusterRoleDescriber, roleBindingDescriber, roleDescriber } from './access.ts';
import { horizontalPodAutoscalerDescriber } from './autoscaling.ts';
import { certificateSigningRequestDescriber } from './certificates.ts';
import {
  configMapDescriber,
  limitRangeDescriber,
  namespaceDescriber,
  resourceQuotaDescriber,
  secretDescriber,
  serviceAccountDescriber,
} from './configuration.ts';
import type { AnyDescriber } from './describer.ts';
import { podDisruptionBudgetDescriber } from './disruption.ts';
import {
  ingressClassDescriber,
  ipAddressDescriber,
  networkPolicyDescriber,
  serviceCidrDescriber,
} from './networking.ts';
import { nodeDescriber } from './node.ts';
import { podDescriber } from './pod.ts';
import { priorityClassDescriber } from './scheduling.ts';
import { endpointSliceDescriber, endpointsDescriber, ingressDescriber, serviceDescriber } from './services.ts';
import { persistentVolumeClaimDescriber, persistentVolumeDescriber, storageClassDescriber } from './storage.ts';
import { csiNodeDescriber, volumeAttributesClassDescriber } from './storage-drivers.ts';
import {
  cronJobDescriber,
  daemonSetDescriber,
  deploymentDescriber,
  jobDescriber,
  replicaSetDescriber,
  replicationControllerDescriber,
  statefulSetDescriber,
} from './workloads.ts';

export const describers: readonly AnyDescriber[] = [
  podDescriber,
  replicationControllerDescriber,
  serviceDescriber,
  endpointsDescriber,
  nodeDescriber,
  namespaceDescriber,
  configMapDescriber,
  secretDescriber,
  serviceAccountDescriber,
  resourceQuotaDescriber,
  limitRangeDescriber,
  persistentVolumeDescriber,
  persistentVolumeClaimDescriber,
  deploymentDescriber,
  replicaSetDescriber,
  statefulSetDescriber,
  daemonSetDescriber,
  jobDescriber,
  cronJobDescriber,
  endpointSliceDescriber,
  ingressDescriber,
  ingressClassDescriber,
  serviceCidrDescriber,
  ipAddressDescriber,
  networkPolicyDescriber,
  podDisruptionBudgetDescriber,
  horizontalPodAutoscalerDescriber,
  storageClassDescriber,
  volumeAttributesClassDescriber,
  csiNodeDescriber,
  priorityClassDescriber,
  certificateSigningRequestDescriber,
  roleDescriber,
  clusterRoleDescriber,
  roleBindingDescriber,
  clusterRoleBindingDescriber,
];
