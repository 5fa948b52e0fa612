import { describe, expect, test } from 'vitest';
import type { UserInfo } from '#client/transport.ts';
import { AbacAuthorizer, parsePolicies } from './abac.ts';

const policy = (spec: object) =>
  JSON.stringify({ apiVersion: 'abac.authorization.kubernetes.io/v1beta1', kind: 'Policy', spec });
const alice: UserInfo = { name: 'alice', groups: ['dev', 'system:authenticated'] };
const nobody: UserInfo = { name: 'system:anonymous', groups: ['system:unauthenticated'] };

function may(line: string, user: UserInfo, sentence: string): boolean {
  const [verb = '', what = '', namespace = ''] = sentence.split(' ');
  const [resource = '', ...group] = what.split('.');
  const attributes = what.startsWith('/')
    ? { user, verb, path: what }
    : { user, verb, group: group.join('.'), version: 'v1', resource, subresource: '', namespace, name: '' };
  return new AbacAuthorizer(parsePolicies(line)).authorize(attributes).decision === 'allow';
}

const everything = { namespace: '*', resource: '*', apiGroup: '*' };

describe('a policy', () => {
  test.each([
    [policy({ user: 'alice', ...everything }), alice, 'delete pods a', true],
    [policy({ user: 'alice', ...everything }), nobody, 'get pods a', false],
    [policy({ user: 'alice', ...everything }), alice, 'get /metrics', false],
    [policy({ user: 'alice', ...everything, nonResourcePath: '*' }), alice, 'get /metrics', true],
    [policy({ user: 'alice', nonResourcePath: '/logs/*' }), alice, 'get /logs/x', true],
    [policy({ user: 'alice', nonResourcePath: '/logs/*' }), alice, 'get /log', false],
    [policy({ user: 'alice', ...everything, readonly: true }), alice, 'watch pods a', true],
    [policy({ user: 'alice', ...everything, readonly: true }), alice, 'update pods a', false],
    [policy({ group: 'dev', namespace: 'a', resource: 'pods' }), alice, 'get pods a', true],
    [policy({ group: 'dev', namespace: 'a', resource: 'pods' }), alice, 'get pods b', false],
    [policy({ group: 'dev', namespace: 'a', resource: 'pods' }), alice, 'get secrets a', false],
    [policy({ group: 'dev', namespace: 'a', resource: '*' }), alice, 'get deployments.apps a', false],
    [policy({ user: 'alice', group: 'ops', ...everything }), alice, 'get pods a', false],
    [policy({ ...everything }), alice, 'get pods a', false],
    [policy({ user: '*', ...everything }), alice, 'get pods a', true],
    [policy({ user: '*', ...everything }), nobody, 'get pods a', false],
    ['{"user":"alice"}', alice, 'delete deployments.apps a', true],
    ['{"user":"alice"}', alice, 'get /metrics', true],
    ['{"resource":"pods"}', alice, 'get /metrics', false],
    ['{"resource":"pods"}', alice, 'get pods a', true],
    ['{}', nobody, 'get pods a', false],
  ])('%s: %j %s → %s', (line, user, sentence, allowed) => {
    expect(may(line, user, sentence)).toBe(allowed);
  });

  test('that matches nothing says so', () => {
    const answer = new AbacAuthorizer([]).authorize({ user: alice, verb: 'get', path: '/' });
    expect(answer).toEqual({ decision: 'noOpinion', reason: 'No policy matched.' });
  });

  test('is listed among the rules of its user', () => {
    const lines = [policy({ user: 'alice', namespace: 'a', resource: 'pods', readonly: true }), '{"user":"bob"}'];
    const rules = new AbacAuthorizer(parsePolicies(lines.join('\n'))).rulesFor(alice, 'a');
    expect(rules.resourceRules).toEqual([{ verbs: ['get', 'list', 'watch'], apiGroups: [''], resources: ['pods'] }]);
  });
});

test.each([
  ['# a comment\n\n{', /^line 3: \{: /],
  ['{"apiVersion":"v1","kind":"Policy"}', /must have apiVersion abac\.authorization\.kubernetes\.io\/v1beta1/],
  ['{"user":1}', /user must be a text/],
  ['[]', /must be an object/],
])('%j is refused', (text, message) => {
  expect(() => parsePolicies(text)).toThrow(message);
});
