import { describe, expect, test } from 'vitest';
import { parseAuthenticationConfiguration } from './authentication-configuration.ts';

const services = {
  ownIssuers: ['https://own'],
  examine: (expression: string) => ({
    ...(expression === 'bad' && { problem: 'bad it is' }),
    claims: new Set<string>(),
  }),
};
const parse = (body: object) =>
  parseAuthenticationConfiguration(
    JSON.stringify({ apiVersion: 'apiserver.config.k8s.io/v1', kind: 'AuthenticationConfiguration', ...body }),
    services,
  );
const good = {
  issuer: { url: 'https://a', audiences: ['x'] },
  claimMappings: { username: { claim: 'sub', prefix: '' } },
};
const issuer = (more: object) => ({ jwt: [{ ...good, issuer: { ...good.issuer, ...more } }] });
const mappings = (more: object) => ({ jwt: [{ ...good, claimMappings: { ...good.claimMappings, ...more } }] });
const extra = (...all: object[]) => mappings({ extra: all });

test('nothing is a configuration too', () => {
  expect(parse({})).toEqual({ jwt: [] });
  expect(parse({ anonymous: { enabled: true, conditions: [{ path: '/livez' }] } }).anonymous).toEqual({
    enabled: true,
    conditions: [{ path: '/livez' }],
  });
});

describe('is refused', () => {
  test.each<[object, string]>([
    [issuer({ url: '' }), 'jwt[0].issuer.url: Required value'],
    [issuer({ url: 'http://a' }), 'jwt[0].issuer.url: Invalid value: "http://a": URL scheme must be https'],
    [issuer({ url: 'https://u:p@a' }), 'URL must not contain a username or password'],
    [issuer({ url: 'https://a?b=c' }), 'URL must not contain a query'],
    [issuer({ url: 'https://a#b' }), 'URL must not contain a fragment'],
    [issuer({ url: 'https://own' }), 'URL must not overlap with disallowed issuers: [https://own]'],
    [
      issuer({ discoveryURL: 'https://a/' }),
      'jwt[0].issuer.discoveryURL: Invalid value: "https://a/": discoveryURL must be different from URL',
    ],
    [
      issuer({ discoveryURL: 'http://b' }),
      'jwt[0].issuer.discoveryURL: Invalid value: "http://b": URL scheme must be https',
    ],
    [
      issuer({ audiences: [] }),
      'jwt[0].issuer.audiences: Required value: at least one jwt[0].issuer.audiences is required',
    ],
    [issuer({ audiences: ['a', 'b'] }), 'audienceMatchPolicy must be MatchAny for multiple audiences'],
    [issuer({ audienceMatchPolicy: 'All' }), 'audienceMatchPolicy must be empty or MatchAny for single audience'],
    [
      issuer({ audiences: ['a', 'a'], audienceMatchPolicy: 'MatchAny' }),
      'jwt[0].issuer.audiences[1]: Duplicate value: "a"',
    ],
    [
      issuer({ certificateAuthority: 'secret' }),
      'jwt[0].issuer.certificateAuthority: Invalid value: "<omitted>": data does not contain any valid RSA or ECDSA certificates',
    ],
    [issuer({ egressSelectorType: 'cluster' }), 'jwt[0].issuer.egressSelectorType'],
    [{ jwt: [good, good] }, 'jwt[1].issuer.url: Duplicate value: "https://a"'],
    [{ jwt: Array.from({ length: 65 }, () => good) }, 'jwt: Too many: 65: must have at most 64 items'],
    [mappings({ username: {} }), 'jwt[0].claimMappings.username: Required value: claim or expression is required'],
    [
      mappings({ username: { claim: 'a' } }),
      'jwt[0].claimMappings.username.prefix: Required value: prefix is required when claim is set. It can be set to an empty string to disable prefixing',
    ],
    [
      mappings({ username: { claim: 'a', expression: 'b' } }),
      'jwt[0].claimMappings.username: Invalid value: "": claim and expression can\'t both be set',
    ],
    [
      mappings({ username: { expression: 'b', prefix: 'x' } }),
      'jwt[0].claimMappings.username.prefix: Invalid value: "x": may not be specified when expression is set',
    ],
    [
      mappings({ groups: { expression: 'bad' } }),
      'jwt[0].claimMappings.groups.expression: Invalid value: "bad": bad it is',
    ],
    [
      mappings({ uid: { claim: 'a', expression: 'b' } }),
      'jwt[0].claimMappings.uid: Invalid value: "": claim and expression can\'t both be set',
    ],
    [
      extra({ key: 'x', valueExpression: 'a' }),
      'jwt[0].claimMappings.extra[0].key: Invalid value: "x": must be a domain-prefixed path (such as "acme.io/foo")',
    ],
    [
      extra({ key: 'a.b/C', valueExpression: 'a' }),
      'jwt[0].claimMappings.extra[0].key: Invalid value: "a.b/C": must be lowercase',
    ],
    [
      extra({ key: 'x.k8s.io/a', valueExpression: 'a' }),
      'k8s.io, kubernetes.io and their subdomains are reserved for Kubernetes use',
    ],
    [extra({ key: 'a.b/c' }), 'jwt[0].claimMappings.extra[0].valueExpression: Required value'],
    [
      extra({ key: 'a.b/c', valueExpression: 'a' }, { key: 'a.b/c', valueExpression: 'b' }),
      'jwt[0].claimMappings.extra[1].key: Duplicate value: "a.b/c"',
    ],
    [
      { jwt: [{ ...good, claimValidationRules: [{}] }] },
      'jwt[0].claimValidationRules[0]: Required value: claim or expression is required',
    ],
    [
      { jwt: [{ ...good, claimValidationRules: [{ claim: 'a', expression: 'b' }] }] },
      'jwt[0].claimValidationRules[0]: Invalid value: "a": claim and expression can\'t both be set',
    ],
    [
      { jwt: [{ ...good, claimValidationRules: [{ claim: 'a', message: 'm' }] }] },
      'jwt[0].claimValidationRules[0].message: Invalid value: "m": may not be specified when claim is set',
    ],
    [
      { jwt: [{ ...good, claimValidationRules: [{ claim: 'a' }, { claim: 'a' }] }] },
      'jwt[0].claimValidationRules[1].claim: Duplicate value: "a"',
    ],
    [
      { jwt: [{ ...good, claimValidationRules: [{ expression: 'a', requiredValue: 'r' }] }] },
      'jwt[0].claimValidationRules[0].requiredValue: Invalid value: "r": may not be specified when expression is set',
    ],
    [
      { jwt: [{ ...good, userValidationRules: [{ message: 'm' }] }] },
      'jwt[0].userValidationRules[0].expression: Required value',
    ],
    [
      { jwt: [{ ...good, userValidationRules: [{ expression: 'a' }, { expression: 'a' }] }] },
      'jwt[0].userValidationRules[1].expression: Duplicate value: "a"',
    ],
    [
      { anonymous: { enabled: false, conditions: [{ path: '/a' }] } },
      'enabled should be set to true when conditions are defined',
    ],
    [{ anonymous: { enabled: 'yes' } }, 'anonymous.enabled must be true or false'],
    [{ jwt: {} }, 'jwt must be a list'],
  ])('%j', (body, message) => {
    expect(() => parse(body)).toThrow(message);
  });

  test('all at once', () => {
    const wrong = { issuer: { url: 'http://a', audiences: [] }, claimMappings: { username: {} } };
    expect(() => parse({ jwt: [wrong] })).toThrow(
      /^\[jwt\[0\]\.issuer\.url: .*, jwt\[0\]\.issuer\.audiences: .*, .*\]$/,
    );
  });

  test('without telling what stands where a key was to be', () => {
    expect(() => parse(issuer({ certificateAuthority: 'secret' }))).not.toThrow(/secret/);
  });
});
