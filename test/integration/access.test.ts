/** Who may do what, over the whole pipeline: RBAC with the bootstrap roles, nodes, tokens, reviews, admission. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Namespace } from '#api/core/v1/namespace.ts';
import { Node } from '#api/core/v1/node.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { Secret } from '#api/core/v1/secret.ts';
import { ServiceAccount } from '#api/core/v1/service-account.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { ClusterRole } from '#api/rbac/v1/cluster-role.ts';
import { ClusterRoleBinding } from '#api/rbac/v1/cluster-role-binding.ts';
import { Role } from '#api/rbac/v1/role.ts';
import { RoleBinding } from '#api/rbac/v1/role-binding.ts';
import { PriorityClass } from '#api/scheduling/v1/priority-class.ts';
import { Client, type Draft } from '#client/client.ts';
import type { UserInfo } from '#client/transport.ts';
import { ensureSystemPriorityClasses } from '#control-plane/apiserver/admission/system-priority-classes.ts';
import { ensureBootstrapObjects } from '#control-plane/apiserver/authorization/ensure-bootstrap-objects.ts';
import { startCluster, type TestCluster } from '#testing/cluster.ts';

const alice: UserInfo = { name: 'alice@example.com', groups: ['system:authenticated'] };
const kubelet: UserInfo = { name: 'system:node:one', groups: ['system:nodes', 'system:authenticated'] };
const anonymous: UserInfo = { name: 'system:anonymous', groups: ['system:unauthenticated'] };
const RBAC = 'rbac.authorization.k8s.io';

let cluster: TestCluster;
beforeEach(async () => {
  cluster = await startCluster({ rbac: true, serviceAccounts: true });
  await cluster.client.create(Namespace, { metadata: { name: 'dev' } } as Draft<Namespace>);
  await cluster.client.create(ServiceAccount, { metadata: { namespace: 'dev', name: 'default' } });
});
afterEach(() => cluster[Symbol.asyncDispose]());

const as = (user: UserInfo): Client => new Client(cluster.transportFor(user));
const pod = (name: string, spec: object = {}) =>
  ({ metadata: { namespace: 'dev', name }, spec: { containers: [{ name: 'c', image: 'i' }], ...spec } }) as Draft<Pod>;
const ask = async (user: UserInfo, path: string, object: object) =>
  (await cluster.transportFor(user).request({ method: 'POST', path, object })).object as KubeObject & {
    status: Record<string, unknown>;
  };

async function letAliceReadPods(): Promise<void> {
  const { client } = cluster;
  await client.create(Role, {
    metadata: { namespace: 'dev', name: 'pod-reader' },
    rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get', 'list'] }],
  });
  await client.create(RoleBinding, {
    metadata: { namespace: 'dev', name: 'read-pods' },
    subjects: [{ kind: 'User', name: alice.name, apiGroup: RBAC }],
    roleRef: { kind: 'Role', name: 'pod-reader', apiGroup: RBAC },
  });
  await cluster.settles();
}

describe('alice, who may get and list pods in dev', () => {
  beforeEach(letAliceReadPods);

  test('lists them, and nothing else', async () => {
    expect((await as(alice).list(Pod, { namespace: 'dev' })).items).toEqual([]);
    await expect(as(alice).list(Pod, { namespace: 'default' })).rejects.toMatchObject({
      code: 403,
      message:
        'pods is forbidden: User "alice@example.com" cannot list resource "pods" in API group "" in the namespace "default"',
    });
    await expect(as(alice).list(Pod)).rejects.toMatchObject({ code: 403 });
    await expect(as(alice).create(Pod, pod('x'))).rejects.toMatchObject({ code: 403 });
    await expect(as(alice).list(Secret, { namespace: 'dev' })).rejects.toMatchObject({ code: 403 });
  });

  test('is told so by kubectl auth can-i', async () => {
    const review = (verb: string) =>
      ask(alice, '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', {
        apiVersion: 'authorization.k8s.io/v1',
        kind: 'SelfSubjectAccessReview',
        spec: { resourceAttributes: { namespace: 'dev', verb, resource: 'pods' } },
      });
    expect((await review('list')).status).toEqual({
      allowed: true,
      reason: 'RBAC: allowed by RoleBinding "read-pods/dev" of Role "pod-reader" to User "alice@example.com"',
    });
    expect((await review('delete')).status).toMatchObject({ allowed: false });
  });

  test('cannot give herself more, even with the right to write roles', async () => {
    const { client } = cluster;
    const writes = [{ apiGroups: [RBAC], resources: ['roles', 'rolebindings'], verbs: ['create', 'update'] }];
    await client.create(ClusterRole, { metadata: { name: 'role-writer' }, rules: writes });
    await client.create(ClusterRoleBinding, {
      metadata: { name: 'role-writer' },
      subjects: [{ kind: 'User', name: alice.name, apiGroup: RBAC }],
      roleRef: { kind: 'ClusterRole', name: 'role-writer', apiGroup: RBAC },
    });
    await cluster.settles();
    const rules = [{ apiGroups: [''], resources: ['secrets'], verbs: ['get'] }];
    await expect(as(alice).create(Role, { metadata: { namespace: 'dev', name: 'x' }, rules })).rejects.toMatchObject({
      code: 403,
      message: expect.stringContaining(
        'is attempting to grant RBAC permissions not currently held:\n{APIGroups:[""], Resources:["secrets"], Verbs:["get"]}',
      ),
    });
    const binding = {
      metadata: { namespace: 'dev', name: 'x' },
      subjects: [{ kind: 'User', name: alice.name, apiGroup: RBAC }],
      roleRef: { kind: 'ClusterRole', name: 'admin', apiGroup: RBAC },
    };
    await expect(as(alice).create(RoleBinding, binding)).rejects.toMatchObject({ code: 403 });
  });
});

test('anonymous may not list anything', async () => {
  await expect(as(anonymous).list(Namespace)).rejects.toMatchObject({
    message:
      'namespaces is forbidden: User "system:anonymous" cannot list resource "namespaces" in API group "" at the cluster scope',
  });
});

describe('a node', () => {
  beforeEach(async () => {
    const { client } = cluster;
    await as(kubelet).create(Node, { metadata: { name: 'one' } } as Draft<Node>);
    for (const name of ['wanted', 'other'])
      await client.create(Secret, { metadata: { namespace: 'dev', name }, type: 'Opaque' });
    await client.create(
      Pod,
      pod('web', { nodeName: 'one', volumes: [{ name: 'v', secret: { secretName: 'wanted' } }] }),
    );
    await cluster.settles();
  });

  test('registers itself tainted, and no other', async () => {
    expect((await cluster.client.get(Node, { name: 'one' })).spec.taints).toEqual([
      { key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' },
    ]);
    await expect(as(kubelet).create(Node, { metadata: { name: 'two' } } as Draft<Node>)).rejects.toMatchObject({
      code: 403,
      message: 'nodes "two" is forbidden: node "one" is not allowed to modify node "two"',
    });
  });

  test('reads the secrets of its pods only', async () => {
    expect((await as(kubelet).get(Secret, { namespace: 'dev', name: 'wanted' })).metadata.name).toBe('wanted');
    await expect(as(kubelet).get(Secret, { namespace: 'dev', name: 'other' })).rejects.toMatchObject({
      code: 403,
      message:
        'secrets "other" is forbidden: User "system:node:one" cannot get resource "secrets" in API group "" in the namespace "dev": no relationship found between node \'one\' and this object',
    });
  });

  test('lists its own pods only', async () => {
    const { items } = await as(kubelet).list(Pod, { fieldSelector: 'spec.nodeName=one' });
    expect(items.map(({ metadata }) => metadata.name)).toEqual(['web']);
    await expect(as(kubelet).list(Pod)).rejects.toMatchObject({ code: 403 });
  });

  test('gets a token for its pod, if it knows the uid', async () => {
    const { uid } = (await cluster.client.get(Pod, { namespace: 'dev', name: 'web' })).metadata;
    const wish = (boundObjectRef: object) =>
      ask(kubelet, '/api/v1/namespaces/dev/serviceaccounts/default/token', {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenRequest',
        spec: { audiences: [], expirationSeconds: 3607, boundObjectRef },
      });
    const { status } = await wish({ apiVersion: 'v1', kind: 'Pod', name: 'web', uid });
    const claims = JSON.parse(Buffer.from(String(status['token']).split('.')[1] ?? '', 'base64url').toString());
    expect(claims).toMatchObject({
      sub: 'system:serviceaccount:dev:default',
      'kubernetes.io': { namespace: 'dev', pod: { name: 'web', uid }, node: { name: 'one' } },
    });
    await expect(wish({ apiVersion: 'v1', kind: 'Pod', name: 'web' })).rejects.toMatchObject({ code: 403 });
  });
});

test('a second start changes nothing, but heals what lacks a rule', async () => {
  const { client } = cluster;
  const before = await client.list(ClusterRole);
  await ensureBootstrapObjects(client);
  expect((await client.list(ClusterRole)).items).toEqual(before.items);

  const dns = await client.get(ClusterRole, { name: 'system:kube-dns' });
  await client.update(ClusterRole, { ...dns, rules: [] });
  const admins = await client.get(ClusterRoleBinding, { name: 'cluster-admin' });
  await client.delete(ClusterRoleBinding, { name: 'cluster-admin' });
  const { name, labels, annotations } = admins.metadata;
  const elsewhere = { ...admins.roleRef, name: 'view' };
  await client.create(ClusterRoleBinding, { metadata: { name, labels, annotations }, roleRef: elsewhere } as never);
  await ensureBootstrapObjects(client);
  expect((await client.get(ClusterRole, { name: 'system:kube-dns' })).rules).toEqual(dns.rules);
  expect(await client.get(ClusterRoleBinding, { name: 'cluster-admin' })).toMatchObject({
    roleRef: admins.roleRef,
    subjects: admins.subjects,
  });
});

test('the PriorityClasses of the system are made once', async () => {
  await ensureSystemPriorityClasses(cluster.client);
  await ensureSystemPriorityClasses(cluster.client);
  const { items } = await cluster.client.list(PriorityClass);
  expect(items.map(({ metadata, value }) => [metadata.name, value])).toEqual([
    ['system-cluster-critical', 2_000_000_000],
    ['system-node-critical', 2_000_001_000],
  ]);
  await cluster.settles();
  const created = await cluster.client.create(Pod, pod('dns', { priorityClassName: 'system-node-critical' }));
  expect(created.spec.priority).toBe(2_000_001_000);
});
