import { join, relative } from 'node:path';
import { Command } from 'commander';
import { expect, test } from 'vitest';
import { apiServerFlagsIn, changedFlags, flagsHint, withApiServerOptions } from './api-server-options.ts';

const given = (...args: string[]) => {
  const command = withApiServerOptions(new Command('up').exitOverride().configureOutput({ writeErr: () => undefined }));
  command.parse(args, { from: 'user' });
  return apiServerFlagsIn(command.opts());
};

test('options keep the names that kube-apiserver has for them; paths are told from here', () => {
  const here = relative('.', import.meta.filename);
  expect(given('--oidc-issuer-url', 'https://a', '--oidc-ca-file', here, '--anonymous-auth', 'false')).toEqual({
    'oidc-issuer-url': 'https://a',
    'oidc-ca-file': import.meta.filename,
    'anonymous-auth': 'false',
  });
  expect(given()).toEqual({});
});

test('a file that is not there is refused at once, unless it is one to write or none any more', () => {
  const [nowhere, log] = [join(import.meta.dirname, 'nowhere.yaml'), join(import.meta.dirname, 'nowhere.log')];
  expect(() => given('--scheduler-config', nowhere)).toThrow(`There is no file ${nowhere}.`);
  expect(given('--audit-log-path', log)).toEqual({ 'audit-log-path': log });
  expect(given('--scheduler-config', '')).toEqual({ 'scheduler-config': '' });
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
