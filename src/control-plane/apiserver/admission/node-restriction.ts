/**
 * What a kubelet may write, looked at closer than an authorizer can: only its own Node and Lease, only mirror pods and
 * the status of pods bound to it, only tokens for such pods, only certificates in its own name. Source: documentation,
 * "NodeRestriction".
 */
import type { TokenRequest } from '#api/authentication/v1/token-request.ts';
import { parseCertificateRequest } from '#api/certificates/v1/certificate-request.ts';
import { Node } from '#api/core/v1/node.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { claimNamesOf, configMapNamesOf, isMirrorPod, secretNamesOf } from '#api/core/v1/pod-references.ts';
import type {
  CertificateSigningRequest,
  PersistentVolumeClaim,
  PodResourceClaimStatus,
  ResourceSlice,
} from '#api/generated/schema.ts';
import { isEqual } from '#api/machinery/equal.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { notFound } from '#api/machinery/status.ts';
import { type Soon, soon } from '#base/soon.ts';
import { nodeNameOf } from '../authorization/node.ts';
import { type AdmissionRequest, type AdmissionServices, defineAdmission, refused } from './define-admission.ts';
import { forbiddenLabelsAmong } from './node-labels.ts';
import { audienceRefusal } from './node-token-audience.ts';

const NODE_LEASES = 'kube-node-lease';
const MIRROR_ANNOTATION = 'kubernetes.io/config.mirror';

type Check = (
  node: string,
  request: AdmissionRequest,
  services: AdmissionServices,
) => string | undefined | Promise<string | undefined>;

export const nodeRestriction = defineAdmission({
  name: 'NodeRestriction',
  on: {
    resources: [
      { group: '', plural: 'pods', subresource: '*' },
      { group: '', plural: 'nodes', subresource: '*' },
      { group: '', plural: 'persistentvolumeclaims', subresource: '*' },
      { group: '', plural: 'serviceaccounts', subresource: '*' },
      { group: 'coordination.k8s.io', plural: 'leases' },
      { group: 'storage.k8s.io', plural: 'csinodes' },
      { group: 'resource.k8s.io', plural: 'resourceslices' },
      { group: 'certificates.k8s.io', plural: 'certificatesigningrequests', subresource: '*' },
    ],
    verbs: ['create', 'update', 'delete'],
  },

  /** Tokens are looked at as they are asked for: before the audiences of a request without any are filled in. */
  mutate(object, request, services) {
    if (!isTokenRequest(request)) return object;
    return soon(refuseUnless(request, services, tokenRefusal), () => object);
  },

  validate(request, services) {
    const check = CHECKS[request.kind.plural];
    if (check && !isTokenRequest(request)) return refuseUnless(request, services, check);
  },
});

const isTokenRequest = ({ kind, verb, subresource }: AdmissionRequest): boolean =>
  kind.plural === 'serviceaccounts' && verb === 'create' && subresource === 'token';

function refuseUnless(request: AdmissionRequest, services: AdmissionServices, check: Check): Soon<void> {
  const node = nodeNameOf(request.user);
  if (node === undefined) return;
  if (node === '') throw refused(request, `could not determine node from user ${JSON.stringify(request.user.name)}`);
  return soon(check(node, request, services), (why) => {
    if (why) throw refused(request, why);
  });
}

/** Each says why not; undefined: nothing against it. */
const CHECKS: Readonly<Record<string, Check>> = {
  pods(node, request, services) {
    switch (request.subresource) {
      case '':
        return podRefusal(node, request, services);
      case 'status':
        return podStatusRefusal(node, request);
      case 'eviction':
        return evictionRefusal(node, request, services);
      default:
        return `unexpected pod subresource "${request.subresource}", only 'status' and 'eviction' are allowed`;
    }
  },
  nodes: nodeRefusal,
  persistentvolumeclaims: (node, request) =>
    request.subresource === 'status' ? claimStatusRefusal(node, request) : 'may only update PVC status',
  leases(node, { verb, namespace, name, object }) {
    if (namespace !== NODE_LEASES) return `can only access leases in the "${NODE_LEASES}" system namespace`;
    return (verb === 'create' ? object?.metadata.name : name) === node
      ? undefined
      : 'can only access node lease with the same name as the requesting node';
  },
  csinodes: (node, { verb, name, object }) =>
    (verb === 'create' ? object?.metadata.name : name) === node
      ? undefined
      : 'can only access CSINode with the same name as the requesting node',
  resourceslices(node, { verb, object, old }) {
    if (verb === 'update') return undefined;
    const slice = (verb === 'create' ? object : old) as ResourceSlice | undefined;
    return slice?.spec.nodeName === node
      ? undefined
      : `can only ${verb} ResourceSlice with the same NodeName as the requesting node`;
  },
  certificatesigningrequests: certificateRefusal,
};

const KUBELET_SIGNERS: ReadonlySet<string> = new Set([
  'kubernetes.io/kubelet-serving',
  'kubernetes.io/kube-apiserver-client-kubelet',
]);

/** What else is in the request is for its signer to look at. */
function certificateRefusal(node: string, { verb, object }: AdmissionRequest): string | undefined {
  const { signerName, request = '' } = (object as CertificateSigningRequest | undefined)?.spec ?? {};
  if (verb !== 'create' || !KUBELET_SIGNERS.has(signerName ?? '')) return undefined;
  const parsed = parseCertificateRequest(Buffer.from(request, 'base64').toString('utf8'));
  if ('problem' in parsed) return `unable to parse csr: ${parsed.problem}`;
  return parsed.request.subject.commonName === `system:node:${node}`
    ? undefined
    : `can only create a node CSR with CN=system:node:${node}`;
}

function podRefusal(node: string, request: AdmissionRequest, services: AdmissionServices) {
  switch (request.verb) {
    case 'create':
      return createdPodRefusal(node, request.object as Pod, services);
    case 'delete':
      return podOf(request)?.spec.nodeName === node
        ? undefined
        : `node "${node}" can only delete pods with spec.nodeName set to itself`;
    default:
      return `unexpected operation "${request.verb.toUpperCase()}", node "${node}" can only create and delete mirror pods`;
  }
}

const podOf = ({ old }: AdmissionRequest): Pod | undefined => old as Pod | undefined;

async function createdPodRefusal(node: string, pod: Pod, services: AdmissionServices) {
  if (!isMirrorPod(pod))
    return `pod does not have "${MIRROR_ANNOTATION}" annotation, node "${node}" can only create mirror pods`;
  if (pod.spec.nodeName !== node) return `node "${node}" can only create pods with spec.nodeName set to itself`;
  return (await ownerRefusal(node, pod, services)) ?? referenceRefusal(node, pod);
}

async function ownerRefusal(node: string, { metadata }: Pod, { live }: AdmissionServices) {
  const [owner, ...more] = metadata.ownerReferences ?? [];
  if (more.length > 0) return `node "${node}" can only create pods with a single owner reference set to itself`;
  if (owner?.apiVersion !== 'v1' || owner.kind !== 'Node' || owner.name !== node)
    return `node "${node}" can only create pods with an owner reference set to itself`;
  if (!owner.controller) return `node "${node}" can only create pods with a controller owner reference set to itself`;
  if (owner.blockOwnerDeletion) return `node "${node}" must not set blockOwnerDeletion on an owner reference`;
  const self = await live(Node, { name: node });
  if (!self) throw notFound({ group: '', plural: 'nodes' }, node);
  return owner.uid === self.metadata.uid
    ? undefined
    : `node ${node} UID mismatch: expected ${owner.uid} got ${self.metadata.uid}`;
}

/** Else a node could make itself a reason to read anything. */
function referenceRefusal(node: string, pod: Pod): string | undefined {
  const cannot = (what: string) => `node "${node}" can not create pods that reference ${what}`;
  if (pod.spec.serviceAccountName) return cannot('a service account');
  if (secretNamesOf(pod).length > 0) return cannot('secrets');
  if (configMapNamesOf(pod).length > 0) return cannot('configmaps');
  const projections = (pod.spec.volumes ?? []).flatMap(({ projected }) => projected?.sources ?? []);
  if (projections.some(({ clusterTrustBundle }) => clusterTrustBundle)) return cannot('clustertrustbundles');
  if (claimNamesOf(pod).length > 0) return cannot('persistentvolumeclaims');
  return pod.spec.resourceClaims?.length ? cannot('resourceclaims') : undefined;
}

function podStatusRefusal(node: string, request: AdmissionRequest): string | undefined {
  if (request.verb !== 'update') return `unexpected operation "${request.verb.toUpperCase()}"`;
  const [old, pod] = [podOf(request), request.object as Pod];
  if (old?.spec.nodeName !== node)
    return `node "${node}" can only update pod status for pods with spec.nodeName set to itself`;
  if (!isEqual(old.metadata.labels ?? {}, pod.metadata.labels ?? {}))
    return `node "${node}" cannot update labels through pod status`;
  const claims = (one: Pod): PodResourceClaimStatus[] => one.status?.resourceClaimStatuses ?? [];
  return isEqual(claims(old), claims(pod)) ? undefined : `node "${node}" cannot update resource claim statues`;
}

async function evictionRefusal(
  node: string,
  { verb, namespace, name, object }: AdmissionRequest,
  services: AdmissionServices,
) {
  if (verb !== 'create') return `unexpected operation ${verb.toUpperCase()}`;
  const podName = name || object?.metadata?.name;
  if (!podName) return 'could not determine pod from request data';
  const pod = await services.live(Pod, { namespace, name: podName });
  if (!pod) throw notFound({ group: '', plural: 'pods' }, podName);
  return pod.spec.nodeName === node ? undefined : `node ${node} can only evict pods with spec.nodeName set to itself`;
}

function nodeRefusal(node: string, request: AdmissionRequest): string | undefined {
  const requested = request.name || request.object?.metadata.name;
  if (requested !== node) return `node "${node}" is not allowed to modify node "${requested}"`;
  const [old, next] = [request.old as Node | undefined, request.object as Node | undefined];
  if (!next) return undefined;
  if (request.verb === 'create') {
    if (next.spec?.configSource) return `node "${node}" is not allowed to create pods with a non-nil configSource`;
    const labels = forbiddenLabelsAmong(next.metadata.labels, {});
    return labels.length > 0
      ? `node "${node}" is not allowed to set the following labels: ${labels.join(', ')}`
      : undefined;
  }
  if (next.spec?.configSource && !isEqual(next.spec.configSource, old?.spec?.configSource))
    return `node "${node}" is not allowed to update configSource to a new non-nil configSource`;
  if (!isEqual(next.spec?.taints ?? [], old?.spec?.taints ?? []))
    return `node "${node}" is not allowed to modify taints`;
  if (!isEqual(next.metadata.ownerReferences ?? [], old?.metadata.ownerReferences ?? []))
    return `node "${node}" is not allowed to modify ownerReferences`;
  const labels = forbiddenLabelsAmong(next.metadata.labels, old?.metadata.labels);
  return labels.length > 0 ? `is not allowed to modify labels: ${labels.join(', ')}` : undefined;
}

/** A node may report what it did to a volume, nothing else of the claim. */
function claimStatusRefusal(node: string, { verb, object, old }: AdmissionRequest): string | undefined {
  if (verb !== 'update') return `unexpected operation "${verb.toUpperCase()}"`;
  return isEqual(withoutReport(object), withoutReport(old))
    ? undefined
    : `node "${node}" is not allowed to update fields other than status.capacity and status.conditions`;
}

function withoutReport(object: KubeObject | undefined): unknown {
  const claim = object as PersistentVolumeClaim | undefined;
  if (!claim) return undefined;
  const { resourceVersion: _revision, managedFields: _fields, ...metadata } = claim.metadata;
  const { capacity, conditions, allocatedResources, allocatedResourceStatuses, ...status } = claim.status ?? {};
  return { ...claim, metadata, status };
}

async function tokenRefusal(node: string, request: AdmissionRequest, services: AdmissionServices) {
  const { namespace, object } = request;
  const ref = (object as unknown as TokenRequest | undefined)?.spec.boundObjectRef;
  if (ref?.apiVersion !== 'v1' || ref.kind !== 'Pod' || !ref.name) return 'node requested token not bound to a pod';
  if (!ref.uid) return 'node requested token with a pod binding without a uid';
  const pod = await services.live(Pod, { namespace, name: ref.name });
  if (!pod) throw notFound({ group: '', plural: 'pods' }, ref.name);
  if (ref.uid !== pod.metadata.uid)
    return `the UID in the bound object reference (${ref.uid}) does not match the UID in record. The object might have been deleted and then recreated`;
  if (pod.spec.nodeName !== node) return 'node requested token bound to a pod scheduled on a different node';
  return audienceRefusal(request, pod, services);
}
