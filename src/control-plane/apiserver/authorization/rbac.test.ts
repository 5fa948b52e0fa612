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

test.each([
  { what: 'of a namespace is put together once', namespace: 'a'.repeat(63), times: 1 },
  { what: 'of what is too long to be one is not kept: clients choose it', namespace: 'a'.repeat(64), times: 2 },
])('what a user may $what', ({ namespace, times }) => {
  const asked: string[] = [];
  const source: RbacSource = {
    clusterRole: () => clusterRole,
    role: () => undefined,
    clusterRoleBindingsOf: (key) => (key === 'User/alice' ? [binding] : []),
    roleBindingsOf: (where) => {
      asked.push(where);
      return [];
    },
    onChange: () => undefined,
  };
  const authorizer = new RbacAuthorizer(source);
  const user = { name: 'alice', groups: [] };
  const wish = { user, verb: 'list', group: '', version: 'v1', resource: 'pods', subresource: '', name: '', namespace };
  for (let time = 0; time < 2; time++) expect(authorizer.authorize(wish).decision).toBe('allow');
  expect(asked).toEqual(Array(times).fill(namespace));
});
