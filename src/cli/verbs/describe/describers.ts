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
import { csiNodeDescriber } from './csi-node.ts';
import type { AnyDescriber } from './describer.ts';
import { podDisruptionBudgetDescriber } from './disruption.ts';
import { ingressClassDescriber } from './ingress-class.ts';
import { ipAddressDescriber } from './ip-address.ts';
import { networkPolicyDescriber } from './network-policy.ts';
import { nodeDescriber } from './node.ts';
import { podDescriber } from './pod.ts';
import { priorityClassDescriber } from './scheduling.ts';
import { serviceCidrDescriber } from './service-cidr.ts';
import { endpointSliceDescriber, endpointsDescriber, ingressDescriber, serviceDescriber } from './services.ts';
import { persistentVolumeClaimDescriber, persistentVolumeDescriber, storageClassDescriber } from './storage.ts';
import { volumeAttributesClassDescriber } from './volume-attributes-class.ts';
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
