/**
 * How server-side apply merges each list, map and struct. Upstream says so in comments of its Go sources, which no package
 * ships; the merge tags give most of it, these tables the rest. Source: API reference v1.36, x-kubernetes-list-type.
 */
import type { FieldFacts } from '#api/machinery/facts.ts';

/** `group.version.Type.field` → the keys of a list that is a map although its patch tags say otherwise or nothing. */
const MAPS: Record<string, readonly string[]> = {
  'core.v1.Container.ports': ['containerPort', 'protocol'],
  'core.v1.EphemeralContainerCommon.ports': ['containerPort', 'protocol'],
  'core.v1.ServiceSpec.ports': ['port', 'protocol'],
  'core.v1.PodSpec.topologySpreadConstraints': ['topologyKey', 'whenUnsatisfiable'],
  'core.v1.ResourceRequirements.claims': ['name'],
  'core.v1.ResourceStatus.resources': ['resourceID'],
  'core.v1.PodStatus.nodeAllocatableResourceClaimStatuses': ['resourceClaimName'],
  'certificates.v1.CertificateSigningRequestStatus.conditions': ['type'],
  'admissionregistration.v1.ValidatingAdmissionPolicyStatus.conditions': ['type'],
  'resource.v1.AllocatedDeviceStatus.conditions': ['type'],
  'apiextensions.v1.CustomResourceDefinitionStatus.conditions': ['type'],
  'resource.v1.ResourceClaimStatus.devices': ['driver', 'device', 'pool', 'shareID'],
};

const SETS = new Set([
  'admissionregistration.v1.ValidatingAdmissionPolicyBindingSpec.validationActions',
  'batch.v1.PodFailurePolicyOnExitCodesRequirement.values',
  'core.v1.ContainerRestartRuleOnExitCodes.values',
  'batch.v1.UncountedTerminatedPods.succeeded',
  'batch.v1.UncountedTerminatedPods.failed',
  'core.v1.NodeAllocatableResourceClaimStatus.containers',
  'discovery.v1.Endpoint.addresses',
  'storage.v1.CSIDriverSpec.volumeLifecycleModes',
  'flowcontrol.v1.NonResourcePolicyRule.verbs',
  'flowcontrol.v1.NonResourcePolicyRule.nonResourceURLs',
  'flowcontrol.v1.ResourcePolicyRule.verbs',
  'flowcontrol.v1.ResourcePolicyRule.apiGroups',
  'flowcontrol.v1.ResourcePolicyRule.resources',
  'flowcontrol.v1.ResourcePolicyRule.namespaces',
]);

/** Atomic although a merge tag would make them more. */
const ATOMIC_LISTS = new Set(['batch.v1.JobStatus.conditions', 'core.v1.PodStatus.hostIPs']);

const ATOMIC_MAPS = new Set([
  'core.v1.PodSpec.nodeSelector',
  'core.v1.ReplicationControllerSpec.selector',
  'core.v1.ServiceSpec.selector',
  'node.v1.Scheduling.nodeSelector',
]);

const ATOMIC_STRUCTS = new Set([
  ...['MatchResources', 'NamedRuleWithOperations', 'ParamKind', 'ParamRef', 'Variable'].map(
    (t) => `admissionregistration.v1.${t}`,
  ),
  'autoscaling.v1.CrossVersionObjectReference',
  ...['ConfigMapKeySelector', 'EndpointAddress', 'EndpointPort', 'FileKeySelector'].map((t) => `core.v1.${t}`),
  ...['LocalObjectReference', 'NodeSelector', 'NodeSelectorTerm', 'ObjectFieldSelector', 'ObjectReference'].map(
    (t) => `core.v1.${t}`,
  ),
  ...['ResourceFieldSelector', 'ScopeSelector', 'SecretKeySelector', 'SecretReference'].map((t) => `core.v1.${t}`),
  ...['TopologySelectorTerm', 'TypedLocalObjectReference'].map((t) => `core.v1.${t}`),
  'discovery.v1.EndpointPort',
  'networking.v1.ServiceBackendPort',
  'rbac.v1.RoleRef',
  'rbac.v1.Subject',
  'meta.v1.LabelSelector',
  'meta.v1.OwnerReference',
]);

export const isAtomicStruct = (typeName: string): boolean => ATOMIC_STRUCTS.has(typeName);

type MergeFacts = Pick<FieldFacts, 'listType' | 'listMapKeys'>;

/** `path` is `group.version.Type.field`. */
export function listFacts(path: string, patch: Pick<FieldFacts, 'patchStrategy' | 'patchMergeKey'>): MergeFacts {
  if (MAPS[path]) return { listType: 'map', listMapKeys: MAPS[path] };
  if (SETS.has(path)) return { listType: 'set' };
  if (ATOMIC_LISTS.has(path) || !patch.patchStrategy?.includes('merge')) return { listType: 'atomic' };
  return patch.patchMergeKey ? { listType: 'map', listMapKeys: [patch.patchMergeKey] } : { listType: 'set' };
}

export const isAtomicMap = (path: string): boolean => ATOMIC_MAPS.has(path);

/** All names above, so that one that no longer exists is found. */
export const namedPaths = (): { fields: string[]; types: string[] } => ({
  fields: [...Object.keys(MAPS), ...SETS, ...ATOMIC_LISTS, ...ATOMIC_MAPS],
  types: [...ATOMIC_STRUCTS],
});
