import { resolve } from 'node:path';
import { Command } from 'commander';
import { expect, test } from 'vitest';
import { apiServerFlagsIn, changedFlags, flagsHint, withApiServerOptions } from './api-server-options.ts';

const given = (...args: string[]) => {
  const command = withApiServerOptions(new Command('up')).exitOverride();
  command.parse(args, { from: 'user' });
  return apiServerFlagsIn(command.opts());
};

test('options keep the names that kube-apiserver has for them; paths are told from here', () => {
  expect(given('--oidc-issuer-url', 'https://a', '--oidc-ca-file', 'ca.crt', '--anonymous-auth', 'false')).toEqual({
    'oidc-issuer-url': 'https://a',
    'oidc-ca-file': resolve('ca.crt'),
    'anonymous-auth': 'false',
  });
  expect(given()).toEqual({});
});

test('those on record stay until they are changed or taken back', () => {
  const before = { 'authorization-mode': 'Node,RBAC', 'anonymous-auth': 'false' };
  expect(changedFlags(before, { 'anonymous-auth': '' })).toEqual({ 'authorization-mode': 'Node,RBAC' });
  expect(changedFlags(undefined, { 'token-auth-file': '/f' })).toEqual({ 'token-auth-file': '/f' });
});

test('who gave a bad one is told how to be rid of it', () => {
  expect(flagsHint({ 'token-auth-file': '/f', 'anonymous-auth': 'x' })).toBe(
    "\nIts flags stay on record: --token-auth-file, --anonymous-auth. Give one anew to change it, or as `--token-auth-file ''` to take it back.",
  );
  expect(flagsHint()).toBe('');
});
