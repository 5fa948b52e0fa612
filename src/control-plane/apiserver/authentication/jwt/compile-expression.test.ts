import { describe, expect, test } from 'vitest';
import type { JwtAuthenticatorConfiguration } from '../authentication-configuration.ts';
import { parseAuthenticationConfiguration } from '../authentication-configuration.ts';
import { claimProgramsOf } from './claim-programs.ts';
import { compileExpression, examineExpression } from './compile-expression.ts';
import { userOfToken } from './user-of-token.ts';

const claims = {
  sub: 'jane',
  email: 'jane@example.com',
  email_verified: true,
  roles: ['dev', '', 'ops'],
  'example.com/team': 'blue',
  level: 3,
  jti: 'j',
};

const configuration = (more: Partial<JwtAuthenticatorConfiguration> = {}): JwtAuthenticatorConfiguration => ({
  issuer: { url: 'https://a', audiences: ['a'] },
  claimMappings: { username: { expression: 'claims.sub' } },
  ...more,
});
const userOf = (more: Partial<JwtAuthenticatorConfiguration>) => {
  const whole = configuration(more);
  return userOfToken(claims, whole, claimProgramsOf(whole, compileExpression));
};

describe('a user by expressions', () => {
  test('has the name, groups, uid and extra that they give', () => {
    const user = userOf({
      claimMappings: {
        username: { expression: '"corp:" + claims.email.lowerAscii()' },
        groups: { expression: 'claims.roles.map(r, "corp:" + r)' },
        uid: { expression: 'string(claims.level)' },
        extra: [
          { key: 'example.com/team', valueExpression: 'claims["example.com/team"]' },
          { key: 'example.com/roles', valueExpression: 'claims.roles' },
          { key: 'example.com/none', valueExpression: '""' },
          { key: 'example.com/null', valueExpression: 'null' },
        ],
      },
    });
    expect({ ...user, extra: { ...user.extra } }).toEqual({
      name: 'corp:jane@example.com',
      groups: ['corp:dev', 'corp:', 'corp:ops'],
      uid: '3',
      extra: {
        'authentication.kubernetes.io/credential-id': ['JTI=j'],
        'example.com/team': ['blue'],
        'example.com/roles': ['dev', 'ops'],
      },
    });
  });

  test.each<[Partial<JwtAuthenticatorConfiguration>, string]>([
    [
      { claimMappings: { username: { expression: 'claims.level' } } },
      'oidc: error evaluating username claim expression: username claim expression must return a string',
    ],
    [{ claimMappings: { username: { expression: '""' } } }, 'oidc: empty username via CEL expression is not allowed'],
    [
      { claimMappings: { username: { expression: 'claims.missing' } } },
      "oidc: error evaluating username claim expression: expression 'claims.missing' resulted in error: no such key: missing",
    ],
    [
      { claimMappings: { username: { expression: 'claims.sub' }, groups: { expression: '[1]' } } },
      'oidc: error evaluating group claim expression: expression must return a string or a list of strings',
    ],
    [
      { claimValidationRules: [{ expression: 'claims.level > 5', message: 'level must be above 5' }] },
      "oidc: error evaluating claim validation expression: validation expression 'claims.level > 5' failed: level must be above 5",
    ],
    [
      { userValidationRules: [{ expression: "!user.username.startsWith('j')", message: 'no j' }] },
      "oidc: error evaluating user info validation rule: validation expression '!user.username.startsWith('j')' failed: no j",
    ],
  ])('%j is refused', (more, message) => {
    expect(() => userOf(more)).toThrow(message);
  });

  test('passes when all rules hold', () => {
    expect(
      userOf({
        claimValidationRules: [{ expression: 'claims.email_verified == true' }],
        userValidationRules: [{ expression: "user.username == 'jane' && size(user.groups) == 0" }],
      }).name,
    ).toBe('jane');
  });
});

describe('an expression', () => {
  test.each([
    ['claims.', 'username', /^compilation failed: ERROR: <input>:1:\d+: /],
    ['user.username', 'username', /undeclared reference to 'user'/],
    ['claims.sub', 'claimValidation', /^must evaluate to bool$/],
    ['user.nothing', 'userValidation', /^compilation failed: .*undefined field 'nothing'/s],
  ] as const)('%s as %s', (source, use, problem) => {
    expect(examineExpression(source, use).problem).toMatch(problem);
  });

  const parse = (jwt: object) =>
    parseAuthenticationConfiguration(
      JSON.stringify({
        apiVersion: 'apiserver.config.k8s.io/v1',
        kind: 'AuthenticationConfiguration',
        jwt: [{ ...configuration(), ...jwt }],
      }),
      { ownIssuers: ['https://own'], examine: examineExpression },
    );
  const email = { claimMappings: { username: { expression: 'claims.email' } } };

  test('that takes an address for the user must have it verified', () => {
    expect(() => parse(email)).toThrow(/claims\.email_verified must be used in claimMappings\.username\.expression/);
    expect(() =>
      parse({ ...email, claimValidationRules: [{ expression: 'claims.email_verified == true' }] }),
    ).not.toThrow();
    expect(() => parse({ claimMappings: { username: { expression: "claims.sub + 'claims.email'" } } })).not.toThrow();
  });
});
