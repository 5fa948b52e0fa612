import { beforeEach, describe, expect, test } from 'vitest';
import type { PolicyRule } from '#api/generated/schema.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import type { Informers } from '#client/informer.ts';
import type { UserInfo } from '#client/transport.ts';
import { type FixedInformers, fixedInformers } from '#testing/fixed-informers.ts';
import { type Attributes, forbiddenBy, type ResourceAttributes } from './authorizer.ts';
import { bootstrapObjects } from './bootstrap-objects.ts';
import { type ClusterAuthorizer, clusterAuthorizer } from './cluster-authorizer.ts';

const RBAC = { apiVersion: 'rbac.authorization.k8s.io/v1' };
const alice: UserInfo = { name: 'alice', groups: ['developers', 'system:authenticated'] };
const anonymous: UserInfo = { name: 'system:anonymous', groups: ['system:unauthenticated'] };
const robot: UserInfo = {
  name: 'system:serviceaccount:ci:robot',
  groups: ['system:serviceaccounts', 'system:serviceaccounts:ci', 'system:authenticated'],
};
const master: UserInfo = { name: 'kubernetes-admin', groups: ['system:masters', 'system:authenticated'] };
const node = (name: string): UserInfo => ({
  name: `system:node:${name}`,
  groups: ['system:nodes', 'system:authenticated'],
});

/** `list pods in default`, `get deployments.apps/web in default`, `get pods/log`, `get /version`. */
function wish(user: UserInfo, sentence: string): Attributes {
  const [, verb = '', what = '', namespace = ''] = /^(\S+) (\S+)(?: in (\S+))?$/.exec(sentence) ?? [];
  if (what.startsWith('/')) return { user, verb, path: what };
  const [type = '', name = ''] = what.split('#');
  const [resource = '', subresource = ''] = type.split('/');
  const [plural = '', ...group] = resource.split('.');
  return { user, verb, group: group.join('.'), version: 'v1', resource: plural, subresource, namespace, name };
}

const role = (namespace: string, name: string, ...rules: PolicyRule[]): KubeObject =>
  ({
    ...RBAC,
    kind: namespace ? 'Role' : 'ClusterRole',
    metadata: { name, ...(namespace && { namespace }) },
    rules,
  }) as unknown as KubeObject;

const binding = (namespace: string, name: string, roleRef: string, ...subjects: string[]): KubeObject => {
  const [kind, roleName] = roleRef.split('/');
  return {
    ...RBAC,
    kind: namespace ? 'RoleBinding' : 'ClusterRoleBinding',
    metadata: { name, ...(namespace && { namespace }) },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind, name: roleName },
    subjects: subjects.map((subject) => {
      const [type, who, where] = subject.split('/');
      return { kind: type, name: who, ...(where && { namespace: where }) };
    }),
  } as unknown as KubeObject;
};

const readPods: PolicyRule = { apiGroups: [''], resources: ['pods'], verbs: ['get', 'list'] };

let informers: FixedInformers;
let cluster: ClusterAuthorizer;
beforeEach(() => {
  informers = fixedInformers(bootstrapObjects() as unknown as KubeObject[]);
  cluster = clusterAuthorizer(informers);
});

const may = async (user: UserInfo, sentence: string) =>
  (await cluster.authorizer.authorize(wish(user, sentence))).decision === 'allow';

describe('with the roles that a cluster starts with', () => {
  test.each([
    [anonymous, 'get /version', true],
    [anonymous, 'get /healthz', true],
    [anonymous, 'get /livez', true],
    [anonymous, 'get /api', false],
    [anonymous, 'get /metrics', false],
    [anonymous, 'list pods in default', false],
    [alice, 'get /apis/apps/v1', true],
    [alice, 'get /openapi/v3', true],
    [alice, 'create selfsubjectaccessreviews.authorization.k8s.io', true],
    [alice, 'list pods in default', false],
    [alice, 'get /openid/v1/jwks', false],
    [robot, 'get /openid/v1/jwks', true],
    [robot, 'get secrets#x in ci', false],
    [master, 'delete nodes#one', true],
    [master, 'get /anything/at/all', true],
    [{ name: 'system:kube-scheduler', groups: [] }, 'create pods/binding in default', true],
    [{ name: 'system:kube-scheduler', groups: [] }, 'create pods in default', false],
    [
      { name: 'system:kube-scheduler', groups: [] },
      'update leases.coordination.k8s.io#kube-scheduler in kube-system',
      true,
    ],
    [{ name: 'system:kube-scheduler', groups: [] }, 'update leases.coordination.k8s.io#other in default', false],
    [{ name: 'system:kube-proxy', groups: [] }, 'watch endpointslices.discovery.k8s.io', true],
    [{ name: 'system:kube-controller-manager', groups: [] }, 'list widgets.example.com', true],
    [
      { name: 'system:serviceaccount:kube-system:deployment-controller', groups: [] },
      'create replicasets.apps in a',
      true,
    ],
    [{ name: 'system:serviceaccount:kube-system:deployment-controller', groups: [] }, 'create pods in a', false],
    [{ name: 'system:serviceaccount:other:deployment-controller', groups: [] }, 'create replicasets.apps in a', false],
    [{ name: 'kube-apiserver-kubelet-client', groups: [] }, 'get nodes/proxy#one', true],
  ] as const)('%j: %s → %s', async (user, sentence, allowed) => {
    expect(await may(user as UserInfo, sentence)).toBe(allowed);
  });
});

describe('a Role', () => {
  beforeEach(() => {
    informers.put(role('dev', 'pod-reader', readPods));
    informers.put(binding('dev', 'read-pods', 'Role/pod-reader', 'User/alice', 'ServiceAccount/robot/ci'));
  });

  test.each([
    [alice, 'list pods in dev', true],
    [alice, 'get pods#web in dev', true],
    [alice, 'delete pods#web in dev', false],
    [alice, 'get pods/log#web in dev', false],
    [alice, 'list pods in prod', false],
    [alice, 'list pods', false],
    [robot, 'list pods in dev', true],
    [{ name: 'bob', groups: ['system:authenticated'] }, 'list pods in dev', false],
  ] as const)('holds in its namespace for whom it is bound to: %j %s → %s', async (user, sentence, allowed) => {
    expect(await may(user as UserInfo, sentence)).toBe(allowed);
  });

  test('that changes counts at once', async () => {
    informers.put(role('dev', 'pod-reader', { ...readPods, verbs: ['delete'] }));
    expect([await may(alice, 'list pods in dev'), await may(alice, 'delete pods#web in dev')]).toEqual([false, true]);
  });

  test('is named in the reason', async () => {
    const decision = await cluster.authorizer.authorize(wish(alice, 'list pods in dev'));
    expect(decision.reason).toBe('RBAC: allowed by RoleBinding "read-pods/dev" of Role "pod-reader" to User "alice"');
  });
});

test('a ClusterRole bound in a namespace holds there only', async () => {
  informers.put(binding('dev', 'edits', 'ClusterRole/edit', 'Group/developers'));
  expect(await may(alice, 'create deployments.apps in dev')).toBe(true);
  expect(await may(alice, 'get pods/log#web in dev')).toBe(true); // view is in edit
  expect(await may(alice, 'create roles.rbac.authorization.k8s.io in dev')).toBe(false); // that is admin
  expect(await may(alice, 'create deployments.apps in prod')).toBe(false);
});

test.each([
  { rule: { ...readPods, resourceNames: ['a'] }, sentence: 'get pods#a in dev', allowed: true },
  { rule: { ...readPods, resourceNames: ['a'] }, sentence: 'get pods#b in dev', allowed: false },
  { rule: { ...readPods, resourceNames: ['a'] }, sentence: 'list pods in dev', allowed: false },
  {
    rule: { apiGroups: ['*'], resources: ['*/scale'], verbs: ['get'] },
    sentence: 'get deployments.apps/scale in dev',
    allowed: true,
  },
  {
    rule: { apiGroups: ['*'], resources: ['*/scale'], verbs: ['get'] },
    sentence: 'get deployments.apps in dev',
    allowed: false,
  },
  {
    rule: { apiGroups: ['*'], resources: ['*'], verbs: ['*'] },
    sentence: 'patch deployments.apps/status in dev',
    allowed: true,
  },
  { rule: { apiGroups: ['*'], resources: ['*'], verbs: ['*'] }, sentence: 'get /metrics', allowed: false },
  { rule: { nonResourceURLs: ['/logs/*'], verbs: ['get'] }, sentence: 'get /logs/a/b', allowed: true },
  { rule: { nonResourceURLs: ['/logs/*'], verbs: ['get'] }, sentence: 'get /logs', allowed: false },
  { rule: { nonResourceURLs: ['/logs/*'], verbs: ['get'] }, sentence: 'post /logs/a', allowed: false },
])('the rule $rule: $sentence → $allowed', async ({ rule, sentence, allowed }) => {
  informers.put(role('', 'some', rule));
  informers.put(binding('', 'some', 'ClusterRole/some', 'User/alice'));
  expect(await may(alice, sentence)).toBe(allowed);
});

describe('who has been asked about before', () => {
  const dropped = { ...readPods, verbs: ['delete'] };
  test.each([
    ['a Role', [role('dev', 'r', readPods), binding('dev', 'b', 'Role/r', 'User/alice')], role('dev', 'r', dropped)],
    [
      'a ClusterRole',
      [role('', 'r', readPods), binding('', 'b', 'ClusterRole/r', 'User/alice')],
      role('', 'r', dropped),
    ],
  ])('has what %s gives as long as it and its binding give it', async (_, [theRole, theBinding], changed) => {
    const answers = async (...changes: (() => void)[]) => {
      const all: boolean[] = [];
      for (const change of changes) {
        change();
        all.push(await may(alice, 'list pods in dev'), await may(alice, 'list pods in other'));
      }
      return all;
    };
    const elsewhere = theRole!.metadata.namespace === undefined;
    expect(
      await answers(
        () => undefined,
        () => informers.put(theBinding!),
        () => informers.put(theRole!),
        () => informers.put(changed),
        () => informers.put(theRole!),
        () => informers.remove(theBinding!),
      ),
    ).toEqual([false, false, false, false, true, elsewhere, false, false, true, elsewhere, false, false]);
  });

  test('has by the same name no more than the groups of now give', async () => {
    informers.put(binding('dev', 'edits', 'ClusterRole/edit', 'Group/developers'));
    const moved = { ...alice, groups: ['testers', 'system:authenticated'] };
    const asked = [alice, moved, { ...alice, groups: [...alice.groups] }, { ...moved, groups: [] }];
    expect(await Promise.all(asked.map((user) => may(user, 'list pods in dev')))).toEqual([true, false, true, false]);
  });
});

test('a binding to a role that does not exist allows nothing and is named', async () => {
  informers.put(binding('dev', 'b', 'Role/lost', 'User/alice'));
  informers.put(binding('dev', 'c', 'ClusterRole/lost', 'User/alice'));
  const decision = await cluster.authorizer.authorize(wish(alice, 'list pods in dev'));
  expect(decision).toEqual({
    decision: 'noOpinion',
    reason:
      'RBAC: [role.rbac.authorization.k8s.io "lost" not found, clusterrole.rbac.authorization.k8s.io "lost" not found]',
  });
});

describe('a 403 reads', () => {
  test.each([
    [
      alice,
      'list pods in default',
      'pods is forbidden: User "alice" cannot list resource "pods" in API group "" in the namespace "default"',
    ],
    [
      alice,
      'get deployments.apps#web in a',
      'deployments.apps "web" is forbidden: User "alice" cannot get resource "deployments" in API group "apps" in the namespace "a"',
    ],
    [
      alice,
      'create pods/exec#web in a',
      'pods "web" is forbidden: User "alice" cannot create resource "pods/exec" in API group "" in the namespace "a"',
    ],
    [
      alice,
      'list nodes',
      'nodes is forbidden: User "alice" cannot list resource "nodes" in API group "" at the cluster scope',
    ],
    [anonymous, 'get /', 'forbidden: User "system:anonymous" cannot get path "/"'],
    [{ name: '<b>&', groups: [] }, 'get /x', 'forbidden: User "&lt;b&gt;&amp;" cannot get path "/x"'],
  ] as const)('%j %s', (user, sentence, message) => {
    const error = forbiddenBy(wish(user as UserInfo, sentence), '');
    expect({ code: error.code, message: error.message }).toEqual({ code: 403, message });
  });
});

describe('a node', () => {
  const pod = (name: string, nodeName: string, spec: object = {}): KubeObject =>
    ({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace: 'a', uid: name },
      spec: { nodeName, containers: [], ...spec },
    }) as unknown as KubeObject;

  beforeEach(() => {
    informers.put(
      pod('web', 'one', {
        serviceAccountName: 'robot',
        imagePullSecrets: [{ name: 'pull' }],
        containers: [
          {
            name: 'c',
            env: [{ name: 'X', valueFrom: { secretKeyRef: { name: 'env', key: 'k' } } }],
            envFrom: [{ configMapRef: { name: 'settings' } }],
          },
        ],
        volumes: [
          { name: 'v', secret: { secretName: 'mounted' } },
          { name: 'p', projected: { sources: [{ configMap: { name: 'ca' } }] } },
          { name: 'd', persistentVolumeClaim: { claimName: 'data' } },
        ],
      }),
    );
    informers.put(pod('other', 'two', { volumes: [{ name: 'v', secret: { secretName: 'theirs' } }] }));
  });

  test.each([
    ['get secrets#mounted in a', true],
    ['get secrets#env in a', true],
    ['get secrets#pull in a', true],
    ['watch secrets#mounted in a', true],
    ['get secrets#theirs in a', false],
    ['get secrets#mounted in b', false],
    ['list secrets in a', false],
    ['list secrets', false],
    ['update secrets#mounted in a', false],
    ['get configmaps#settings in a', true],
    ['get configmaps#ca in a', true],
    ['get configmaps#else in a', false],
    ['get persistentvolumeclaims#data in a', true],
    ['create serviceaccounts/token#robot in a', true],
    ['create serviceaccounts/token#default in a', false],
    ['get serviceaccounts#robot in a', true],
    ['get serviceaccounts#default in a', false],
    ['update serviceaccounts#robot in a', false],
    ['create resourceslices.resource.k8s.io', true],
    ['list resourceslices.resource.k8s.io', false],
    ['get podcertificaterequests.certificates.k8s.io#x in a', false],
    ['get pods#web in a', true],
    ['get pods#other in a', false],
    ['list pods', false],
    ['update pods/status#web in a', true],
    ['create pods/eviction#web in a', true],
    ['get nodes#one', true],
    ['get nodes#two', false],
    ['list nodes', false],
    ['patch nodes/status#one', true],
    ['update leases.coordination.k8s.io#one in kube-node-lease', true],
    ['update leases.coordination.k8s.io#two in kube-node-lease', false],
    ['update leases.coordination.k8s.io#one in default', false],
    ['list services', true],
    ['create events in a', true],
    ['create subjectaccessreviews.authorization.k8s.io', true],
    ['create deployments.apps in a', false],
    ['get /metrics', false],
  ])('%s → %s', async (sentence, allowed) => {
    expect(await may(node('one'), sentence)).toBe(allowed);
  });

  test.each([
    { resource: 'pods', fieldSelector: 'spec.nodeName=one', allowed: true },
    { resource: 'pods', fieldSelector: 'status.phase=Running,spec.nodeName=one', allowed: true },
    { resource: 'pods', fieldSelector: 'spec.nodeName=two', allowed: false },
    { resource: 'pods', fieldSelector: 'spec.nodeName!=one', allowed: false },
    { resource: 'nodes', fieldSelector: 'metadata.name=one', allowed: true },
    { resource: 'resourceslices.resource.k8s.io', fieldSelector: 'spec.nodeName=one', allowed: true },
    { resource: 'resourceslices.resource.k8s.io', fieldSelector: 'nodeName=one', allowed: false },
  ])('may list $resource with $fieldSelector: $allowed', async ({ resource, fieldSelector, allowed }) => {
    const attributes = { ...(wish(node('one'), `list ${resource}`) as ResourceAttributes), fieldSelector };
    expect((await cluster.authorizer.authorize(attributes)).decision === 'allow').toBe(allowed);
  });

  test.each([
    { fieldSelector: 'spec.nodeName=one', allowed: true },
    { fieldSelector: 'spec.nodeName=one,spec.driver=gpu.example.com', allowed: true },
    { fieldSelector: 'spec.driver=gpu.example.com', allowed: false },
  ])('may take back ResourceSlices with $fieldSelector: $allowed', async ({ fieldSelector, allowed }) => {
    const given = wish(node('one'), 'deletecollection resourceslices.resource.k8s.io') as ResourceAttributes;
    const { decision } = await cluster.authorizer.authorize({ ...given, fieldSelector });
    expect(decision === 'allow').toBe(allowed);
  });

  test('reads the volume behind a claim of its pod, and the secret of that volume', async () => {
    const volume = (name: string, claim: string) =>
      ({
        apiVersion: 'v1',
        kind: 'PersistentVolume',
        metadata: { name, uid: name },
        spec: {
          claimRef: { namespace: 'a', name: claim },
          csi: {
            nodeStageSecretRef: { namespace: 'storage', name: `${name}-key` },
            controllerPublishSecretRef: { namespace: 'storage', name: `${name}-attach-key` },
          },
        },
      }) as unknown as KubeObject;
    informers.put(volume('used', 'data'));
    informers.put(volume('free', 'elsewhere'));
    expect(await may(node('one'), 'get persistentvolumes#used')).toBe(true);
    expect(await may(node('one'), 'get secrets#used-key in storage')).toBe(true);
    expect(await may(node('one'), 'get secrets#used-attach-key in storage')).toBe(false);
    expect(await may(node('one'), 'get persistentvolumes#free')).toBe(false);
    expect(await may(node('one'), 'get secrets#free-key in storage')).toBe(false);
    expect(await may(node('two'), 'get persistentvolumes#used')).toBe(false);
  });

  test('is told why not', async () => {
    const decision = await cluster.authorizer.authorize(wish(node('one'), 'get secrets#theirs in a'));
    expect(decision.reason).toBe("no relationship found between node 'one' and this object");
  });

  test('loses access when its pod goes elsewhere', async () => {
    informers.put(pod('web', 'two', { volumes: [{ name: 'v', secret: { secretName: 'mounted' } }] }));
    expect(await may(node('one'), 'get secrets#mounted in a')).toBe(false);
    expect(await may(node('two'), 'get secrets#mounted in a')).toBe(true);
  });

  test('reads the device claims that the status of its pod names, for as long as it names them', async () => {
    const bound = pod('web', 'one');
    const naming = (...names: string[]) => ({
      ...bound,
      status: { resourceClaimStatuses: names.map((name) => ({ name, resourceClaimName: `web-${name}` })) },
    });
    const mayRead = (claim: string) => may(node('one'), `get resourceclaims.resource.k8s.io#${claim} in a`);
    informers.put(bound);
    expect(await mayRead('web-gpu')).toBe(false);
    informers.put(naming('gpu'));
    expect(await mayRead('web-gpu')).toBe(true);
    informers.put(naming('nic'));
    expect([await mayRead('web-gpu'), await mayRead('web-nic')]).toEqual([false, true]);
    const status = { extendedResourceClaimStatus: { requestMappings: [], resourceClaimName: 'web-extended' } };
    informers.put({ ...bound, status } as KubeObject);
    expect([await mayRead('web-nic'), await mayRead('web-extended')]).toEqual([false, true]);
    informers.remove(bound);
    expect(await mayRead('web-extended')).toBe(false);
  });

  test('is not made by the name alone', async () => {
    expect(await may({ name: 'system:node:one', groups: [] }, 'get nodes#one')).toBe(false);
  });
});

test('the rules of a user are those of all bindings that hold in the namespace', () => {
  informers.put(role('dev', 'pod-reader', readPods));
  informers.put(binding('dev', 'read-pods', 'Role/pod-reader', 'User/alice'));
  const rules = cluster.rules.rulesFor(alice, 'dev');
  expect(rules.resourceRules).toContainEqual({ verbs: ['get', 'list'], apiGroups: [''], resources: ['pods'] });
  expect(rules.nonResourceRules.flatMap(({ nonResourceURLs }) => nonResourceURLs)).toContain('/apis/*');
  expect(rules.incomplete).toBe(false);
  expect(cluster.rules.rulesFor(node('one'), 'dev').incomplete).toBe(true);
});

test('who carries Ingress traffic reads the certificates that Ingresses name, one by one', () => {
  const ingress = { name: 'kedge:ingress', groups: ['system:authenticated'] };
  const may = (sentence: string, who: UserInfo = ingress) =>
    cluster.authorizer.authorize(wish(who, sentence)) as { decision: string };
  expect(may('watch secrets#cert in shop').decision).toBe('noOpinion');
  informers.put({
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: { name: 'web', namespace: 'shop' },
    spec: { tls: [{ hosts: ['www.example.com'], secretName: 'cert' }] },
  } as unknown as KubeObject);
  for (const verb of ['get', 'list', 'watch']) expect(may(`${verb} secrets#cert in shop`).decision).toBe('allow');
  expect(may('list ingresses.networking.k8s.io').decision).toBe('allow');
  for (const sentence of [
    'list secrets',
    'list secrets in shop',
    'get secrets#other in shop',
    'get secrets#cert in elsewhere',
    'update secrets#cert in shop',
  ]) {
    expect([sentence, may(sentence).decision]).toEqual([sentence, 'noOpinion']);
  }
  expect(may('get secrets#cert in shop', alice).decision).toBe('noOpinion');
});

test('in whose place somebody else decides follows what RBAC needs and no more, until it is asked all the same', async () => {
  const followed = new Set<string>();
  const told: Informers = Object.create(informers);
  told.for = (kind, scope) => {
    followed.add(kind.plural);
    return informers.for(kind, scope);
  };
  told.indexed = (kind, indexKeys) => {
    followed.add(kind.plural);
    return informers.indexed(kind, indexKeys);
  };
  cluster = clusterAuthorizer(told, { isReplaced: true });
  expect([...followed].sort()).toEqual(['clusterrolebindings', 'clusterroles', 'rolebindings', 'roles']);
  expect([await may(alice, 'get /apis/apps/v1'), await may(alice, 'list pods in default')]).toEqual([true, false]);
  expect([...followed]).toEqual(expect.arrayContaining(['ingresses', 'pods', 'volumeattachments']));
});
