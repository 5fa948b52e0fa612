import { describe, expect, test } from 'vitest';
import { requestInfoOf } from '../request-info.ts';
import { parsePolicy } from './policy.ts';

const file = (rest: string) => `apiVersion: audit.k8s.io/v1\nkind: Policy\n${rest}`;
const user = (name: string, ...groups: string[]) => ({ name, groups });

const policy = parsePolicy(
  file(`
omitStages: [RequestReceived]
omitManagedFields: true
rules:
- level: None
  users: ["system:kube-proxy"]
  verbs: [watch]
  resources: [{group: "", resources: [endpoints, services]}]
- level: None
  userGroups: ["system:nodes"]
  nonResourceURLs: ["/healthz*", /version]
- level: RequestResponse
  omitManagedFields: false
  omitStages: [Panic]
  resources: [{group: "", resources: ["pods/*", "*/scale"]}]
- level: Request
  namespaces: [kube-system]
  resources: [{group: apps}]
- level: Metadata
  resources: [{group: "", resources: [secrets], resourceNames: [top]}]
- level: Metadata
  namespaces: [""]
`),
);

describe('the first rule that matches decides', () => {
  test.each([
    ['GET', '/api/v1/services?watch=1', user('system:kube-proxy'), undefined],
    ['GET', '/api/v1/services', user('system:kube-proxy'), 'Metadata'],
    ['GET', '/healthz/ping', user('x', 'system:nodes'), undefined],
    ['GET', '/version', user('x', 'system:nodes'), undefined],
    ['GET', '/api/v1/namespaces/a/pods/b/log', user('x'), 'RequestResponse'],
    ['GET', '/api/v1/namespaces/a/pods/b', user('x'), 'RequestResponse'], // pods/* is about pods as well
    ['GET', '/api/v1/namespaces/a/services/b', user('x'), undefined],
    ['PUT', '/api/v1/namespaces/a/replicationcontrollers/b/scale', user('x'), 'RequestResponse'],
    ['PUT', '/apis/apps/v1/namespaces/kube-system/deployments/b', user('x'), 'Request'],
    ['PUT', '/apis/apps/v1/namespaces/default/deployments/b', user('x'), undefined],
    ['GET', '/api/v1/namespaces/a/secrets/top', user('x'), 'Metadata'],
    ['GET', '/api/v1/namespaces/a/secrets/other', user('x'), undefined],
    ['GET', '/api/v1/nodes', user('x'), 'Metadata'],
    ['GET', '/version', user('x'), undefined],
    ['GET', '/api/v1/nodes', undefined, 'Metadata'],
  ] as const)('%s %s by %o', (method, path, who, level) => {
    expect(policy.configFor(requestInfoOf(method, path), who)?.level).toBe(level);
  });

  test('stages are left out by the rule and by the policy; managed fields as the rule says, else the policy', () => {
    const pods = policy.configFor(requestInfoOf('GET', '/api/v1/namespaces/a/pods/b/log'), user('x'));
    expect([...(pods?.omitStages ?? [])]).toEqual(['RequestReceived', 'Panic']);
    expect(pods?.omitManagedFields).toBe(false);
    expect(policy.configFor(requestInfoOf('GET', '/api/v1/nodes'), user('x'))?.omitManagedFields).toBe(true);
  });
});

describe('what is wrong with a file is told at once', () => {
  test.each([
    ['rules: []', 'loaded illegal policy with 0 rules'],
    ['rules: [{users: [a]}]', 'rules[0].level: Required value'],
    [
      'rules: [{level: All}]',
      'rules[0].level: Unsupported value: "All": supported values: "None", "Metadata", "Request", "RequestResponse"',
    ],
    [
      'omitStages: [Never]\nrules: [{level: None, nonResourceURLs: [healthz, "/a*b"]}]',
      '[omitStages[0]: Invalid value: "Never": allowed stages are RequestReceived,ResponseStarted,ResponseComplete,Panic, ' +
        'rules[0].nonResourceURLs[0]: Invalid value: "healthz": non-resource URL rules must begin with a \'/\' character, ' +
        'rules[0].nonResourceURLs[1]: Invalid value: "/a*b": non-resource URL wildcards \'*\' must be the final character of the rule]',
    ],
    [
      'rules: [{level: None, nonResourceURLs: ["/a"], namespaces: [b]}]',
      'rules[0].nonResourceURLs: Invalid value: ["/a"]: rules cannot apply to both regular resources and non-resource URLs',
    ],
    [
      'rules: [{level: None, resources: [{resourceNames: [a]}]}]',
      'rules[0].resources.resourceNames: Invalid value: ["a"]: using resourceNames requires at least one resource',
    ],
    ['rules: [{level: None, user: [a]}]', 'strict decoding error: unknown field "rules[0].user"'],
  ])('%s', (rest, problem) => {
    expect(() => parsePolicy(file(rest))).toThrow(problem);
  });

  test('a file of another kind', () => {
    expect(() => parsePolicy('apiVersion: audit.k8s.io/v1beta1\nkind: Policy\nrules: [{level: None}]')).toThrow(
      'no kind "Policy" is registered for version "audit.k8s.io/v1beta1"',
    );
  });
});
