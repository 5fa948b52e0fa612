/** The authorizers of a cluster, in upstream's order unless told: masters, Node, RBAC, over informers that know where to look. */
import { PersistentVolume } from '#api/core/v1/persistent-volume.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { mayNameOthers } from '#api/core/v1/pod-references.ts';
import { Gateway } from '#api/gateway/v1/gateway.ts';
import { ReferenceGrant } from '#api/gateway/v1/reference-grant.ts';
import { Ingress } from '#api/networking/v1/ingress.ts';
import { ClusterRole } from '#api/rbac/v1/cluster-role.ts';
import { ClusterRoleBinding } from '#api/rbac/v1/cluster-role-binding.ts';
import { Role } from '#api/rbac/v1/role.ts';
import { RoleBinding } from '#api/rbac/v1/role-binding.ts';
import { ResourceSlice } from '#api/resource/v1/resource-slice.ts';
import { VolumeAttachment } from '#api/storage/v1/volume-attachment.ts';
import type { IndexedInformer, Informer, Informers } from '#client/informer.ts';
import { type Authorizer, allRulesOf, firstOpinionOf, type RuleResolver } from './authorizer.ts';
import { type AuthorizerName, DecisionCounts } from './decision-counts.ts';
import { certificateKeysOf, gatewayCertificateKeysOf, IngressSecretsAuthorizer, mayShow } from './ingress-secrets.ts';
import { mastersAuthorizer } from './masters.ts';
import { NodeAuthorizer, type NodeRelations, podReferenceKeysOf, referenceKey, volumeSecretKeysOf } from './node.ts';
import { RbacAuthorizer, type RbacSource, subjectKeysOf } from './rbac.ts';

export interface ClusterAuthorizer {
  authorizer: Authorizer;
  rbac: RbacAuthorizer;
  /** For SelfSubjectRulesReview. */
  rules: RuleResolver;
}

/** One of the authorizers that a cluster asks: its own, or one that somebody brought. */
export type ChosenAuthorizer = 'Node' | 'RBAC' | (Authorizer & RuleResolver & AuthorizerName);

const STANDARD: readonly ChosenAuthorizer[] = ['Node', 'RBAC'];

export interface ClusterAuthorizerOptions {
  /** May give another list later: from then on that one is asked. */
  chosen?: (() => readonly ChosenAuthorizer[]) | undefined;
  /** Told of what each of them decides. */
  decisions?: DecisionCounts;
  /** Somebody else decides in its place: only of RBAC's rules it is asked. */
  isReplaced?: boolean;
}

/** Without roles until the informers have synced; members of system:masters are let in before. */
export function clusterAuthorizer(
  informers: Informers,
  { chosen = () => STANDARD, decisions = new DecisionCounts(), isReplaced = false }: ClusterAuthorizerOptions = {},
): ClusterAuthorizer {
  const rbac = new RbacAuthorizer(rbacSourceOf(informers));
  let others: ReturnType<typeof ofNodesAndIngresses> | undefined;
  let asked: { list: readonly ChosenAuthorizer[]; authorizer: Authorizer; rules: RuleResolver } | undefined;
  const current = () => {
    const list = chosen();
    if (asked?.list === list) return asked;
    others ??= ofNodesAndIngresses(informers);
    const { node, ingressSecrets } = others;
    const ownOr = (one: ChosenAuthorizer) => (one === 'Node' ? node : one === 'RBAC' ? rbac : one);
    const counted = (one: ChosenAuthorizer) => decisions.counted(ownOr(one), nameOf(one));
    asked = {
      list,
      authorizer: firstOpinionOf([mastersAuthorizer, ...list.map(counted), ingressSecrets]),
      rules: allRulesOf(list.map(ownOr)),
    };
    return asked;
  };
  if (!isReplaced) current(); // the informers are to be followed from the start
  return {
    authorizer: { authorize: (attributes) => current().authorizer.authorize(attributes) },
    rbac,
    rules: { rulesFor: (user, namespace) => current().rules.rulesFor(user, namespace) },
  };
}

const nameOf = (one: ChosenAuthorizer): AuthorizerName =>
  typeof one === 'string' ? { type: one, name: one.toLowerCase() } : one;

function ofNodesAndIngresses(informers: Informers) {
  const ingresses = informers.indexed(Ingress, certificateKeysOf);
  const someGatewayNames = gatewaysOf(informers);
  const isNamed = (secret: string) => ingresses.under(secret).length > 0 || someGatewayNames(secret);
  return {
    node: new NodeAuthorizer(nodeRelationsOf(informers)),
    ingressSecrets: new IngressSecretsAuthorizer(isNamed),
  };
}

/** Followed from the first question on, which only who has seen a Gateway asks: their kinds need not be served. */
function gatewaysOf(informers: Informers): (secret: string) => boolean {
  let known: { gateways: IndexedInformer<Gateway>; grants: Informer<ReferenceGrant> } | undefined;
  return (secret) => {
    known ??= {
      gateways: informers.indexed(Gateway, gatewayCertificateKeysOf),
      grants: informers.for(ReferenceGrant),
    };
    const grants = known.grants.list();
    return known.gateways.under(secret).some((gateway) => mayShow(gateway, secret, grants));
  };
}

const inNamespace = (namespace: string, key: string): string => `${namespace}|${key}`;

export function rbacSourceOf(informers: Informers): RbacSource {
  const clusterRoles = informers.for(ClusterRole);
  const roles = informers.for(Role);
  const clusterRoleBindings = informers.indexed(ClusterRoleBinding, subjectKeysOf);
  const roleBindings = informers.indexed(RoleBinding, (binding) =>
    subjectKeysOf(binding).map((key) => inNamespace(binding.metadata.namespace ?? '', key)),
  );
  return {
    clusterRole: (name) => clusterRoles.get(name),
    role: (namespace, name) => roles.get(`${namespace}/${name}`),
    clusterRoleBindingsOf: (key) => clusterRoleBindings.under(key),
    roleBindingsOf: (namespace, key) => roleBindings.under(inNamespace(namespace, key)),
    onChange(listener) {
      for (const kind of [clusterRoles, roles, clusterRoleBindings, roleBindings]) kind.onChange(listener);
    },
  };
}

const onNode = (node: string, reference: string): string => `${node}|${reference}`;

/** What the pods of each node refer to: looked at once for a pod, not at each change of its status. */
const referencesOnNode = Object.assign(
  (pod: Pod): string[] | undefined => {
    const node = pod.spec.nodeName;
    return node ? podReferenceKeysOf(pod).map((reference) => onNode(node, reference)) : undefined;
  },
  { mayDiffer: mayNameOthers },
);

export function nodeRelationsOf(informers: Informers): NodeRelations {
  const pods = informers.for(Pod);
  const podsByReference = informers.indexed(Pod, referencesOnNode);
  const volumes = informers.for(PersistentVolume);
  const attachments = informers.for(VolumeAttachment);
  const slices = informers.for(ResourceSlice);
  const volumesBySecret = informers.indexed(PersistentVolume, volumeSecretKeysOf);
  return {
    pod: (namespace, name) => pods.get(`${namespace}/${name}`),
    somePodRefersTo: (node, reference) => podsByReference.under(onNode(node, reference)).length > 0,
    persistentVolume: (name) => volumes.get(name),
    volumesWithSecret: (namespace, name) => volumesBySecret.under(referenceKey('secrets', namespace, name)),
    volumeAttachment: (name) => attachments.get(name),
    nodeOfResourceSlice: (name) => slices.get(name)?.spec.nodeName,
  };
}
