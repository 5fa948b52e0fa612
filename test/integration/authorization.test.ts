/** Who is asked what users may do, by real requests and stock kubectl: modes, webhooks, policies, acting as others. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { kubeconfigFor } from '#cmd/pki/kubeconfig.ts';
import { eventually } from './extension-server.ts';
import { type HttpsApiServer, startHttpsApiServer } from './https-api-server.ts';
import { type HttpsService, kubeconfigOf, type Review, startReviewService } from './outside/https-service.ts';

const directory = mkdtempSync(join(tmpdir(), 'authorization-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));
const file = (name: string, content: string): string => {
  const path = join(directory, name);
  writeFileSync(path, content);
  return path;
};

const running: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of running.splice(0)) await one[Symbol.asyncDispose]();
});
const start = async (flags: Record<string, string> = {}): Promise<HttpsApiServer> => {
  const server = await startHttpsApiServer({ flags });
  running.unshift(server);
  return server;
};
const service = async (answer: (review: Review) => object | number): Promise<HttpsService> => {
  const started = await startReviewService(answer);
  running.push(started);
  return started;
};

/** What stock kubectl says, whether it succeeds or not. */
async function kubectlAs(api: HttpsApiServer, user: string, args: readonly string[]): Promise<string> {
  const client = api.pki.issueClient(`as-${user}`, { user });
  const { url, pki } = api;
  const path = file(
    `${user}.kubeconfig`,
    kubeconfigFor({ name: 't', server: url, caCertificate: pki.caCertificate, client }),
  );
  try {
    const { stdout, stderr } = await api.kubectl([`--kubeconfig=${path}`, ...args]);
    return stdout + stderr;
  } catch (error) {
    return (error as Error).message;
  }
}

const configuration = (authorizers: object[]): string =>
  JSON.stringify({ apiVersion: 'apiserver.config.k8s.io/v1', kind: 'AuthorizationConfiguration', authorizers });
const webhook = (path: string, more: object = {}) => ({
  type: 'Webhook',
  name: 'outside',
  webhook: {
    timeout: '30s',
    subjectAccessReviewVersion: 'v1',
    failurePolicy: 'NoOpinion',
    connectionInfo: { type: 'KubeConfigFile', kubeConfigFile: path },
    ...more,
  },
});
const RBAC = { type: 'RBAC', name: 'rbac' };
const NODE = { type: 'Node', name: 'node' };

describe('a webhook that authorizes', () => {
  test('is asked before RBAC; what it says holds for a while', async () => {
    const reviews: Review[] = [];
    const outside = await service((review) => {
      reviews.push(review);
      const { user, resourceAttributes } = review.spec as {
        user: string;
        resourceAttributes?: { resource: string; verb: string };
      };
      if (user !== 'jane') return { allowed: false };
      if (resourceAttributes?.resource === 'secrets') return { allowed: false, denied: true, reason: 'not for jane' };
      return { allowed: true, reason: 'jane is fine' };
    });
    const path = file('hook', kubeconfigOf(outside));
    const api = await start({ 'authorization-config': file('a.yaml', configuration([webhook(path), NODE, RBAC])) });
    expect(await kubectlAs(api, 'jane', ['get', 'configmaps', '-n', 'default', '-l', 'app=web'])).toContain(
      'No resources',
    );
    expect(await kubectlAs(api, 'jane', ['get', 'secrets'])).toContain(
      'Error from server (Forbidden): secrets is forbidden: User "jane" cannot list resource "secrets" in API group "" in the namespace "default": not for jane',
    );
    expect(await kubectlAs(api, 'jane', ['auth', 'can-i', 'delete', 'nodes'])).toMatch(/^(Warning:.*\n*)*yes/m);
    expect(await kubectlAs(api, 'bob', ['get', 'pods'])).toContain(
      'pods is forbidden: User "bob" cannot list resource "pods" in API group "" in the namespace "default"',
    );
    expect(reviews.find(({ spec }) => JSON.stringify(spec).includes('configmaps'))).toEqual({
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SubjectAccessReview',
      metadata: {},
      status: { allowed: false },
      spec: {
        user: 'jane',
        groups: ['system:authenticated'],
        extra: { 'authentication.kubernetes.io/credential-id': [expect.stringMatching(/^X509SHA256=/)] },
        resourceAttributes: {
          namespace: 'default',
          verb: 'list',
          version: 'v1',
          resource: 'configmaps',
          labelSelector: { requirements: [{ key: 'app', operator: 'In', values: ['web'] }] },
        },
      },
    });
    const asked = outside.requests.length;
    await kubectlAs(api, 'jane', ['get', 'configmaps', '-n', 'default', '-l', 'app=web']);
    expect(outside.requests.length).toBe(asked);
    // Members of system:masters are let in before anybody is asked.
    expect(reviews.some(({ spec }) => JSON.stringify(spec).includes('system:masters'))).toBe(false);
  });

  test('that does not answer leaves it to the next, or refuses, as its policy says', async () => {
    const outside = await service(() => 404);
    const path = file('hook2', kubeconfigOf(outside));
    const config = file('b.yaml', configuration([webhook(path), RBAC]));
    const api = await start({ 'authorization-config': config });
    await api.kubectl(['create', 'clusterrolebinding', 'jane', '--clusterrole=view', '--user=jane']);
    await eventually(async () => expect(await kubectlAs(api, 'jane', ['get', 'pods'])).toContain('No resources'));
    expect(await kubectlAs(api, 'bob', ['get', 'pods'])).toContain(
      'Error from server (InternalError): Internal error occurred: the server could not find the requested resource',
    );
    const review = await api.kubectl(
      ['create', '-f', '-', '-o', 'json'],
      JSON.stringify({
        apiVersion: 'authorization.k8s.io/v1',
        kind: 'SubjectAccessReview',
        spec: { user: 'bob', resourceAttributes: { verb: 'get', resource: 'pods' } },
      }),
    );
    expect(JSON.parse(review.stdout).status).toEqual({
      allowed: false,
      evaluationError: 'the server could not find the requested resource',
    });
    writeFileSync(config, configuration([webhook(path, { failurePolicy: 'Deny' }), RBAC]));
    await eventually(async () => expect(await kubectlAs(api, 'jane', ['get', 'pods'])).toContain('InternalError'));
  });

  test('is asked only about what its conditions match', async () => {
    const outside = await service(() => ({ allowed: true }));
    const conditions = {
      matchConditionSubjectAccessReviewVersion: 'v1',
      matchConditions: [
        { expression: 'has(request.resourceAttributes)' },
        { expression: "request.resourceAttributes.namespace == 'kube-system'" },
        { expression: "!('system:serviceaccounts' in request.groups)" },
      ],
    };
    const hook = webhook(file('hook4', kubeconfigOf(outside)), conditions);
    const api = await start({ 'authorization-config': file('cel.yaml', configuration([hook, RBAC])) });
    expect(await kubectlAs(api, 'jane', ['get', 'pods', '-n', 'kube-system'])).toContain('No resources');
    expect(outside.requests).toHaveLength(1);
    expect(await kubectlAs(api, 'jane', ['get', 'pods', '-n', 'default'])).toContain('pods is forbidden');
    expect(await kubectlAs(api, 'jane', ['get', '--raw', '/metrics'])).toContain('cannot get path "/metrics"');
    expect(outside.requests).toHaveLength(1);
    const bad = webhook(join(directory, 'hook4'), {
      matchConditionSubjectAccessReviewVersion: 'v1',
      matchConditions: [{ expression: 'request.user' }],
    });
    const starting = startHttpsApiServer({ flags: { 'authorization-config': file('bad.yaml', configuration([bad])) } });
    await expect(starting).rejects.toThrow(
      'authorizers[0].matchConditions[0].expression: Invalid value: "request.user": must evaluate to bool but got string',
    );
  });

  test('of the flags is asked in v1beta1', async () => {
    const reviews: Review[] = [];
    const outside = await service((review) => {
      reviews.push(review);
      return { allowed: true };
    });
    const api = await start({
      'authorization-mode': 'Webhook',
      'authorization-webhook-config-file': file('hook3', kubeconfigOf(outside)),
    });
    expect(await kubectlAs(api, 'jane', ['get', '--raw', '/metrics'])).toContain('apiserver_request');
    expect(reviews[0]).toMatchObject({
      apiVersion: 'authorization.k8s.io/v1beta1',
      spec: { user: 'jane', group: ['system:authenticated'], nonResourceAttributes: { path: '/metrics', verb: 'get' } },
    });
  });
});

test('policies of a file allow what they say, beside RBAC', async () => {
  const policy = { apiVersion: 'abac.authorization.kubernetes.io/v1beta1', kind: 'Policy' };
  const lines = [
    '# who may look',
    JSON.stringify({ ...policy, spec: { user: 'jane', namespace: 'default', resource: 'pods', readonly: true } }),
  ];
  const api = await start({
    'authorization-mode': 'Node,RBAC,ABAC',
    'authorization-policy-file': file('policy.jsonl', lines.join('\n')),
  });
  expect(await kubectlAs(api, 'jane', ['get', 'pods'])).toContain('No resources');
  expect(await kubectlAs(api, 'jane', ['get', 'pods', '-A'])).toContain(
    'pods is forbidden: User "jane" cannot list resource "pods" in API group "" at the cluster scope: No policy matched.',
  );
  const list = await kubectlAs(api, 'jane', ['auth', 'can-i', '--list']);
  expect(list).toMatch(/^pods\s+\[\]\s+\[\]\s+\[get list watch\]$/m);
  expect(list).toMatch(/selfsubjectreviews\.authentication\.k8s\.io/);
});

test.each([
  ['AlwaysAllow', '"kind":"PodList"'],
  ['AlwaysDeny', 'in the namespace "default": Everything is forbidden.'],
])('the mode %s', async (mode, said) => {
  const api = await start({ 'authorization-mode': mode });
  expect(await kubectlAs(api, 'jane', ['get', '--raw', '/api/v1/namespaces/default/pods'])).toContain(said);
});

test.each([
  [{ 'authorization-mode': 'Node,Foo' }, 'authorization-mode "Foo" is not a valid mode'],
  [{ 'authorization-mode': 'RBAC,RBAC' }, 'has mode specified more than once'],
  [{ 'authorization-mode': 'ABAC' }, "authorization-mode ABAC's authorization policy file not passed"],
  [{ 'authorization-mode': 'Webhook' }, "authorization-mode Webhook's authorization config file not passed"],
  [{ 'authorization-policy-file': '/dev/null' }, 'cannot specify --authorization-policy-file without mode ABAC'],
  [
    { 'authorization-mode': 'RBAC', 'authorization-config': '/dev/null' },
    '--authorization-config can not be specified when --authorization-mode or --authorization-webhook-* flags are defined',
  ],
  [
    { 'authorization-config': '/dev/null' },
    'failed to load AuthorizationConfiguration from file "/dev/null": the file is empty',
  ],
])('%j does not start', async (flags, message) => {
  await expect(startHttpsApiServer({ flags: flags as Record<string, string> })).rejects.toThrow(message);
});

describe('acting as somebody else', () => {
  test('for everything, or for some requests only', async () => {
    const api = await start();
    const rules = (name: string, ...all: object[]) =>
      api.kubectl(
        ['apply', '-f', '-'],
        JSON.stringify({
          apiVersion: 'v1',
          kind: 'List',
          items: [
            { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole', metadata: { name }, rules: all },
            {
              apiVersion: 'rbac.authorization.k8s.io/v1',
              kind: 'ClusterRoleBinding',
              metadata: { name },
              roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name },
              subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name }],
            },
          ],
        }),
      );
    await rules('boss', { apiGroups: [''], resources: ['users', 'groups', 'serviceaccounts'], verbs: ['impersonate'] });
    await rules(
      'agent',
      {
        apiGroups: ['authentication.k8s.io'],
        resources: ['users'],
        resourceNames: ['jane'],
        verbs: ['impersonate:user-info'],
      },
      { apiGroups: [''], resources: ['pods'], verbs: ['impersonate-on:user-info:list'] },
    );
    await rules('jane', { apiGroups: [''], resources: ['pods', 'services'], verbs: ['list'] });
    await eventually(async () =>
      expect(await kubectlAs(api, 'boss', ['get', 'services', '--as=jane'])).toContain('No resources'),
    );
    await eventually(async () =>
      expect(await kubectlAs(api, 'agent', ['get', 'pods', '--as=jane'])).toContain('No resources'),
    );
    expect(await kubectlAs(api, 'agent', ['get', 'services', '--as=jane'])).toContain(
      'services is forbidden: User "agent" cannot impersonate-on:user-info:list resource "services" in API group "" in the namespace "default"',
    );
    expect(await kubectlAs(api, 'agent', ['get', 'pods', '--as=bob'])).toContain(
      'users.authentication.k8s.io "bob" is forbidden: User "agent" cannot impersonate:user-info resource "users" in API group "authentication.k8s.io" at the cluster scope',
    );
    const who = await kubectlAs(api, 'boss', ['auth', 'whoami', '--as=system:serviceaccount:default:robot']);
    expect(who).toMatch(/Groups\s+\[system:serviceaccounts system:serviceaccounts:default system:authenticated\]/);
  });

  test('with a binding to a role that is not there says so', async () => {
    const api = await start();
    await api.kubectl(['create', 'clusterrolebinding', 'lost', '--clusterrole=lost', '--user=jane']);
    await eventually(async () =>
      expect(await kubectlAs(api, 'jane', ['get', 'pods'])).toContain(
        'in the namespace "default": RBAC: clusterrole.rbac.authorization.k8s.io "lost" not found',
      ),
    );
  });
});

describe('roles', () => {
  const RBAC_GROUP = 'rbac.authorization.k8s.io';
  const role = (name: string, ...rules: object[]) => ({
    apiVersion: `${RBAC_GROUP}/v1`,
    kind: 'ClusterRole',
    metadata: { name },
    rules,
  });
  const binding = (name: string, to: string, user: string) => ({
    apiVersion: `${RBAC_GROUP}/v1`,
    kind: 'ClusterRoleBinding',
    metadata: { name },
    roleRef: { apiGroup: RBAC_GROUP, kind: 'ClusterRole', name: to },
    subjects: [{ apiGroup: RBAC_GROUP, kind: 'User', name: user }],
  });
  const rule = (verbs: string[], resources: string[]) => ({ apiGroups: [''], resources, verbs });

  test('are put right by kubectl auth reconcile, whatever they were before', async () => {
    const api = await start();
    const reconcile = (items: object[], ...more: string[]) =>
      api.kubectl(['auth', 'reconcile', '-f', '-', ...more], JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
    const rules = async () => {
      const { stdout } = await api.kubectl(['get', 'clusterrole', 'reader', '-o', 'jsonpath={.rules}']);
      return JSON.parse(stdout);
    };
    const pods = rule(['get'], ['pods']);
    const services = rule(['get'], ['services']);
    await reconcile([role('reader', pods), binding('readers', 'reader', 'jane')]);
    expect(await rules()).toEqual([pods]);
    await reconcile([role('reader', services)]);
    expect(await rules()).toEqual([pods, services]);
    await reconcile([role('reader', services)], '--remove-extra-permissions');
    expect(await rules()).toEqual([services]);
    // What a binding is to cannot be changed: kubectl makes it anew.
    await reconcile([binding('readers', 'view', 'jane')]);
    const { stdout } = await api.kubectl(['get', 'clusterrolebinding', 'readers', '-o', 'jsonpath={.roleRef.name}']);
    expect(stdout).toBe('view');
  });

  test('give nobody more than who writes or binds them has, unless who does so may', async () => {
    const api = await start();
    const apply = async (user: string, object: object) =>
      kubectlAs(api, user, ['create', '-f', file(`${user}.json`, JSON.stringify(object))]);
    const roles = { apiGroups: [RBAC_GROUP], resources: ['clusterroles', 'clusterrolebindings'] };
    const items = [
      role('writer', { ...roles, verbs: ['create'] }, rule(['get'], ['pods'])),
      role('granter', { ...roles, verbs: ['create', 'escalate', 'bind'] }),
      binding('writer', 'writer', 'jane'),
      binding('granter', 'granter', 'boss'),
    ];
    await api.kubectl(['create', '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
    await eventually(async () => expect(await apply('boss', role('all', rule(['*'], ['*'])))).toContain('created'));
    await eventually(async () =>
      expect(await apply('jane', role('pods', rule(['get'], ['pods'])))).toContain('created'),
    );
    expect(await apply('jane', role('more', rule(['get', 'delete'], ['pods', 'secrets'])))).toContain(
      [
        'clusterroles.rbac.authorization.k8s.io "more" is forbidden: user "jane" (groups=["system:authenticated"]) is attempting to grant RBAC permissions not currently held:',
        '{APIGroups:[""], Resources:["pods"], Verbs:["delete"]}',
        '{APIGroups:[""], Resources:["secrets"], Verbs:["get" "delete"]}',
      ].join('\n'),
    );
    expect(await apply('jane', binding('mine', 'cluster-admin', 'jane'))).toContain(
      'clusterrolebindings.rbac.authorization.k8s.io "mine" is forbidden: user "jane" (groups=["system:authenticated"]) is attempting to grant RBAC permissions not currently held:',
    );
    expect(await apply('boss', binding('theirs', 'cluster-admin', 'someone'))).toContain('created');
  });
});
