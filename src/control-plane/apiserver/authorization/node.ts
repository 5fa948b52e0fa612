/**
 * What a kubelet may do: everything about its own Node, the pods bound to it, and whatever those pods name; nothing else.
 * Secrets of pods on other nodes stay unreadable to it. Source: documentation, "Using Node Authorization".
 */

import {
  claimNamesOf,
  configMapNamesOf,
  isMirrorPod,
  resourceClaimNamesOf,
  secretNamesOf,
} from '#api/core/v1/pod-references.ts';
import type { PersistentVolume, Pod, VolumeAttachment } from '#api/generated/schema.ts';
import type { UserInfo } from '#client/transport.ts';
import {
  type Attributes,
  type Authorizer,
  allow,
  type Decision,
  isResourceRequest,
  noOpinion,
  type ResourceAttributes,
  type RuleResolver,
  type UserRules,
} from './authorizer.ts';
import { nodeRules } from './bootstrap-cluster-roles.ts';
import { rulesAllow } from './policy-rule.ts';

const NODES_GROUP = 'system:nodes';
const NODE_USER_PREFIX = 'system:node:';
const NODE_LEASES = 'kube-node-lease';

/** undefined: not a node. '' is one whose name cannot be told. */
export function nodeNameOf({ name, groups }: UserInfo): string | undefined {
  if (!groups.includes(NODES_GROUP)) return undefined;
  return name.startsWith(NODE_USER_PREFIX) ? name.slice(NODE_USER_PREFIX.length) : undefined;
}

/** What the node authorizer must know of the cluster. */
export interface NodeRelations {
  pod(namespace: string, name: string): Pod | undefined;
  /** Whether a pod bound to the node has this among `podReferenceKeysOf`. */
  somePodRefersTo(node: string, reference: string): boolean;
  persistentVolume(name: string): PersistentVolume | undefined;
  volumesWithSecret(namespace: string, secret: string): readonly PersistentVolume[];
  volumeAttachment(name: string): VolumeAttachment | undefined;
  /** spec.nodeName of a ResourceSlice. */
  nodeOfResourceSlice(name: string): string | undefined;
}

export const referenceKey = (resource: string, namespace: string, name: string): string =>
  `${resource}/${namespace}/${name}`;

/** Everything that a pod gives its node a reason to read. A mirror pod gives none: it was made by the node itself. */
export function podReferenceKeysOf(pod: Pod): string[] {
  if (isMirrorPod(pod)) return [];
  const namespace = pod.metadata.namespace ?? '';
  const keys = (resource: string, names: readonly string[]) =>
    names.map((name) => referenceKey(resource, namespace, name));
  return [
    ...keys('secrets', secretNamesOf(pod)),
    ...keys('configmaps', configMapNamesOf(pod)),
    ...keys('persistentvolumeclaims', claimNamesOf(pod)),
    ...keys('resourceclaims', resourceClaimNamesOf(pod)),
    ...(pod.spec.serviceAccountName ? keys('serviceaccounts', [pod.spec.serviceAccountName]) : []),
  ];
}

/**
 * Secrets that a volume names and a kubelet needs, with their namespaces; the claim's namespace where none is given. Those
 * with which a CSI controller publishes and expands are not for nodes.
 */
export function volumeSecretKeysOf({ spec }: PersistentVolume): string[] {
  const inClaim = spec.claimRef?.namespace ?? '';
  const { azureFile } = spec;
  const secrets = [
    spec.csi?.nodePublishSecretRef,
    spec.csi?.nodeStageSecretRef,
    spec.csi?.nodeExpandSecretRef,
    spec.iscsi?.secretRef,
    spec.rbd?.secretRef,
    spec.cephfs?.secretRef,
    spec.cinder?.secretRef,
    spec.flexVolume?.secretRef,
    spec.scaleIO?.secretRef,
    spec.storageos?.secretRef,
    azureFile && { name: azureFile.secretName, namespace: azureFile.secretNamespace },
  ];
  return secrets.flatMap((ref) => (ref?.name ? [referenceKey('secrets', ref.namespace ?? inClaim, ref.name)] : []));
}

export class NodeAuthorizer implements Authorizer, RuleResolver {
  readonly #relations: NodeRelations;

  constructor(relations: NodeRelations) {
    this.#relations = relations;
  }

  rulesFor(user: UserInfo): UserRules {
    const none = { resourceRules: [], nonResourceRules: [], incomplete: false };
    if (nodeNameOf(user) === undefined) return none;
    return { ...none, incomplete: true, evaluationError: 'node authorizer does not support user rule resolution' };
  }

  authorize(attributes: Attributes): Decision {
    const node = nodeNameOf(attributes.user);
    if (node === undefined) return noOpinion();
    if (node === '') return noOpinion(`unknown node for user ${JSON.stringify(attributes.user.name)}`);
    if (isResourceRequest(attributes)) {
      const narrowed = this.#narrowed(node, attributes);
      if (narrowed) return narrowed;
    }
    return rulesAllow(nodeRules, attributes) ? allow() : noOpinion();
  }

  /** undefined: a resource that all nodes may use alike, by the rules. */
  #narrowed(node: string, attributes: ResourceAttributes): Decision | undefined {
    const { group, resource, subresource } = attributes;
    switch (group ? `${resource}.${group}` : resource) {
      case 'secrets':
      case 'configmaps':
        return this.#readRelated(node, attributes);
      case 'persistentvolumeclaims':
        return subresource === 'status' ? this.#updateStatus(node, attributes) : this.#get(node, attributes);
      case 'persistentvolumes':
      case 'resourceclaims.resource.k8s.io':
      case 'volumeattachments.storage.k8s.io':
        return this.#get(node, attributes);
      case 'serviceaccounts':
        return attributes.verb === 'get' && !attributes.subresource
          ? this.#readRelated(node, attributes)
          : this.#createToken(node, attributes);
      case 'leases.coordination.k8s.io':
        return leaseDecision(node, attributes);
      case 'csinodes.storage.k8s.io':
        return csiNodeDecision(node, attributes);
      case 'resourceslices.resource.k8s.io':
        return this.#resourceSlice(node, attributes);
      case 'nodes':
        return nodeDecision(node, attributes);
      case 'pods':
        return this.#pod(node, attributes);
      default:
        return undefined;
    }
  }

  #updateStatus(node: string, attributes: ResourceAttributes): Decision {
    if (attributes.verb !== 'update' && attributes.verb !== 'patch')
      return noOpinion('can only get/update/patch this type');
    return this.#ifRelated(node, attributes);
  }

  #get(node: string, attributes: ResourceAttributes): Decision {
    if (attributes.verb !== 'get') return noOpinion('can only get individual resources of this type');
    if (attributes.subresource) return noOpinion('cannot get subresource');
    return this.#ifRelated(node, attributes);
  }

  #readRelated(node: string, attributes: ResourceAttributes): Decision {
    if (!READ_VERBS.includes(attributes.verb)) return noOpinion('can only read resources of this type');
    if (attributes.subresource) return noOpinion('cannot read subresource');
    if (!attributes.namespace) return noOpinion('can only read namespaced object of this type');
    return this.#ifRelated(node, attributes);
  }

  #createToken(node: string, attributes: ResourceAttributes): Decision {
    if (attributes.verb !== 'create' || !attributes.name)
      return noOpinion('can only create tokens for individual service accounts');
    if (attributes.subresource !== 'token') return noOpinion('can only create token subresource of serviceaccount');
    return this.#ifRelated(node, attributes);
  }

  #pod(node: string, attributes: ResourceAttributes): Decision {
    const { verb, subresource, name } = attributes;
    if (subresource === 'status') return verb === 'update' || verb === 'patch' ? allow() : noOpinion();
    if (subresource === 'eviction') return verb === 'create' ? allow() : noOpinion();
    if (subresource) return noOpinion();
    if (verb === 'create' || verb === 'delete') return allow(); // mirror pods; NodeRestriction looks closer
    if (verb === 'get') return this.#get(node, attributes);
    if (verb !== 'list' && verb !== 'watch') return noOpinion();
    if (selects(attributes, 'spec.nodeName', node)) return allow();
    return name
      ? this.#ifRelated(node, attributes)
      : noOpinion('can only list/watch pods with spec.nodeName field selector');
  }

  #resourceSlice(node: string, attributes: ResourceAttributes): Decision {
    if (attributes.subresource) return noOpinion('cannot authorize ResourceSlice subresources');
    switch (attributes.verb) {
      case 'create':
        return allow();
      case 'get':
      case 'update':
      case 'patch':
      case 'delete':
        return this.#ifRelated(node, attributes);
      case 'watch':
      case 'list':
      case 'deletecollection':
        return selects(attributes, 'spec.nodeName', node)
          ? allow()
          : noOpinion('can only list/watch/deletecollection resourceslices with nodeName field selector');
      default:
        return noOpinion(
          'only the following verbs are allowed for a ResourceSlice: get, watch, list, create, update, patch, delete, deletecollection',
        );
    }
  }

  #ifRelated(node: string, { resource, namespace, name }: ResourceAttributes): Decision {
    if (!name) return noOpinion('No Object name found');
    return this.#isRelated(node, { resource, namespace, name })
      ? allow()
      : noOpinion(`no relationship found between node '${node}' and this object`);
  }

  #isRelated(node: string, { resource, namespace, name }: { resource: string; namespace: string; name: string }) {
    const relations = this.#relations;
    switch (resource) {
      case 'pods':
        return relations.pod(namespace, name)?.spec.nodeName === node;
      case 'persistentvolumes':
        return this.#claimIsUsed(node, relations.persistentVolume(name));
      case 'volumeattachments':
        return relations.volumeAttachment(name)?.spec.nodeName === node;
      case 'resourceslices':
        return relations.nodeOfResourceSlice(name) === node;
      case 'secrets':
        return (
          relations.somePodRefersTo(node, referenceKey('secrets', namespace, name)) ||
          relations.volumesWithSecret(namespace, name).some((volume) => this.#claimIsUsed(node, volume))
        );
      default:
        return relations.somePodRefersTo(node, referenceKey(resource, namespace, name));
    }
  }

  #claimIsUsed(node: string, volume: PersistentVolume | undefined): boolean {
    const claim = volume?.spec.claimRef;
    if (!claim?.name) return false;
    return this.#relations.somePodRefersTo(
      node,
      referenceKey('persistentvolumeclaims', claim.namespace ?? '', claim.name),
    );
  }
}

const READ_VERBS: readonly string[] = ['get', 'list', 'watch'];
const OWN_VERBS: readonly string[] = ['get', 'create', 'update', 'patch', 'delete'];

/** Whether a field selector of the request demands exactly this value. */
const selects = ({ fieldSelector = '' }: ResourceAttributes, field: string, value: string): boolean =>
  fieldSelector.split(',').some((term) => term === `${field}=${value}` || term === `${field}==${value}`);

function leaseDecision(node: string, { verb, namespace, name }: ResourceAttributes): Decision {
  if (!OWN_VERBS.includes(verb)) return noOpinion('can only get, create, update, patch, or delete a node lease');
  if (namespace !== NODE_LEASES) return noOpinion(`can only access leases in the "${NODE_LEASES}" system namespace`);
  if (verb !== 'create' && name !== node)
    return noOpinion('can only access node lease with the same name as the requesting node');
  return allow();
}

function csiNodeDecision(node: string, { verb, subresource, name }: ResourceAttributes): Decision {
  if (!OWN_VERBS.includes(verb)) return noOpinion('can only get, create, update, patch, or delete a CSINode');
  if (subresource) return noOpinion('cannot authorize CSINode subresources');
  if (verb !== 'create' && name !== node)
    return noOpinion('can only access CSINode with the same name as the requesting node');
  return allow();
}

/** Writes are looked at by NodeRestriction, which sees the object. A list must be of the own node, by field selector. */
function nodeDecision(node: string, attributes: ResourceAttributes): Decision {
  const { verb, subresource } = attributes;
  if (subresource === 'status') return verb === 'update' || verb === 'patch' ? allow() : noOpinion();
  if (subresource === 'tunnel') return verb === 'create' && attributes.name === node ? allow() : noOpinion();
  if (subresource) return noOpinion();
  if (verb === 'create' || verb === 'update' || verb === 'patch') return allow();
  if (!READ_VERBS.includes(verb)) return noOpinion();
  if (attributes.name === node || selects(attributes, 'metadata.name', node)) return allow();
  return noOpinion(
    attributes.name
      ? `node '${node}' cannot read '${attributes.name}', only its own Node object`
      : `node '${node}' cannot read all nodes, only its own Node object`,
  );
}
