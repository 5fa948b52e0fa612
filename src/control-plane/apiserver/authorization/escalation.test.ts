import { expect, test } from 'vitest';
import type { ClusterRole, PolicyRule, Role, RoleBinding } from '#api/generated/schema.ts';
import type { UserInfo } from '#client/transport.ts';
import { type Authorizer, allow, noOpinion } from './authorizer.ts';
import { bindingEscalation, roleEscalation } from './escalation.ts';

const alice: UserInfo = { name: 'alice', groups: ['developers', 'system:authenticated'] };
const reads: PolicyRule = { apiGroups: [''], resources: ['pods'], verbs: ['get', 'list'] };
const nobody: Authorizer = { authorize: () => noOpinion() };
const onlyVerb = (verb: string): Authorizer => ({ authorize: (wish) => (wish.verb === verb ? allow() : noOpinion()) });

const services = (owned: PolicyRule[], authorizer = nobody, behind?: PolicyRule[]) => ({
  rbac: { policyRulesOf: () => owned, rulesBehind: () => behind },
  authorizer,
});
const role = (...rules: PolicyRule[]) => ({ kind: 'Role', metadata: { name: 'r', namespace: 'a' }, rules }) as Role;
const binding = {
  kind: 'RoleBinding',
  metadata: { name: 'b', namespace: 'a' },
  roleRef: { kind: 'Role', name: 'r' },
} as RoleBinding;

test('a role with what its writer has may be written', async () => {
  expect(await roleEscalation(alice, role({ ...reads, verbs: ['get'] }), services([reads]))).toBeUndefined();
  const all: PolicyRule = { apiGroups: ['*'], resources: ['*'], verbs: ['*'] };
  expect(await roleEscalation(alice, role(reads), services([all]))).toBeUndefined();
});

test('a role with more is refused, naming what is missing', async () => {
  const wanted = { apiGroups: [''], resources: ['pods', 'secrets'], verbs: ['get', 'delete'] };
  const error = await roleEscalation(alice, role(wanted), services([reads]));
  expect(error?.code).toBe(403);
  expect(error?.message).toBe(
    'roles.rbac.authorization.k8s.io "r" is forbidden: user "alice" (groups=["developers" "system:authenticated"]) is attempting to grant RBAC permissions not currently held:\n' +
      '{APIGroups:[""], Resources:["pods"], Verbs:["delete"]}\n' +
      '{APIGroups:[""], Resources:["secrets"], Verbs:["get" "delete"]}',
  );
});

test.each([
  { owned: { ...reads, resourceNames: ['x'] }, wanted: reads, refused: true },
  { owned: reads, wanted: { ...reads, resourceNames: ['x'] }, refused: false },
  {
    owned: { nonResourceURLs: ['/logs/*'], verbs: ['get'] },
    wanted: { nonResourceURLs: ['/logs/a'], verbs: ['get'] },
    refused: false,
  },
  {
    owned: { nonResourceURLs: ['/logs/a'], verbs: ['get'] },
    wanted: { nonResourceURLs: ['/logs/*'], verbs: ['get'] },
    refused: true,
  },
  {
    owned: { apiGroups: [''], resources: ['pods'], verbs: ['get'] },
    wanted: { apiGroups: [''], resources: ['*'], verbs: ['get'] },
    refused: true,
  },
  {
    owned: { apiGroups: ['*'], resources: ['*/scale'], verbs: ['get'] },
    wanted: { apiGroups: ['apps'], resources: ['deployments/scale'], verbs: ['get'] },
    refused: false,
  },
])('who has $owned and gives $wanted is refused: $refused', async ({ owned, wanted, refused }) => {
  const error = await roleEscalation(alice, role(wanted), services([owned]));
  expect(error !== undefined).toBe(refused);
});

test('system:masters, and who may escalate, may write any role', async () => {
  const master = { name: 'root', groups: ['system:masters'] };
  expect(await roleEscalation(master, role(reads), services([]))).toBeUndefined();
  expect(await roleEscalation(alice, role(reads), services([], onlyVerb('escalate')))).toBeUndefined();
  expect(await roleEscalation(alice, role(reads), services([], onlyVerb('bind')))).toBeDefined();
});

test('aggregation needs everything', async () => {
  const aggregated = { kind: 'ClusterRole', metadata: { name: 'c' }, aggregationRule: {}, rules: [] } as unknown;
  const error = await roleEscalation(alice, aggregated as ClusterRole, services([reads]));
  expect(error?.message).toContain('must have cluster-admin privileges to use the aggregationRule');
});

test('a binding hands out the rules behind it', async () => {
  expect(await bindingEscalation(alice, binding, services([reads], nobody, [reads]))).toBeUndefined();
  const error = await bindingEscalation(alice, binding, services([], nobody, [reads]));
  expect(error?.message).toContain('rolebindings.rbac.authorization.k8s.io "b" is forbidden: user "alice"');
  expect(await bindingEscalation(alice, binding, services([], onlyVerb('bind'), [reads]))).toBeUndefined();
});

test('a binding to a role that does not exist is a 404', async () => {
  const error = await bindingEscalation(alice, binding, services([reads]));
  expect(error?.message).toBe('roles.rbac.authorization.k8s.io "r" not found');
});
