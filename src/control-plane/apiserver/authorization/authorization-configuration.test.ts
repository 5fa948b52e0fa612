import { describe, expect, test } from 'vitest';
import { type ConfigurationServices, parseAuthorizationConfiguration } from './authorization-configuration.ts';

const services: ConfigurationServices = {
  expressionProblem: (expression) => (expression.includes('bad') ? 'compilation failed: bad' : undefined),
  fileProblem: (path) => (path === '/there' ? undefined : 'error loading file: no such file'),
};
const HEAD = 'apiVersion: apiserver.config.k8s.io/v1\nkind: AuthorizationConfiguration\n';
const parse = (body: string) => parseAuthorizationConfiguration(HEAD + body, services);
const webhook = (changes: object = {}) =>
  `authorizers: ${JSON.stringify([
    {
      type: 'Webhook',
      name: 'hook',
      webhook: {
        timeout: '3s',
        subjectAccessReviewVersion: 'v1',
        failurePolicy: 'Deny',
        connectionInfo: { type: 'KubeConfigFile', kubeConfigFile: '/there' },
        ...changes,
      },
    },
  ])}`;

test('a good one has its defaults', () => {
  expect(parse(`${webhook()}\n`).authorizers[0]?.webhook).toMatchObject({
    timeout: 3000,
    authorizedTTL: 300_000,
    cacheAuthorizedRequests: true,
    unauthorizedTTL: 30_000,
    cacheUnauthorizedRequests: true,
  });
  expect(parse('authorizers: [{type: Node, name: node}, {type: RBAC, name: rbac}]').authorizers).toHaveLength(2);
});

describe('is refused', () => {
  test.each([
    ['', 'authorizers: Required value: at least one authorization mode must be defined'],
    ['authorizers: [{name: a}]', 'authorizers[0].type: Required value'],
    [
      'authorizers: [{type: Foo, name: a}]',
      'authorizers[0].type: Unsupported value: "Foo": supported values: "ABAC", "AlwaysAllow", "AlwaysDeny", "Node", "RBAC", "Webhook"',
    ],
    ['authorizers: [{type: RBAC, name: rbac}, {type: RBAC, name: x}]', 'authorizers[1].type: Duplicate value: "RBAC"'],
    ['authorizers: [{type: RBAC, name: mine}]', 'expected name rbac for authorizer RBAC instead of mine'],
    ['authorizers: [{type: RBAC}]', 'authorizers[0].name: Required value'],
    [
      'authorizers: [{type: RBAC, name: rbac, webhook: {}}]',
      'authorizers[0].webhook: Invalid value: "non-null": may only be specified when type=Webhook',
    ],
    ['authorizers: [{type: Webhook, name: x}]', 'authorizers[0].webhook: Required value: required when type=Webhook'],
    ['authorizers: [{type: RBAC, name: rbac, foo: 1}]', 'strict decoding error: unknown field "authorizers[0].foo"'],
    [webhook({ timeout: '31s' }), 'authorizers[0].timeout: Invalid value: "31s": must be > 0s and <= 30s'],
    [webhook({ timeout: undefined }), 'authorizers[0].timeout: Required value'],
    [webhook({ timeout: 3 }), 'authorizers[0].webhook.timeout must be a time such as 3s'],
    [webhook({ authorizedTTL: '-1m' }), 'authorizers[0].authorizedTTL: Invalid value: "-1m0s": must be > 0s'],
    [
      webhook({ subjectAccessReviewVersion: 'v2' }),
      'authorizers[0].subjectAccessReviewVersion: Unsupported value: "v2": supported values: "v1", "v1beta1"',
    ],
    [webhook({ failurePolicy: undefined }), 'authorizers[0].failurePolicy: Required value'],
    [
      webhook({ connectionInfo: { type: 'KubeConfigFile', kubeConfigFile: 'rel' } }),
      'authorizers[0].connectionInfo.kubeConfigFile: Invalid value: "rel": must be an absolute path',
    ],
    [
      webhook({ connectionInfo: { type: 'KubeConfigFile', kubeConfigFile: '/gone' } }),
      'Invalid value: "/gone": error loading file: no such file',
    ],
    [
      webhook({ matchConditions: [{ expression: 'true' }] }),
      'matchConditionSubjectAccessReviewVersion: Required value: required if match conditions are specified',
    ],
    [
      webhook({
        matchConditionSubjectAccessReviewVersion: 'v1',
        matchConditions: [{ expression: 'a' }, { expression: 'a' }, { expression: 'bad' }, { expression: ' ' }],
      }),
      '[authorizers[0].matchConditions[1].expression: Duplicate value: "a", authorizers[0].matchConditions[2].expression: Invalid value: "bad": compilation failed: bad, authorizers[0].matchConditions[3].expression: Required value]',
    ],
  ])('%s', (body, message) => {
    expect(() => parse(body)).toThrow(message);
  });

  test.each([
    ['', 'the file is empty'],
    ['apiVersion: v1\nkind: Pod', 'no kind "Pod" is registered for version "v1"; the file must begin with'],
    [`${HEAD}authorizers: []\nauthorizers: []`, 'strict decoding error'],
    ['- a', 'the file must hold an object'],
  ])('a file %j', (text, message) => {
    expect(() => parseAuthorizationConfiguration(text, services)).toThrow(message);
  });
});
