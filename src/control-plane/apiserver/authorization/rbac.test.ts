import { expect, test } from 'vitest';
import type { ClusterRole, ClusterRoleBinding } from '#api/generated/schema.ts';
import { RbacAuthorizer, type RbacSource } from './rbac.ts';

const RBAC = 'rbac.authorization.k8s.io';
const clusterRole = {
  metadata: { name: 'reader' },
  rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['list'] }],
} as unknown as ClusterRole;
const binding = {
  kind: 'ClusterRoleBinding',
  metadata: { name: 'reads' },
  roleRef: { apiGroup: RBAC, kind: 'ClusterRole', name: 'reader' },
  subjects: [{ kind: 'User', name: 'alice' }],
} as unknown as ClusterRoleBinding;

/** `asked`: for whose bindings it was asked, and where. */
function watched() {
  const asked: string[] = [];
  const source: RbacSource = {
    clusterRole: () => clusterRole,
    role: () => undefined,
    clusterRoleBindingsOf(key) {
      asked.push('cluster');
      return key === 'User/alice' ? [binding] : [];
    },
    roleBindingsOf(where) {
      asked.push(where);
      return [];
    },
    onChange: () => undefined,
  };
  const authorizer = new RbacAuthorizer(source);
  const user = { name: 'alice', groups: [] };
  const decide = (verb: string, namespace: string) => {
    const wish = { user, verb, group: '', version: 'v1', resource: 'pods', subresource: '', name: '', namespace };
    return authorizer.authorize(wish).decision;
  };
  return { asked, decide, authorizer, user };
}

test.each([
  { what: 'of a namespace is put together once', namespace: 'a'.repeat(63), times: 1 },
  { what: 'of what is too long to be one is not kept: clients choose it', namespace: 'a'.repeat(64), times: 2 },
])('what a user may $what', ({ namespace, times }) => {
  const { asked, decide } = watched();
  for (let time = 0; time < 2; time++) expect(decide('delete', namespace)).toBe('noOpinion');
  expect(asked).toEqual(['cluster', ...Array(times).fill(namespace)]);
});

test('what a user may in the whole cluster is put together once, whatever namespaces it is used in', () => {
  const { asked, decide, authorizer, user } = watched();
  for (const namespace of ['a', 'b', '']) expect(decide('list', namespace)).toBe('allow');
  expect(asked).toEqual(['cluster']);
  expect(authorizer.policyRulesOf(user, 'a')).toEqual(clusterRole.rules);
  expect(authorizer.rulesFor(user, 'b').resourceRules).toEqual(clusterRole.rules);
  expect(asked).toEqual(['cluster', 'a', 'b']);
});

test('roles that are missing are told of the cluster and of the namespace, in this order', () => {
  const refer = (name: string) => ({ ...binding, roleRef: { ...binding.roleRef, name } });
  const source: RbacSource = {
    clusterRole: () => undefined,
    role: () => undefined,
    clusterRoleBindingsOf: () => [refer('one')],
    roleBindingsOf: () => [{ ...refer('two'), kind: 'RoleBinding' }],
    onChange: () => undefined,
  };
  const { incomplete, evaluationError } = new RbacAuthorizer(source).rulesFor({ name: 'alice', groups: [] }, 'a');
  const text =
    'clusterrole.rbac.authorization.k8s.io "one" not found, clusterrole.rbac.authorization.k8s.io "two" not found';
  expect({ incomplete, evaluationError }).toEqual({ incomplete: true, evaluationError: `[${text}]` });
});
