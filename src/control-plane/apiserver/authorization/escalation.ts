/** Nobody may hand out, in a role or a binding, more than they have; unless allowed to `escalate` or to `bind`. */
import type { ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding } from '#api/generated/schema.ts';
import { forbidden, notFound, type StatusError } from '#api/machinery/status.ts';
import type { UserInfo } from '#client/transport.ts';
import { MASTERS_GROUP } from '../authentication/authenticator.ts';
import type { Authorizer } from './authorizer.ts';
import { compact, notCovered, ruleText } from './policy-rule.ts';
import type { RbacAuthorizer } from './rbac.ts';

const GROUP = 'rbac.authorization.k8s.io';
const EVERYTHING: PolicyRule[] = [
  { apiGroups: ['*'], resources: ['*'], verbs: ['*'] },
  { nonResourceURLs: ['*'], verbs: ['*'] },
];

export interface EscalationServices {
  rbac: Pick<RbacAuthorizer, 'policyRulesOf' | 'rulesBehind'>;
  authorizer: Authorizer;
}

/** The 403 for a role that gives more than `user` has; undefined when it may be written. */
export async function roleEscalation(
  user: UserInfo,
  role: Role | ClusterRole,
  { rbac, authorizer }: EscalationServices,
): Promise<StatusError | undefined> {
  const resource = { group: GROUP, plural: role.kind === 'Role' ? 'roles' : 'clusterroles' };
  const { name, namespace = '' } = role.metadata;
  if (await maySkip('escalate', { user, authorizer, plural: resource.plural, namespace, name })) return undefined;
  const owned = rbac.policyRulesOf(user, namespace);
  const missing = notCovered(owned, role.rules ?? []);
  if (missing.length > 0) return forbidden(resource, name, missingText(user, missing));
  const aggregates = 'aggregationRule' in role && role.aggregationRule !== undefined;
  return aggregates && notCovered(owned, EVERYTHING).length > 0
    ? forbidden(resource, name, 'must have cluster-admin privileges to use the aggregationRule')
    : undefined;
}

/** The same for a binding: the rules behind its roleRef count. 404 when there is no such role. */
export async function bindingEscalation(
  user: UserInfo,
  binding: RoleBinding | ClusterRoleBinding,
  { rbac, authorizer }: EscalationServices,
): Promise<StatusError | undefined> {
  const { metadata, roleRef } = binding;
  const namespace = metadata.namespace ?? '';
  const plural = roleRef.kind === 'ClusterRole' ? 'clusterroles' : 'roles';
  if (await maySkip('bind', { user, authorizer, plural, namespace, name: roleRef.name })) return undefined;
  const rules = rbac.rulesBehind(roleRef, namespace);
  if (!rules) return notFound({ group: GROUP, plural }, roleRef.name);
  const missing = notCovered(rbac.policyRulesOf(user, namespace), rules);
  const resource = { group: GROUP, plural: binding.kind === 'RoleBinding' ? 'rolebindings' : 'clusterrolebindings' };
  return missing.length > 0 ? forbidden(resource, metadata.name, missingText(user, missing)) : undefined;
}

interface Skip {
  user: UserInfo;
  authorizer: Authorizer;
  plural: string;
  namespace: string;
  name: string;
}

async function maySkip(verb: 'escalate' | 'bind', { user, authorizer, plural, namespace, name }: Skip) {
  if (user.groups.includes(MASTERS_GROUP)) return true;
  const attributes = { user, verb, group: GROUP, version: '*', resource: plural, subresource: '', namespace, name };
  return (await authorizer.authorize(attributes)).decision === 'allow';
}

function missingText({ name, groups }: UserInfo, missing: readonly PolicyRule[]): string {
  const lines = [...new Set(compact(missing).map(ruleText))].sort();
  const who = `user ${JSON.stringify(name)} (groups=[${groups.map((group) => JSON.stringify(group)).join(' ')}])`;
  return `${who} is attempting to grant RBAC permissions not currently held:\n${lines.join('\n')}`;
}
