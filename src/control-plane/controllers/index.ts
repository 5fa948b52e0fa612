/** The controllers, by upstream's names. Some need to know something of the cluster that they are for. */
import { bootstrapSigner, type Hmac } from './bootstrap-tokens/bootstrap-signer.ts';
import { tokenCleaner } from './bootstrap-tokens/token-cleaner.ts';
import { certificateApproving } from './certificates/approving.ts';
import { kubeletServingApproving } from './certificates/approving-serving.ts';
import { certificateCleaner } from './certificates/cleaner.ts';
import { type CertificateSigner, certificateSigning } from './certificates/signing.ts';
import { clusterRoleAggregation } from './cluster-role-aggregation.ts';
import { daemonSetController } from './daemon-set/daemon-set.ts';
import type { Controller } from './define-controller.ts';
import { deploymentController } from './deployment/deployment.ts';
import { disruptionController } from './disruption/disruption.ts';
import type { OwnerScales } from './disruption/owner-scales.ts';
import { staleDisruptionTarget } from './disruption/stale-disruption-target.ts';
import { endpointSliceController } from './endpoints/endpoint-slice.ts';
import { endpointsController } from './endpoints/endpoints.ts';
import { endpointSliceMirroringController } from './endpoints/mirroring.ts';
import { garbageCollector } from './garbage-collector/garbage-collector.ts';
import { gatewayControllers } from './gateway/gateway-controllers.ts';
import type { GatewayAddresses } from './gateway/gateway-status.ts';
import {
  type AutoscalerSources,
  horizontalPodAutoscalerController,
} from './horizontal-pod-autoscaler/horizontal-pod-autoscaler.ts';
import { cronJobController } from './job/cron-job.ts';
import { jobController } from './job/job.ts';
import { ttlAfterFinishedController } from './job/ttl-after-finished.ts';
import { legacyTokenCleaner } from './legacy-token-cleaner.ts';
import { type IngressAddresses, ingressStatus } from './load-balancers/ingress-status.ts';
import type { LoadBalancers } from './load-balancers/load-balancers.ts';
import { serviceLoadBalancer } from './load-balancers/service-load-balancer.ts';
import { namespaceController } from './namespace.ts';
import type { NodeIpamOptions } from './nodes/node-ipam.ts';
import { nodeIpam } from './nodes/node-ipam.ts';
import type { NodeLifecycleOptions } from './nodes/node-lifecycle.ts';
import { nodeLifecycle } from './nodes/node-lifecycle.ts';
import { nodeTtl } from './nodes/node-ttl.ts';
import type { PodGarbageCollectorOptions } from './nodes/pod-garbage-collector.ts';
import { podGarbageCollector } from './nodes/pod-garbage-collector.ts';
import { taintEviction } from './nodes/taint-eviction.ts';
import { replicaSetController } from './replica-set.ts';
import { replicationController } from './replication-controller.ts';
import { deviceTaintEviction } from './resource-claims/device-taint-eviction.ts';
import { podResourceClaims } from './resource-claims/pod-resource-claims.ts';
import { resourceClaims } from './resource-claims/resource-claim.ts';
import { resourceQuotaController } from './resource-quota/resource-quota.ts';
import { rootCaCertPublisher } from './root-ca-cert-publisher.ts';
import { serviceAccountController } from './service-account.ts';
import { type SecretTokens, serviceAccountTokens } from './service-account-token.ts';
import { serviceCidrController } from './service-cidr.ts';
import { statefulSetController } from './stateful-set/stateful-set.ts';
import { attributesClassProtection } from './storage-protection/attributes-class-protection.ts';
import { claimProtection } from './storage-protection/claim-protection.ts';
import { volumeProtection } from './storage-protection/volume-protection.ts';
import { validatingAdmissionPolicyStatus } from './validating-admission-policy-status.ts';
import { attachDetach } from './volumes/attach-detach.ts';
import { claimBinder } from './volumes/claim-binder.ts';
import { ephemeralVolumes } from './volumes/ephemeral-volumes.ts';
import { type LocalPathFolders, localPathEraser } from './volumes/local-path-eraser.ts';
import { localPathProvisioner } from './volumes/local-path-provisioner.ts';
import { volumeExpander } from './volumes/volume-expander.ts';
import { volumeReclaimer } from './volumes/volume-reclaimer.ts';

export interface ClusterSettings {
  /** PEM; absent: nobody publishes it. */
  rootCa?: string;
  nodeLifecycle?: NodeLifecycleOptions;
  podGarbageCollector?: PodGarbageCollectorOptions;
  /** Absent: nodes bring their own ranges. */
  nodeIpam?: NodeIpamOptions;
  /** Absent: nobody signs certificates. */
  certificateSigner?: CertificateSigner;
  /** Absent: Secrets for tokens stay empty. */
  secretTokens?: SecretTokens;
  /** Absent: budgets of pods of custom owners cannot be reckoned. */
  ownerScales?: OwnerScales;
  /** Absent: nobody signs cluster-info. */
  hmac?: Hmac;
  /** Absent: nothing is sized after its load. */
  autoscaler?: AutoscalerSources;
  /** Absent: nobody serves Ingresses here. */
  ingress?: IngressAddresses;
  /** Absent: nobody serves Gateways here; their kinds need not be served either. */
  gateway?: GatewayAddresses;
  /** Absent: Services of that type wait for an address. */
  loadBalancers?: LoadBalancers;
  /** Absent: nobody makes volumes of nodes' folders. */
  localPath?: LocalPathFolders;
}

export const controllersFor = (settings: ClusterSettings = {}): Controller[] => [
  endpointsController,
  endpointSliceController,
  endpointSliceMirroringController,
  deploymentController,
  replicaSetController,
  replicationController,
  daemonSetController,
  statefulSetController,
  disruptionController(settings.ownerScales),
  staleDisruptionTarget,
  ...(settings.autoscaler ? [horizontalPodAutoscalerController(settings.autoscaler)] : []),
  jobController,
  cronJobController,
  ttlAfterFinishedController,
  resourceQuotaController,
  namespaceController,
  garbageCollector,
  serviceCidrController,
  ...(settings.ingress ? [ingressStatus(settings.ingress)] : []),
  ...(settings.gateway ? gatewayControllers(settings.gateway) : []),
  ...(settings.loadBalancers ? [serviceLoadBalancer(settings.loadBalancers)] : []),
  podResourceClaims,
  resourceClaims,
  deviceTaintEviction,
  claimBinder,
  volumeReclaimer,
  attachDetach,
  volumeExpander,
  ephemeralVolumes,
  ...(settings.localPath ? [localPathProvisioner, localPathEraser(settings.localPath)] : []),
  claimProtection,
  volumeProtection,
  attributesClassProtection,
  serviceAccountController,
  legacyTokenCleaner,
  tokenCleaner,
  ...(settings.hmac ? [bootstrapSigner(settings.hmac)] : []),
  ...(settings.secretTokens ? [serviceAccountTokens(settings.secretTokens)] : []),
  ...(settings.rootCa ? [rootCaCertPublisher(settings.rootCa)] : []),
  podGarbageCollector(settings.podGarbageCollector),
  ...(settings.nodeIpam ? [nodeIpam(settings.nodeIpam)] : []),
  nodeLifecycle(settings.nodeLifecycle),
  taintEviction,
  nodeTtl,
  clusterRoleAggregation,
  validatingAdmissionPolicyStatus,
  certificateApproving,
  kubeletServingApproving,
  ...(settings.certificateSigner ? [certificateSigning(settings.certificateSigner)] : []),
  certificateCleaner,
];
