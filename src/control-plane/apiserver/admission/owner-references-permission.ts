/**
 * Who makes an object depend on another one must be allowed to delete it, and who makes an owner wait for it must be allowed
 * to set the owner's finalizers. Off unless asked for. Source: documentation, OwnerReferencesPermissionEnforcement.
 */
import { isEqual } from '#api/machinery/equal.ts';
import type { KindRegistry } from '#api/machinery/kind.ts';
import type { KubeObject, OwnerReference } from '#api/machinery/object.ts';
import type { UserInfo } from '#client/transport.ts';
import type { ResourceAttributes } from '../authorization/authorizer.ts';
import { type AdmissionRequest, type AdmissionServices, defineAdmission, refused } from './define-admission.ts';

export const ownerReferencesPermission = defineAdmission({
  name: 'OwnerReferencesPermissionEnforcement',
  on: { resources: [{ group: '*', plural: '*', subresource: '*' }], verbs: ['create', 'update'] },
  async validate(request, services) {
    const { kind, subresource, object, old, user } = request;
    if (kind.group === '' && kind.plural === 'pods' && subresource === 'status') return; // kubelets own their mirror pods
    const [next, current] = [ownersOf(object), ownersOf(old)];
    if (isEqual(next, current)) return;
    if (request.verb === 'update') await refuseUndeletable(request, services);
    const blocking = next.filter(
      ({ uid, blockOwnerDeletion }) =>
        blockOwnerDeletion && !current.find((one) => one.uid === uid)?.blockOwnerDeletion,
    );
    if (blocking.length === 0 || (await mayFinalizeAnything(user, services))) return;
    for (const owner of blocking) await refuseUnfinalizable(owner, request, services);
  },
});

const ownersOf = (object: KubeObject | undefined): readonly OwnerReference[] => object?.metadata?.ownerReferences ?? [];

async function refuseUndeletable(request: AdmissionRequest, { authorizer }: AdmissionServices): Promise<void> {
  const { kind, namespace, name, subresource, user } = request;
  const { group, version, plural: resource } = kind;
  const attributes: ResourceAttributes = {
    user,
    verb: 'delete',
    group,
    version,
    resource,
    subresource,
    namespace,
    name,
  };
  const { decision, reason } = await authorizer.authorize(attributes);
  if (decision !== 'allow')
    throw refused(request, `cannot set an ownerRef on a resource you can't delete: ${reason ?? ''}, <nil>`);
}

const finalizers = { verb: 'update', subresource: 'finalizers' };

async function mayFinalizeAnything(user: UserInfo, { authorizer }: AdmissionServices): Promise<boolean> {
  const anything: ResourceAttributes = {
    ...finalizers,
    user,
    group: '*',
    version: '*',
    resource: '*',
    namespace: '',
    name: '*',
  };
  return (await authorizer.authorize(anything)).decision === 'allow';
}

async function refuseUnfinalizable(owner: OwnerReference, request: AdmissionRequest, services: AdmissionServices) {
  const kind = kindOf(owner, services.kinds);
  if (!kind) {
    const named = `APIVersion ${owner.apiVersion} Kind ${owner.kind}`;
    const why = `no matches for kind ${JSON.stringify(owner.kind)} in version ${JSON.stringify(owner.apiVersion)}`;
    throw refused(
      request,
      `cannot set blockOwnerDeletion in this case because cannot find RESTMapping for ${named}: ${why}`,
    );
  }
  const { group, version, plural: resource } = kind;
  const namespace = kind.scope === 'Namespaced' ? request.namespace : '';
  const attributes: ResourceAttributes = {
    ...finalizers,
    user: request.user,
    group,
    version,
    resource,
    namespace,
    name: owner.name,
  };
  const { decision, reason } = await services.authorizer.authorize(attributes);
  if (decision !== 'allow')
    throw refused(
      request,
      `cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers on: ${reason ?? ''}, <nil>`,
    );
}

function kindOf({ apiVersion, kind }: OwnerReference, kinds: KindRegistry) {
  const [version = '', group = ''] = apiVersion.split('/').reverse();
  return kinds.byKind(group, version, kind);
}
