/**
 * Whoever lets a policy look at parameters must be allowed to read them: its texts could tell what is in them. Upstream
 * checks this where policies are stored. Source: upstream's registry/admissionregistration, authz.go; texts from there.
 */
import { MutatingAdmissionPolicy } from '#api/admissionregistration/v1/mutating-admission-policy.ts';
import { ValidatingAdmissionPolicy } from '#api/admissionregistration/v1/validating-admission-policy.ts';
import type { ParamKind } from '#api/generated/schema.ts';
import { isEqual } from '#api/machinery/equal.ts';
import { forbiddenField } from '#api/machinery/field-error.ts';
import { invalid } from '#api/machinery/status.ts';
import type { UserInfo } from '#client/transport.ts';
import { MASTERS_GROUP } from '../../authentication/authenticator.ts';
import { type AdmissionRequest, type AdmissionServices, defineAdmission } from '../define-admission.ts';
import type { BindingObject, PolicyObject } from './bound-policy.ts';

const GROUP = 'admissionregistration.k8s.io';

export const policyParamAccess = defineAdmission<PolicyObject>({
  name: 'PolicyParamAccess',
  on: {
    resources: [
      { group: GROUP, plural: 'validatingadmissionpolicies' },
      { group: GROUP, plural: 'mutatingadmissionpolicies' },
    ],
    verbs: ['create', 'update'],
  },

  async validate(request, services) {
    const paramKind = request.object?.spec.paramKind;
    if (!paramKind || isMaster(request.user) || isEqual(paramKind, request.old?.spec.paramKind)) return;
    if (await mayGet(request, { paramKind, name: '*', namespace: '*' }, services)) return;
    const { apiVersion = '', kind = '' } = paramKind;
    const what = `all objects of the referenced paramKind (kind=${kind}, apiVersion=${apiVersion})`;
    throw refusal(request, 'spec.paramKind', `user ${textOf(request.user)} must have "get" permission on ${what}`);
  },
});

export const bindingParamAccess = defineAdmission<BindingObject>({
  name: 'PolicyParamAccess',
  on: {
    resources: [
      { group: GROUP, plural: 'validatingadmissionpolicybindings' },
      { group: GROUP, plural: 'mutatingadmissionpolicybindings' },
    ],
    verbs: ['create', 'update'],
  },

  async validate(request, services) {
    const { paramRef, policyName = '' } = request.object?.spec ?? {};
    const before = request.old?.spec;
    if (!paramRef || isMaster(request.user)) return;
    if (isEqual(paramRef, before?.paramRef) && policyName === before?.policyName) return;
    const policies = request.kind.plural.startsWith('mutating') ? MutatingAdmissionPolicy : ValidatingAdmissionPolicy;
    const policy: PolicyObject | undefined = await services.live<PolicyObject>(policies as never, { name: policyName });
    const { name = '', namespace = '' } = paramRef;
    if (await mayGet(request, { paramKind: policy?.spec.paramKind, name, namespace }, services)) return;
    const why = `user ${textOf(request.user)} does not have "get" permission on the object referenced by paramRef`;
    throw refusal(request, 'spec.paramRef', why);
  },
});

const isMaster = ({ groups }: UserInfo): boolean => groups.includes(MASTERS_GROUP);

/** Of a kind that is not known everything is asked for. */
async function mayGet(
  { user }: Pick<AdmissionRequest, 'user'>,
  { paramKind, name, namespace }: { paramKind: ParamKind | undefined; name: string; namespace: string },
  { authorizer, kinds }: AdmissionServices,
): Promise<boolean> {
  const [version = '*', group = paramKind ? '' : '*'] = paramKind?.apiVersion?.split('/').reverse() ?? [];
  const resource = kinds.byKind(group, version, paramKind?.kind ?? '')?.plural ?? '*';
  const attributes = { user, verb: 'get', group, version, resource, subresource: '', namespace, name };
  const { decision } = await authorizer.authorize(attributes);
  return decision === 'allow';
}

const refusal = ({ kind, name }: AdmissionRequest, field: string, why: string) =>
  invalid(kind, name, [forbiddenField(field, why)]);

/** As Go prints a user. */
function textOf({ name, uid = '', groups, extra = {} }: UserInfo): string {
  const entries = Object.entries(extra)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, values]) => `${key}:[${values.join(' ')}]`);
  return `&{${name} ${uid} [${groups.join(' ')}] map[${entries.join(' ')}]}`;
}
