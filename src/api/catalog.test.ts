/** The catalog against what v1.36 serves. One line a resource: version, path, kind, scope, singular, short names, categories, verbs. */
import { expect, test } from 'vitest';
import { bodies, catalog } from './catalog.ts';
import { facts } from './generated/facts.ts';
import { ALL_VERBS } from './machinery/define-kind.ts';
import { isEqual } from './machinery/equal.ts';
import { apiVersionOf, type Kind } from './machinery/kind.ts';
import { normalise } from './machinery/normalise.ts';
import type { KubeObject } from './machinery/object.ts';

const SERVED = `
v1 bindings Binding namespaced binding - - create
v1 componentstatuses ComponentStatus cluster componentstatus cs - get,list
v1 configmaps ConfigMap namespaced configmap cm - *
v1 endpoints Endpoints namespaced endpoints ep - *
v1 events Event namespaced event ev - *
v1 limitranges LimitRange namespaced limitrange limits - *
v1 namespaces Namespace cluster namespace ns - create,delete,get,list,patch,update,watch
v1 namespaces/finalize Namespace cluster - - - update
v1 namespaces/status Namespace cluster - - - get,patch,update
v1 nodes Node cluster node no - *
v1 nodes/proxy NodeProxyOptions cluster - - - create,delete,get,patch,update
v1 nodes/status Node cluster - - - get,patch,update
v1 persistentvolumeclaims PersistentVolumeClaim namespaced persistentvolumeclaim pvc - *
v1 persistentvolumeclaims/status PersistentVolumeClaim namespaced - - - get,patch,update
v1 persistentvolumes PersistentVolume cluster persistentvolume pv - *
v1 persistentvolumes/status PersistentVolume cluster - - - get,patch,update
v1 pods Pod namespaced pod po all *
v1 pods/attach PodAttachOptions namespaced - - - create,get
v1 pods/binding Binding namespaced - - - create
v1 pods/ephemeralcontainers Pod namespaced - - - get,patch,update
v1 pods/eviction policy/v1/Eviction namespaced - - - create
v1 pods/exec PodExecOptions namespaced - - - create,get
v1 pods/log Pod namespaced - - - get
v1 pods/portforward PodPortForwardOptions namespaced - - - create,get
v1 pods/proxy PodProxyOptions namespaced - - - create,delete,get,patch,update
v1 pods/resize Pod namespaced - - - get,patch,update
v1 pods/status Pod namespaced - - - get,patch,update
v1 podtemplates PodTemplate namespaced podtemplate - - *
v1 replicationcontrollers ReplicationController namespaced replicationcontroller rc all *
v1 replicationcontrollers/scale autoscaling/v1/Scale namespaced - - - get,patch,update
v1 replicationcontrollers/status ReplicationController namespaced - - - get,patch,update
v1 resourcequotas ResourceQuota namespaced resourcequota quota - *
v1 resourcequotas/status ResourceQuota namespaced - - - get,patch,update
v1 secrets Secret namespaced secret - - *
v1 serviceaccounts ServiceAccount namespaced serviceaccount sa - *
v1 serviceaccounts/token authentication.k8s.io/v1/TokenRequest namespaced - - - create
v1 services Service namespaced service svc all *
v1 services/proxy ServiceProxyOptions namespaced - - - create,delete,get,patch,update
v1 services/status Service namespaced - - - get,patch,update
admissionregistration.k8s.io/v1 mutatingadmissionpolicies MutatingAdmissionPolicy cluster mutatingadmissionpolicy - api-extensions *
admissionregistration.k8s.io/v1 mutatingadmissionpolicybindings MutatingAdmissionPolicyBinding cluster mutatingadmissionpolicybinding - api-extensions *
admissionregistration.k8s.io/v1 mutatingwebhookconfigurations MutatingWebhookConfiguration cluster mutatingwebhookconfiguration - api-extensions *
admissionregistration.k8s.io/v1 validatingadmissionpolicies ValidatingAdmissionPolicy cluster validatingadmissionpolicy - api-extensions *
admissionregistration.k8s.io/v1 validatingadmissionpolicies/status ValidatingAdmissionPolicy cluster - - - get,patch,update
admissionregistration.k8s.io/v1 validatingadmissionpolicybindings ValidatingAdmissionPolicyBinding cluster validatingadmissionpolicybinding - api-extensions *
admissionregistration.k8s.io/v1 validatingwebhookconfigurations ValidatingWebhookConfiguration cluster validatingwebhookconfiguration - api-extensions *
apiextensions.k8s.io/v1 customresourcedefinitions CustomResourceDefinition cluster customresourcedefinition crd,crds api-extensions *
apiextensions.k8s.io/v1 customresourcedefinitions/status CustomResourceDefinition cluster - - - get,patch,update
apiregistration.k8s.io/v1 apiservices APIService cluster apiservice - api-extensions *
apiregistration.k8s.io/v1 apiservices/status APIService cluster - - - get,patch,update
apps/v1 controllerrevisions ControllerRevision namespaced controllerrevision - - *
apps/v1 daemonsets DaemonSet namespaced daemonset ds all *
apps/v1 daemonsets/status DaemonSet namespaced - - - get,patch,update
apps/v1 deployments Deployment namespaced deployment deploy all *
apps/v1 deployments/scale autoscaling/v1/Scale namespaced - - - get,patch,update
apps/v1 deployments/status Deployment namespaced - - - get,patch,update
apps/v1 replicasets ReplicaSet namespaced replicaset rs all *
apps/v1 replicasets/scale autoscaling/v1/Scale namespaced - - - get,patch,update
apps/v1 replicasets/status ReplicaSet namespaced - - - get,patch,update
apps/v1 statefulsets StatefulSet namespaced statefulset sts all *
apps/v1 statefulsets/scale autoscaling/v1/Scale namespaced - - - get,patch,update
apps/v1 statefulsets/status StatefulSet namespaced - - - get,patch,update
authentication.k8s.io/v1 selfsubjectreviews SelfSubjectReview cluster selfsubjectreview - - create
authentication.k8s.io/v1 tokenreviews TokenReview cluster tokenreview - - create
authorization.k8s.io/v1 localsubjectaccessreviews LocalSubjectAccessReview namespaced localsubjectaccessreview - - create
authorization.k8s.io/v1 selfsubjectaccessreviews SelfSubjectAccessReview cluster selfsubjectaccessreview - - create
authorization.k8s.io/v1 selfsubjectrulesreviews SelfSubjectRulesReview cluster selfsubjectrulesreview - - create
authorization.k8s.io/v1 subjectaccessreviews SubjectAccessReview cluster subjectaccessreview - - create
autoscaling/v1 horizontalpodautoscalers HorizontalPodAutoscaler namespaced horizontalpodautoscaler hpa all *
autoscaling/v1 horizontalpodautoscalers/status HorizontalPodAutoscaler namespaced - - - get,patch,update
autoscaling/v2 horizontalpodautoscalers HorizontalPodAutoscaler namespaced horizontalpodautoscaler hpa all *
autoscaling/v2 horizontalpodautoscalers/status HorizontalPodAutoscaler namespaced - - - get,patch,update
batch/v1 cronjobs CronJob namespaced cronjob cj all *
batch/v1 cronjobs/status CronJob namespaced - - - get,patch,update
batch/v1 jobs Job namespaced job - all *
batch/v1 jobs/status Job namespaced - - - get,patch,update
certificates.k8s.io/v1 certificatesigningrequests CertificateSigningRequest cluster certificatesigningrequest csr - *
certificates.k8s.io/v1 certificatesigningrequests/approval CertificateSigningRequest cluster - - - get,patch,update
certificates.k8s.io/v1 certificatesigningrequests/status CertificateSigningRequest cluster - - - get,patch,update
coordination.k8s.io/v1 leases Lease namespaced lease - - *
discovery.k8s.io/v1 endpointslices EndpointSlice namespaced endpointslice - - *
events.k8s.io/v1 events Event namespaced event ev - *
flowcontrol.apiserver.k8s.io/v1 flowschemas FlowSchema cluster flowschema - - *
flowcontrol.apiserver.k8s.io/v1 flowschemas/status FlowSchema cluster - - - get,patch,update
flowcontrol.apiserver.k8s.io/v1 prioritylevelconfigurations PriorityLevelConfiguration cluster prioritylevelconfiguration - - *
flowcontrol.apiserver.k8s.io/v1 prioritylevelconfigurations/status PriorityLevelConfiguration cluster - - - get,patch,update
networking.k8s.io/v1 ingressclasses IngressClass cluster ingressclass - - *
networking.k8s.io/v1 ingresses Ingress namespaced ingress ing - *
networking.k8s.io/v1 ingresses/status Ingress namespaced - - - get,patch,update
networking.k8s.io/v1 ipaddresses IPAddress cluster ipaddress ip - *
networking.k8s.io/v1 networkpolicies NetworkPolicy namespaced networkpolicy netpol - *
networking.k8s.io/v1 servicecidrs ServiceCIDR cluster servicecidr - - *
networking.k8s.io/v1 servicecidrs/status ServiceCIDR cluster - - - get,patch,update
node.k8s.io/v1 runtimeclasses RuntimeClass cluster runtimeclass - - *
policy/v1 poddisruptionbudgets PodDisruptionBudget namespaced poddisruptionbudget pdb - *
policy/v1 poddisruptionbudgets/status PodDisruptionBudget namespaced - - - get,patch,update
rbac.authorization.k8s.io/v1 clusterrolebindings ClusterRoleBinding cluster clusterrolebinding - - *
rbac.authorization.k8s.io/v1 clusterroles ClusterRole cluster clusterrole - - *
rbac.authorization.k8s.io/v1 rolebindings RoleBinding namespaced rolebinding - - *
rbac.authorization.k8s.io/v1 roles Role namespaced role - - *
resource.k8s.io/v1 deviceclasses DeviceClass cluster deviceclass - - *
resource.k8s.io/v1 resourceclaims ResourceClaim namespaced resourceclaim - - *
resource.k8s.io/v1 resourceclaims/status ResourceClaim namespaced - - - get,patch,update
resource.k8s.io/v1 resourceclaimtemplates ResourceClaimTemplate namespaced resourceclaimtemplate - - *
resource.k8s.io/v1 resourceslices ResourceSlice cluster resourceslice - - *
scheduling.k8s.io/v1 priorityclasses PriorityClass cluster priorityclass pc - *
storage.k8s.io/v1 csidrivers CSIDriver cluster csidriver - - *
storage.k8s.io/v1 csinodes CSINode cluster csinode - - *
storage.k8s.io/v1 csistoragecapacities CSIStorageCapacity namespaced csistoragecapacity - - *
storage.k8s.io/v1 storageclasses StorageClass cluster storageclass sc - *
storage.k8s.io/v1 volumeattachments VolumeAttachment cluster volumeattachment - - *
storage.k8s.io/v1 volumeattachments/status VolumeAttachment cluster - - - get,patch,update
storage.k8s.io/v1 volumeattributesclasses VolumeAttributesClass cluster volumeattributesclass vac - *
`;

const EVERY_VERB = ALL_VERBS.join(',');
const or = (list: readonly string[]) => list.join(',') || '-';

function linesOf(kind: Kind): string[] {
  const version = apiVersionOf(kind);
  const scope = kind.scope === 'Namespaced' ? 'namespaced' : 'cluster';
  const verbs = or(kind.verbs) === EVERY_VERB ? '*' : or(kind.verbs);
  const names = `${kind.singular} ${or(kind.shortNames)} ${or(kind.categories)}`;
  const own = `${version} ${kind.plural} ${kind.kind} ${scope} ${names} ${verbs}`;
  const subresources = kind.subresources.map(({ name, serves, verbs: some }) => {
    const other = serves?.group ? `${apiVersionOf(serves)}/` : '';
    return `${version} ${kind.plural}/${name} ${other}${serves?.kind ?? kind.kind} ${scope} - - - ${or(some)}`;
  });
  return [own, ...subresources];
}

test('every resource of v1.36 that is generally available is declared as upstream declares it', () => {
  const served = SERVED.trim().split('\n');
  expect(catalog.flatMap(linesOf).sort()).toEqual(served.sort());
});

test('kinds stand by group and then by plural, several versions of one together', () => {
  const places = catalog.map(({ group, plural }) => `${group}/${plural}`);
  expect(places).toEqual([...places].sort());
});

test.each([...catalog, ...bodies].map((kind) => [apiVersionOf(kind), kind.kind, kind] as const))(
  '%s %s has a shape',
  (_, name, kind) => {
    expect(
      kind.facts?.fields.map((field) => field.name),
      name,
    ).toContain('metadata');
  },
);

test('keys in the store are where upstream has them', () => {
  const irregular = catalog.filter(({ storagePrefix, plural }) => storagePrefix !== plural);
  expect(Object.fromEntries(irregular.map(({ plural, storagePrefix }) => [plural, storagePrefix]))).toEqual({
    endpoints: 'services/endpoints',
    nodes: 'minions',
    replicationcontrollers: 'controllers',
    services: 'services/specs',
    customresourcedefinitions: 'apiextensions.k8s.io/customresourcedefinitions',
    apiservices: 'apiregistration.k8s.io/apiservices',
    ingresses: 'ingress',
  });
});

test.each(catalog.map((kind) => [apiVersionOf(kind), kind.kind, kind] as const))(
  '%s %s that says nothing but its name is judged, not stumbled over',
  (apiVersion, name, kind) => {
    const metadata = { name: 'a', uid: 'u', ...(kind.scope === 'Namespaced' && { namespace: 'a' }) };
    const shaped = normalise(facts, kind.facts!, { apiVersion, kind: name, metadata });
    if ('problem' in shaped) throw new Error(shaped.problem);
    const object = kind.prepareForCreate(kind.defaults(shaped.object as unknown as KubeObject));
    expect(kind.validate(object).filter(({ message }) => message.includes('undefined'))).toEqual([]);
    expect(kind.columns.map((column) => column.cell(object, 0))).not.toContain(undefined);
    const next = kind.prepareForUpdate(object, object, '');
    expect(kind.validateUpdate(next, object, '').length).toBeGreaterThan(0); // it has no resourceVersion
    expect(next.metadata.generation).toBe(object.metadata.generation);
    expect(isEqual(kind.defaults(object), object), 'defaults change nothing the second time').toBe(true);
  },
);
