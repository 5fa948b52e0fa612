/**
 * What each controller of Kubernetes may do, by the name of its ServiceAccount in kube-system. The ClusterRole is
 * `system:controller:NAME`. Controllers of Kedge add what their declaration says and is not yet here.
 */
import type { PolicyRule } from '#api/generated/schema.ts';
import { eventsRule } from './bootstrap-cluster-roles.ts';
import { rule } from './policy-rule.ts';

const READ = 'get list watch';
const core = (verbs: string, resources: string): PolicyRule => rule(verbs, { groups: 'core', resources });
const apps = (verbs: string, resources: string): PolicyRule => rule(verbs, { groups: 'apps', resources });
const legacyApps = (verbs: string, resources: string): PolicyRule =>
  rule(verbs, { groups: 'apps extensions', resources });
const batch = (verbs: string, resources: string): PolicyRule => rule(verbs, { groups: 'batch', resources });
const storage = (verbs: string, resources: string): PolicyRule => rule(verbs, { groups: 'storage.k8s.io', resources });
const dra = (verbs: string, resources: string): PolicyRule => rule(verbs, { groups: 'resource.k8s.io', resources });
const slices = (verbs: string): PolicyRule => rule(verbs, { groups: 'discovery.k8s.io', resources: 'endpointslices' });
const certificates = (verbs: string, resources: string, names?: string[]): PolicyRule =>
  rule(verbs, { groups: 'certificates.k8s.io', resources, ...(names && { names }) });

export const controllerRules: Readonly<Record<string, readonly PolicyRule[]>> = {
  'attachdetach-controller': [
    core('list watch', 'persistentvolumes persistentvolumeclaims'),
    core(READ, 'nodes'),
    core('patch update', 'nodes/status'),
    core('list watch', 'pods'),
    eventsRule(),
    storage(`${READ} create delete`, 'volumeattachments'),
    storage(READ, 'csidrivers'),
    storage(READ, 'csinodes'),
  ],
  'certificate-controller': [
    certificates(`${READ} delete`, 'certificatesigningrequests'),
    certificates('update', 'certificatesigningrequests/status certificatesigningrequests/approval'),
    certificates('approve', 'signers', ['kubernetes.io/kube-apiserver-client-kubelet']),
    certificates('sign', 'signers', [
      'kubernetes.io/legacy-unknown',
      'kubernetes.io/kube-apiserver-client',
      'kubernetes.io/kube-apiserver-client-kubelet',
      'kubernetes.io/kubelet-serving',
    ]),
    rule('create', { groups: 'authorization.k8s.io', resources: 'subjectaccessreviews' }),
    eventsRule(),
  ],
  'clusterrole-aggregation-controller': [
    // It writes rules that it does not hold itself.
    rule('escalate get list watch update patch', { groups: 'rbac.authorization.k8s.io', resources: 'clusterroles' }),
  ],
  'cronjob-controller': [
    batch(`${READ} update`, 'cronjobs'),
    batch(`${READ} create update delete patch`, 'jobs'),
    batch('update', 'cronjobs/status'),
    batch('update', 'cronjobs/finalizers'),
    core('list watch delete', 'pods'),
    eventsRule(),
  ],
  'daemon-set-controller': [
    legacyApps(READ, 'daemonsets'),
    legacyApps('update', 'daemonsets/status'),
    legacyApps('update', 'daemonsets/finalizers'),
    core('list watch', 'nodes'),
    core('list watch create delete patch', 'pods'),
    core('create', 'pods/binding'),
    apps(`${READ} create delete update patch`, 'controllerrevisions'),
    eventsRule(),
  ],
  'deployment-controller': [
    legacyApps(`${READ} update`, 'deployments'),
    legacyApps('update', 'deployments/status'),
    legacyApps('update', 'deployments/finalizers'),
    legacyApps(`${READ} create update patch delete`, 'replicasets'),
    core(`${READ} update`, 'pods'),
    eventsRule(),
  ],
  'device-taint-eviction-controller': [
    core(`${READ} delete`, 'pods'),
    core('update patch', 'pods/status'),
    dra(READ, 'resourceclaims'),
    dra(READ, 'resourceslices'),
    dra(READ, 'deviceclasses'),
    eventsRule(),
  ],
  'disruption-controller': [
    legacyApps(READ, 'deployments'),
    legacyApps(READ, 'replicasets'),
    core(READ, 'replicationcontrollers'),
    rule(READ, { groups: 'policy', resources: 'poddisruptionbudgets' }),
    apps(READ, 'statefulsets'),
    rule('update', { groups: 'policy', resources: 'poddisruptionbudgets/status' }),
    core('patch update', 'pods/status'),
    rule('get', { groups: '*', resources: '*/scale' }),
    eventsRule(),
  ],
  'endpoint-controller': [
    core(READ, 'services pods'),
    core(`${READ} create update delete`, 'endpoints'),
    core('create', 'endpoints/restricted'),
    eventsRule(),
  ],
  'endpointslice-controller': [
    core(READ, 'services pods nodes'),
    core('update', 'services/finalizers'), // a slice blocks the deletion of its Service
    slices(`${READ} create update delete`),
    eventsRule(),
  ],
  'endpointslicemirroring-controller': [
    core(READ, 'services endpoints'),
    core('update', 'services/finalizers'),
    core('update', 'endpoints/finalizers'),
    slices(`${READ} create update delete`),
    eventsRule(),
  ],
  'ephemeral-volume-controller': [
    core(READ, 'pods'),
    core('update', 'pods/finalizers'),
    core(`${READ} create`, 'persistentvolumeclaims'),
    eventsRule(),
  ],
  'expand-controller': [
    core(`${READ} update patch`, 'persistentvolumes'),
    core('update patch', 'persistentvolumeclaims/status'),
    core(READ, 'persistentvolumeclaims'),
    eventsRule(),
  ],
  'generic-garbage-collector': [rule(`${READ} patch update delete`, { groups: '*', resources: '*' }), eventsRule()],
  'horizontal-pod-autoscaler': [
    rule(READ, { groups: 'autoscaling', resources: 'horizontalpodautoscalers' }),
    rule('update', { groups: 'autoscaling', resources: 'horizontalpodautoscalers/status' }),
    rule('get update', { groups: '*', resources: '*/scale' }),
    core('list watch', 'pods'),
    rule('list watch', { groups: 'metrics.k8s.io', resources: 'pods' }),
    rule(READ, { groups: 'custom.metrics.k8s.io', resources: '*' }),
    rule(READ, { groups: 'external.metrics.k8s.io', resources: '*' }),
    eventsRule(),
  ],
  'job-controller': [
    batch(`${READ} update patch`, 'jobs'),
    batch('update', 'jobs/status'),
    batch('update', 'jobs/finalizers'),
    core('list watch create delete patch', 'pods'),
    eventsRule(),
  ],
  'legacy-service-account-token-cleaner': [
    rule('get', {
      groups: 'core',
      resources: 'configmaps',
      names: ['kube-apiserver-legacy-service-account-token-tracking'],
    }),
    core('patch delete', 'secrets'),
  ],
  'namespace-controller': [
    core(`${READ} delete`, 'namespaces'),
    core('update', 'namespaces/finalize namespaces/status'),
    rule(`${READ} delete deletecollection`, { groups: '*', resources: '*' }),
  ],
  'node-controller': [
    core(`${READ} update delete patch`, 'nodes'),
    core('patch update', 'nodes/status'),
    core('patch update', 'pods/status'),
    core(`${READ} delete`, 'pods'),
    eventsRule(),
  ],
  'persistent-volume-binder': [
    core(`${READ} update create delete`, 'persistentvolumes'),
    core('update', 'persistentvolumes/status'),
    core(`${READ} update`, 'persistentvolumeclaims'),
    core('update', 'persistentvolumeclaims/status'),
    core(`${READ} create delete`, 'pods'),
    storage(READ, 'storageclasses'),
    core('list watch', 'nodes'),
    eventsRule(),
    core('watch', 'events'),
  ],
  'pod-garbage-collector': [core('list watch delete', 'pods'), core(READ, 'nodes'), core('patch', 'pods/status')],
  'pv-protection-controller': [core(`${READ} update`, 'persistentvolumes'), eventsRule()],
  'pvc-protection-controller': [
    core(`${READ} update`, 'persistentvolumeclaims'),
    core('update', 'persistentvolumeclaims/status'),
    core(READ, 'pods'),
    eventsRule(),
  ],
  'replicaset-controller': [
    legacyApps(`${READ} update`, 'replicasets'),
    legacyApps('update', 'replicasets/status'),
    legacyApps('update', 'replicasets/finalizers'),
    core('list watch patch create delete', 'pods'),
    eventsRule(),
  ],
  'replication-controller': [
    core(`${READ} update`, 'replicationcontrollers'),
    core('update', 'replicationcontrollers/status'),
    core('update', 'replicationcontrollers/finalizers'),
    core('list watch patch create delete', 'pods'),
    eventsRule(),
  ],
  'resource-claim-controller': [
    core(READ, 'pods'),
    core('update', 'pods/finalizers'),
    dra(`${READ} create delete`, 'resourceclaims'),
    dra('update patch', 'resourceclaims resourceclaims/status'),
    core('update patch', 'pods/status'),
    eventsRule(),
    dra('update patch', 'resourceclaims/binding'),
  ],
  'resourcequota-controller': [
    rule('list watch', { groups: '*', resources: '*' }),
    core('update', 'resourcequotas/status'),
    eventsRule(),
  ],
  'root-ca-cert-publisher': [core('create update', 'configmaps'), eventsRule()],
  'route-controller': [core('list watch', 'nodes'), core('patch', 'nodes/status'), eventsRule()],
  'selinux-warning-controller': [
    eventsRule(),
    core(READ, 'persistentvolumes'),
    core(READ, 'persistentvolumeclaims'),
    core(READ, 'pods'),
    storage(READ, 'csidrivers'),
  ],
  'service-account-controller': [core('create', 'serviceaccounts'), eventsRule()],
  'service-cidrs-controller': [
    rule(`${READ} patch update`, { groups: 'networking.k8s.io', resources: 'servicecidrs' }),
    rule('patch update', { groups: 'networking.k8s.io', resources: 'servicecidrs/finalizers' }),
    rule('patch update', { groups: 'networking.k8s.io', resources: 'servicecidrs/status' }),
    rule(READ, { groups: 'networking.k8s.io', resources: 'ipaddresses' }),
    eventsRule(),
  ],
  'service-controller': [
    core(READ, 'services'),
    core('patch update', 'services/status'),
    core('list watch', 'nodes'),
    eventsRule(),
  ],
  'statefulset-controller': [
    core('list watch', 'pods'),
    apps(READ, 'statefulsets'),
    apps('update', 'statefulsets/status'),
    apps('update', 'statefulsets/finalizers'),
    core('get create delete update patch', 'pods'),
    apps(`${READ} create delete update patch`, 'controllerrevisions'),
    core(`${READ} create`, 'persistentvolumeclaims'),
    core('update delete', 'persistentvolumeclaims'),
    core('update', 'pods/finalizers'),
    eventsRule(),
  ],
  'ttl-after-finished-controller': [batch(`${READ} delete`, 'jobs'), eventsRule()],
  'ttl-controller': [core('update patch list watch', 'nodes'), eventsRule()],
  'validatingadmissionpolicy-status-controller': [
    rule(READ, { groups: 'admissionregistration.k8s.io', resources: 'validatingadmissionpolicies' }),
    rule('get patch update', {
      groups: 'admissionregistration.k8s.io',
      resources: 'validatingadmissionpolicies/status',
    }),
    eventsRule(),
  ],
  'volumeattributesclass-protection-controller': [
    core(READ, 'persistentvolumeclaims'),
    core(READ, 'persistentvolumes'),
    storage(`${READ} update`, 'volumeattributesclasses'),
    eventsRule(),
  ],
};
