/**
 * The ClusterRoles that every cluster starts with, as Kubernetes v1.36 with its default feature gates has them.
 * What users get is `cluster-admin`, `admin`, `edit` and `view`; the last three are put together by aggregation.
 */
import type { PolicyRule } from '#api/generated/schema.ts';
import { pathRule, rule } from './policy-rule.ts';

export interface BootstrapRole {
  name: string;
  rules: PolicyRule[];
  /** `admin`, `edit` or `view`: the role that takes up these rules. */
  aggregateTo?: string;
  /** This role is the sum of those that aggregate to it. */
  aggregated?: boolean;
}

const READ = 'get list watch';
const WRITE = 'create update patch delete deletecollection';
const READ_WRITE = `${READ} ${WRITE}`;

export const eventsRule = (): PolicyRule =>
  rule('create update patch', { groups: 'core events.k8s.io', resources: 'events' });

const tokenReviews = (): PolicyRule => rule('create', { groups: 'authentication.k8s.io', resources: 'tokenreviews' });
const accessReviews = (): PolicyRule =>
  rule('create', { groups: 'authorization.k8s.io', resources: 'subjectaccessreviews' });
const approver = (signer: string): PolicyRule =>
  rule('approve', { groups: 'certificates.k8s.io', resources: 'signers', names: [`kubernetes.io/${signer}`] });

const viewRules: PolicyRule[] = [
  rule(READ, {
    groups: 'core',
    resources:
      'pods replicationcontrollers replicationcontrollers/scale serviceaccounts services services/status endpoints persistentvolumeclaims persistentvolumeclaims/status configmaps',
  }),
  rule(READ, {
    groups: 'core',
    resources:
      'limitranges resourcequotas bindings pods/status resourcequotas/status namespaces/status replicationcontrollers/status pods/log',
  }),
  // Read in a namespace means: this namespace may be looked at.
  rule(READ, { groups: 'core', resources: 'namespaces' }),
  rule(READ, { groups: 'core events.k8s.io', resources: 'events' }),
  rule(READ, { groups: 'discovery.k8s.io', resources: 'endpointslices' }),
  rule(READ, {
    groups: 'apps',
    resources:
      'controllerrevisions statefulsets statefulsets/status statefulsets/scale daemonsets daemonsets/status deployments deployments/status deployments/scale replicasets replicasets/status replicasets/scale',
  }),
  rule(READ, { groups: 'autoscaling', resources: 'horizontalpodautoscalers horizontalpodautoscalers/status' }),
  rule(READ, { groups: 'batch', resources: 'jobs jobs/status cronjobs cronjobs/status' }),
  rule(READ, {
    groups: 'extensions',
    resources:
      'daemonsets daemonsets/status deployments deployments/scale deployments/status ingresses ingresses/status replicasets replicasets/scale replicasets/status replicationcontrollers/scale networkpolicies',
  }),
  rule(READ, { groups: 'policy', resources: 'poddisruptionbudgets poddisruptionbudgets/status' }),
  rule(READ, { groups: 'networking.k8s.io', resources: 'networkpolicies ingresses ingresses/status' }),
  rule(READ, { groups: 'resource.k8s.io', resources: 'resourceclaims resourceclaims/status resourceclaimtemplates' }),
];

const editRules: PolicyRule[] = [
  rule(READ, {
    groups: 'core',
    resources: 'pods/attach pods/proxy pods/exec pods/portforward secrets services/proxy',
  }),
  rule('impersonate', { groups: 'core', resources: 'serviceaccounts' }),
  rule(WRITE, { groups: 'core', resources: 'pods pods/attach pods/proxy pods/exec pods/portforward' }),
  rule('create', { groups: 'core', resources: 'pods/eviction' }),
  rule(WRITE, {
    groups: 'core',
    resources:
      'replicationcontrollers replicationcontrollers/scale serviceaccounts services services/proxy persistentvolumeclaims configmaps secrets',
  }),
  rule('create', { groups: 'core', resources: 'serviceaccounts/token' }),
  rule(WRITE, { groups: 'core events.k8s.io', resources: 'events' }),
  rule(WRITE, {
    groups: 'apps',
    resources:
      'statefulsets statefulsets/scale daemonsets deployments deployments/scale deployments/rollback replicasets replicasets/scale',
  }),
  rule(WRITE, { groups: 'autoscaling', resources: 'horizontalpodautoscalers' }),
  rule(WRITE, { groups: 'batch', resources: 'jobs cronjobs' }),
  rule(WRITE, {
    groups: 'extensions',
    resources:
      'daemonsets deployments deployments/scale deployments/rollback ingresses replicasets replicasets/scale replicationcontrollers/scale networkpolicies',
  }),
  rule(WRITE, { groups: 'policy', resources: 'poddisruptionbudgets' }),
  rule(WRITE, { groups: 'networking.k8s.io', resources: 'networkpolicies ingresses' }),
  rule(READ_WRITE, { groups: 'coordination.k8s.io', resources: 'leases' }),
  rule(WRITE, { groups: 'resource.k8s.io', resources: 'resourceclaims resourceclaimtemplates' }),
];

const adminRules: PolicyRule[] = [
  rule('create', { groups: 'authorization.k8s.io', resources: 'localsubjectaccessreviews' }),
  rule(READ_WRITE, { groups: 'rbac.authorization.k8s.io', resources: 'roles rolebindings' }),
];

/**
 * What a kubelet may do; the node authorizer narrows secrets, pods and the like to what has to do with the node.
 * Lists and watches of nodes and pods are given there, by field selector.
 */
export const nodeRules: PolicyRule[] = [
  tokenReviews(),
  rule('create', { groups: 'authorization.k8s.io', resources: 'subjectaccessreviews localsubjectaccessreviews' }),
  rule(READ, { groups: 'core', resources: 'services' }),
  rule('create get list watch', { groups: 'core', resources: 'nodes' }),
  rule('update patch', { groups: 'core', resources: 'nodes/status' }),
  rule('update patch', { groups: 'core', resources: 'nodes' }),
  eventsRule(),
  rule(READ, { groups: 'core', resources: 'pods' }),
  rule('create delete', { groups: 'core', resources: 'pods' }),
  rule('update patch', { groups: 'core', resources: 'pods/status' }),
  rule('create', { groups: 'core', resources: 'pods/eviction' }),
  rule(READ, { groups: 'core', resources: 'secrets configmaps' }),
  rule('get', { groups: 'core', resources: 'persistentvolumeclaims persistentvolumes' }),
  rule('get', { groups: 'core', resources: 'endpoints' }),
  rule('create get list watch', { groups: 'certificates.k8s.io', resources: 'certificatesigningrequests' }),
  rule('get create update patch delete', { groups: 'coordination.k8s.io', resources: 'leases' }),
  rule('get', { groups: 'storage.k8s.io', resources: 'volumeattachments' }),
  rule('create', { groups: 'core', resources: 'serviceaccounts/token' }),
  rule('get update patch', { groups: 'core', resources: 'persistentvolumeclaims/status' }),
  rule(READ, { groups: 'storage.k8s.io', resources: 'csidrivers' }),
  rule('get create update patch delete', { groups: 'storage.k8s.io', resources: 'csinodes' }),
  rule(READ, { groups: 'node.k8s.io', resources: 'runtimeclasses' }),
  rule('get', { groups: 'resource.k8s.io', resources: 'resourceclaims' }),
  rule('deletecollection', { groups: 'resource.k8s.io', resources: 'resourceslices' }),
  rule('get', { groups: 'core', resources: 'serviceaccounts' }),
];

const schedulerRules: PolicyRule[] = [
  eventsRule(),
  rule('create', { groups: 'coordination.k8s.io', resources: 'leases' }),
  rule('get update list watch', { groups: 'coordination.k8s.io', resources: 'leases', names: ['kube-scheduler'] }),
  rule(READ_WRITE, { groups: 'coordination.k8s.io', resources: 'leasecandidates' }),
  rule(READ, { groups: 'core', resources: 'nodes' }),
  rule('get list watch delete', { groups: 'core', resources: 'pods' }),
  rule('create', { groups: 'core', resources: 'pods/binding bindings' }),
  rule('patch update', { groups: 'core', resources: 'pods/status' }),
  rule(READ, { groups: 'core', resources: 'services replicationcontrollers' }),
  rule(READ, { groups: 'apps extensions', resources: 'replicasets' }),
  rule(READ, { groups: 'apps', resources: 'statefulsets' }),
  rule(READ, { groups: 'policy', resources: 'poddisruptionbudgets' }),
  rule(READ, { groups: 'core', resources: 'persistentvolumeclaims persistentvolumes' }),
  tokenReviews(),
  accessReviews(),
  rule(READ, { groups: 'storage.k8s.io', resources: 'csinodes' }),
  rule(READ, { groups: 'storage.k8s.io', resources: 'volumeattachments' }),
  rule(READ, { groups: 'core', resources: 'namespaces' }),
  rule(READ, { groups: 'storage.k8s.io', resources: 'csidrivers' }),
  rule(READ, { groups: 'storage.k8s.io', resources: 'csistoragecapacities' }),
  rule(READ, { groups: 'resource.k8s.io', resources: 'deviceclasses' }),
  rule(`${READ} patch update`, { groups: 'resource.k8s.io', resources: 'resourceclaims' }),
  rule(`${READ} patch update`, { groups: 'resource.k8s.io', resources: 'resourceclaims/status' }),
  rule('update', { groups: 'core', resources: 'pods/finalizers' }),
  rule(READ, { groups: 'resource.k8s.io', resources: 'resourceslices' }),
  rule('create delete', { groups: 'resource.k8s.io', resources: 'resourceclaims' }),
  rule('update patch', { groups: 'resource.k8s.io', resources: 'resourceclaims/binding' }),
];

const controllerManagerRules: PolicyRule[] = [
  eventsRule(),
  rule('create', { groups: 'coordination.k8s.io', resources: 'leases' }),
  rule('get update', { groups: 'coordination.k8s.io', resources: 'leases', names: ['kube-controller-manager'] }),
  rule('create', { groups: 'core', resources: 'secrets serviceaccounts' }),
  rule('delete', { groups: 'core', resources: 'secrets' }),
  rule('get', { groups: 'core', resources: 'namespaces secrets serviceaccounts configmaps' }),
  rule('update', { groups: 'core', resources: 'secrets serviceaccounts' }),
  tokenReviews(),
  accessReviews(),
  // Garbage collection, quota and namespaces watch everything.
  rule('list watch', { groups: '*', resources: '*' }),
  rule('create', { groups: 'core', resources: 'serviceaccounts/token' }),
];

const PUBLIC_PATHS = '/healthz /livez /readyz /version /version/';

export const bootstrapClusterRoles: readonly BootstrapRole[] = [
  { name: 'cluster-admin', rules: [rule('*', { groups: '*', resources: '*' }), pathRule('*', '*')] },
  { name: 'admin', rules: [], aggregated: true },
  { name: 'edit', rules: [], aggregated: true, aggregateTo: 'admin' },
  { name: 'view', rules: [], aggregated: true, aggregateTo: 'edit' },
  { name: 'system:aggregate-to-admin', rules: adminRules, aggregateTo: 'admin' },
  { name: 'system:aggregate-to-edit', rules: editRules, aggregateTo: 'edit' },
  { name: 'system:aggregate-to-view', rules: viewRules, aggregateTo: 'view' },
  {
    name: 'system:discovery',
    rules: [pathRule('get', `/api /api/* /apis /apis/* /openapi /openapi/* ${PUBLIC_PATHS}`)],
  },
  { name: 'system:public-info-viewer', rules: [pathRule('get', PUBLIC_PATHS)] },
  {
    name: 'system:basic-user',
    rules: [
      rule('create', { groups: 'authorization.k8s.io', resources: 'selfsubjectaccessreviews selfsubjectrulesreviews' }),
      rule('create', { groups: 'authentication.k8s.io', resources: 'selfsubjectreviews' }),
    ],
  },
  {
    name: 'system:monitoring',
    rules: [
      pathRule('get', '/metrics /metrics/slis /livez /readyz /healthz /livez/* /readyz/* /healthz/* /flagz /statusz'),
      rule('get', { groups: 'core', resources: 'nodes/metrics' }),
    ],
  },
  {
    name: 'system:service-account-issuer-discovery',
    rules: [
      pathRule(
        'get',
        '/.well-known/openid-configuration /.well-known/openid-configuration/ /openid/v1/jwks /openid/v1/jwks/',
      ),
    ],
  },
  {
    name: 'system:heapster',
    rules: [
      rule(READ, { groups: 'core', resources: 'events pods nodes namespaces' }),
      rule(READ, { groups: 'extensions', resources: 'deployments' }),
    ],
  },
  { name: 'system:node', rules: nodeRules },
  {
    name: 'system:node-problem-detector',
    rules: [
      rule('get', { groups: 'core', resources: 'nodes' }),
      rule('patch', { groups: 'core', resources: 'nodes/status' }),
      eventsRule(),
    ],
  },
  {
    name: 'system:kubelet-api-admin',
    rules: [
      rule(READ, { groups: 'core', resources: 'nodes' }),
      rule('proxy', { groups: 'core', resources: 'nodes' }),
      rule('*', { groups: 'core', resources: 'nodes/proxy nodes/metrics nodes/stats nodes/log' }),
      rule('*', { groups: 'core', resources: 'nodes/configz nodes/healthz nodes/pods' }),
    ],
  },
  {
    name: 'system:node-bootstrapper',
    rules: [rule('create get list watch', { groups: 'certificates.k8s.io', resources: 'certificatesigningrequests' })],
  },
  {
    name: 'system:node-proxier',
    rules: [
      rule('list watch', { groups: 'core', resources: 'services endpoints' }),
      rule(READ, { groups: 'core', resources: 'nodes' }),
      eventsRule(),
      rule('list watch', { groups: 'networking.k8s.io', resources: 'servicecidrs' }),
      rule('list watch', { groups: 'discovery.k8s.io', resources: 'endpointslices' }),
    ],
  },
  { name: 'system:auth-delegator', rules: [tokenReviews(), accessReviews()] },
  { name: 'system:kube-aggregator', rules: [rule(READ, { groups: 'core', resources: 'services endpoints' })] },
  { name: 'system:kube-controller-manager', rules: controllerManagerRules },
  { name: 'system:kube-scheduler', rules: schedulerRules },
  { name: 'system:kube-dns', rules: [rule('list watch', { groups: 'core', resources: 'endpoints services' })] },
  {
    // What the DNS of a cluster needs today; kubeadm brings it with CoreDNS.
    name: 'system:coredns',
    rules: [
      rule('list watch', { groups: 'core', resources: 'endpoints services pods namespaces' }),
      rule('list watch', { groups: 'discovery.k8s.io', resources: 'endpointslices' }),
    ],
  },
  {
    name: 'kedge:ingress',
    rules: [
      rule('list watch', { groups: 'networking.k8s.io', resources: 'ingresses ingressclasses' }),
      rule('list watch', { groups: 'core', resources: 'services namespaces' }), // Secrets: see ingress-secrets.ts
      rule('list watch', {
        groups: 'gateway.networking.k8s.io',
        resources: 'gatewayclasses gateways httproutes grpcroutes tlsroutes referencegrants',
      }),
      rule('list watch', { groups: 'discovery.k8s.io', resources: 'endpointslices' }),
    ],
  },
  {
    name: 'kedge:network-policy',
    rules: [
      rule('list watch', { groups: 'core', resources: 'pods namespaces' }),
      rule('list watch', { groups: 'networking.k8s.io', resources: 'networkpolicies' }),
    ],
  },
  {
    name: 'system:persistent-volume-provisioner',
    rules: [
      rule('get list watch create delete', { groups: 'core', resources: 'persistentvolumes' }),
      rule('get list watch update', { groups: 'core', resources: 'persistentvolumeclaims' }),
      rule(READ, { groups: 'storage.k8s.io', resources: 'storageclasses' }),
      rule('watch', { groups: 'core', resources: 'events' }),
      eventsRule(),
    ],
  },
  {
    name: 'system:volume-scheduler',
    rules: [
      rule('get list watch patch update', { groups: 'core', resources: 'persistentvolumes' }),
      rule(READ, { groups: 'storage.k8s.io', resources: 'storageclasses' }),
      rule('get list watch patch update', { groups: 'core', resources: 'persistentvolumeclaims' }),
    ],
  },
  ...['nodeclient', 'selfnodeclient'].map((subresource) => ({
    name: `system:certificates.k8s.io:certificatesigningrequests:${subresource}`,
    rules: [rule('create', { groups: 'certificates.k8s.io', resources: `certificatesigningrequests/${subresource}` })],
  })),
  ...['legacy-unknown', 'kubelet-serving', 'kube-apiserver-client', 'kube-apiserver-client-kubelet'].map((signer) => ({
    name: `system:certificates.k8s.io:${signer}-approver`,
    rules: [approver(signer)],
  })),
];
