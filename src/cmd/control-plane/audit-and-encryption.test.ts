import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { silentLog } from '#base/log.ts';
import { ManualClock } from '#base/manual-clock.ts';
import { requestInfoOf } from '#control-plane/apiserver/request-info.ts';
import { TestKmsPlugin } from '#control-plane/storage/encryption/test-kms-plugin.ts';
import { openMemoryStorage } from '#control-plane/storage/memory.ts';
import { ApiServerFlags } from './api-server-flags.ts';
import { openAudit } from './audit.ts';
import { openEncryption } from './encryption.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'flags-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const file = (name: string, text: string) => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};
const audit = (flags: Record<string, string>) =>
  openAudit({ flags: new ApiServerFlags(flags), clock: new ManualClock(), log: silentLog });

const POLICY = 'apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]';
const received = {
  auditId: 'a',
  info: requestInfoOf('GET', '/version'),
  uri: '/version',
  user: { name: 'alice', groups: [] },
  userAgent: '',
  sourceIps: [],
};

test('a policy and a path make an audit log', async () => {
  const path = join(folder, 'audit.log');
  const auditor = audit({ 'audit-policy-file': file('policy', POLICY), 'audit-log-path': path });
  auditor?.begin(received)?.completed(200);
  await auditor?.close();
  expect(readFileSync(path, 'utf8').trimEnd().split('\n')).toHaveLength(2);
});

test('either of the two alone records nothing', () => {
  expect(audit({})).toBeUndefined();
  expect(audit({ 'audit-log-path': join(folder, 'audit.log') })).toBeUndefined();
  expect(audit({ 'audit-policy-file': file('policy', POLICY) })).toBeUndefined();
});

test.each([
  [{ 'audit-policy-file': 'POLICY' }, 'loading audit policy file: loaded illegal policy with 0 rules: from file '],
  [
    { 'audit-log-path': '/x', 'audit-log-format': 'xml' },
    'invalid audit log format xml, allowed formats are "legacy,json"',
  ],
  [{ 'audit-log-path': '/x', 'audit-log-maxsize': 'big' }, '--audit-log-maxsize: "big" is no whole number'],
  [{ 'audit-webhook-config-file': '/nowhere/x' }, '--audit-webhook-config-file: /nowhere/x cannot be used: '],
])('%j is refused at the start', (flags, problem) => {
  const empty = file('empty', 'apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: []');
  const given = Object.fromEntries(Object.entries(flags).map(([name, text]) => [name, text.replace('POLICY', empty)]));
  expect(() => audit(given)).toThrow(problem);
});

const secret = (fill: number) => Buffer.alloc(32, fill).toString('base64');
const configuration = (name: string, fill: number) =>
  `apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
- resources: [secrets]
  providers: [{aesgcm: {keys: [{name: ${name}, secret: ${secret(fill)}}]}}, {identity: {}}]`;
const encryption = async (flags: Record<string, string>, reloadMs?: number) => {
  const base = openMemoryStorage();
  const options = { flags: new ApiServerFlags(flags), log: silentLog, ...(reloadMs && { reloadMs }) };
  const opened = await openEncryption(base, options);
  return { base, ...opened };
};
const KEY = '/registry/secrets/a/b';

test('without a configuration the store is what it was', async () => {
  const { base, storage } = await encryption({});
  expect(storage).toBe(base);
});

test('with one its resources are sealed', async () => {
  const { base, storage, close } = await encryption({
    'encryption-provider-config': file('encryption', configuration('one', 1)),
  });
  await storage.commit({ when: [], then: [{ put: KEY, value: Buffer.from('hunter2') }] });
  expect(Buffer.from((await base.get(KEY))!.value).toString('latin1')).toMatch(/^k8s:enc:aesgcm:v1:one:/);
  close();
});

test('with a KMS plugin values are sealed with its help, and its health is a check of the server', async () => {
  const plugin = await new TestKmsPlugin().start();
  const kms = `[{kms: {apiVersion: v2, name: vault, endpoint: "${plugin.endpoint}"}}]`;
  const path = file('kms', configuration('one', 1).replace(/providers: .*/, `providers: ${kms}`));
  const { base, storage, checks, close } = await encryption({ 'encryption-provider-config': path });
  await storage.commit({ when: [], then: [{ put: KEY, value: Buffer.from('hunter2') }] });
  expect(Buffer.from((await base.get(KEY))!.value).toString('latin1')).toMatch(/^k8s:enc:kms:v2:vault:/);
  expect(Buffer.from((await storage.get(KEY))!.value).toString()).toBe('hunter2');
  expect(checks.map(({ name, of }) => [name, of])).toEqual([['kms-provider-0', ['healthz', 'livez', 'readyz']]]);
  await checks[0]!.check();
  close();
  plugin.stop();
});

test('a changed file is used once its KMS plugin is well, and what was before stays until then', async () => {
  const plugin = await new TestKmsPlugin().start();
  plugin.healthz = 'sealed';
  const path = file('reloaded', configuration('one', 1));
  const flags = { 'encryption-provider-config': path, 'encryption-provider-config-automatic-reload': 'true' };
  const { base, storage, close } = await encryption(flags, 20);
  const kms = `{kms: {apiVersion: v2, name: vault, endpoint: "${plugin.endpoint}"}}`;
  file('reloaded', configuration('one', 1).replace('providers: [', `providers: [${kms}, `));
  const put = async (value: string) => {
    await storage.commit({ when: [], then: [{ put: KEY, value: Buffer.from(value) }] });
    return Buffer.from((await base.get(KEY))!.value).toString('latin1');
  };
  const waiting = { timeout: 60_000, interval: 20 };
  await vi.waitFor(() => expect(plugin.asked).toBeGreaterThan(1), waiting);
  expect(await put('hunter2')).toMatch(/^k8s:enc:aesgcm:v1:one:/);
  plugin.healthz = 'ok';
  await vi.waitFor(async () => expect(await put('hunter3')).toMatch(/^k8s:enc:kms:v2:vault:/), waiting);
  close();
  plugin.stop();
}, 120_000);

test('a file that cannot be used is refused with its name', async () => {
  const path = file('encryption', configuration('one', 1).replace('aesgcm', 'aes'));
  await expect(encryption({ 'encryption-provider-config': path })).rejects.toThrow(
    `--encryption-provider-config: ${path} cannot be used: strict decoding error: unknown field "resources[0].providers[0].aes"`,
  );
});
