import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { ManualClock } from '#base/manual-clock.ts';
import { CurrentCredentials } from './credentials.ts';
import { readKubeconfig, transportOf } from './kubeconfig.ts';

const folder = mkdtempSync(join(tmpdir(), 'kubeconfig-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function written(text: string): string {
  const path = join(folder, 'config');
  writeFileSync(path, text, { mode: 0o600 });
  return path;
}

const CONFIG = `
apiVersion: v1
kind: Config
current-context: here
clusters:
- name: one
  cluster: {server: "https://127.0.0.1:6443/", certificate-authority-data: UEVN}
contexts:
- name: here
  context: {cluster: one, user: me, namespace: shop}
- name: nowhere
  context: {cluster: gone, user: me}
users:
- name: me
  user: {token: secret}
`;

describe('a kubeconfig', () => {
  test('gives the cluster and the user of its current context, or of the one that is named', () => {
    const context = readKubeconfig(written(CONFIG));
    expect(context).toMatchObject({
      name: 'here',
      namespace: 'shop',
      cluster: { server: 'https://127.0.0.1:6443/' },
      user: { token: 'secret' },
      folder,
    });
  });

  for (const { what, text, context, why } of [
    { what: 'no current context', text: 'kind: Config', context: undefined, why: 'no current-context is set' },
    { what: 'a context that is not there', text: CONFIG, context: 'other', why: 'there is no context "other"' },
    {
      what: 'a cluster that is not there',
      text: CONFIG,
      context: 'nowhere',
      why: 'there is no cluster "gone" with a server',
    },
  ]) {
    test(`with ${what} says so, and in which file`, () => {
      const path = written(text);
      expect(() => readKubeconfig(path, context)).toThrow(`${path}: ${why}`);
    });
  }

  test('that asks for a credential plugin is refused', () => {
    const context = readKubeconfig(written(CONFIG.replace('{token: secret}', '{exec: {command: aws}}')));
    expect(() => transportOf(context, { clock: new ManualClock() })).toThrow('credential plugin');
  });

  test('of a server without TLS is refused', () => {
    const context = readKubeconfig(written(CONFIG.replace('https:', 'http:')));
    expect(() => transportOf(context, { clock: new ManualClock() })).toThrow('an API server is reached by https');
  });
});

test('a token file is read again when a minute has passed', () => {
  const clock = new ManualClock();
  const tokenFile = join(folder, 'token');
  writeFileSync(tokenFile, 'first\n');
  const credentials = new CurrentCredentials({ tokenFile }, clock);
  expect(credentials.authorization()).toBe('Bearer first');
  writeFileSync(tokenFile, 'second\n');
  expect(credentials.authorization()).toBe('Bearer first');
  clock.advance(60_000);
  expect(credentials.authorization()).toBe('Bearer second');
});

test('a renewed client certificate asks for a new connection', () => {
  const clock = new ManualClock();
  const [certFile, keyFile] = [join(folder, 'tls.crt'), join(folder, 'tls.key')];
  for (const path of [certFile, keyFile]) writeFileSync(path, 'old');
  const credentials = new CurrentCredentials({ certificate: { certFile, keyFile } }, clock);
  const { generation } = credentials;
  clock.advance(60_000);
  expect(credentials.generation).toBe(generation);
  for (const path of [certFile, keyFile]) writeFileSync(path, 'new');
  utimesSync(certFile, 1, 1);
  clock.advance(60_000);
  expect(credentials.generation).toBe(generation + 1);
  expect(credentials.certificate()).toEqual({ cert: 'new', key: 'new' });
});
