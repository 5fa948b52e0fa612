import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Pod } from '#api/generated/schema.ts';
import type { Log } from '#base/log.ts';
import { silentLog } from '#base/log.ts';
import { ManualClock } from '#base/manual-clock.ts';
import type { Client } from '#client/client.ts';
import { credentialProviders } from '#api/kubelet-config/credential-provider-config.ts';
import { CredentialProviders } from './credential-providers.ts';
import { runCredentialPlugin } from './run-credential-plugin.ts';

let folder: string;
let clock: ManualClock;
const errors: string[] = [];
const log: Log = { ...silentLog, error: (_, fields) => void errors.push(String(fields?.['error'])) };

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'providers-'));
  clock = new ManualClock();
  errors.length = 0;
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Writes down what it is asked, and answers with what stands in a file. */
function plugin(name: string, answer: object | string): void {
  const text = typeof answer === 'string' ? answer : JSON.stringify(answer);
  writeFileSync(join(folder, `${name}.answer`), text);
  const script = `#!/bin/sh\ncd "$(dirname "$0")"\ncat >> ${name}.asked\necho "called $* $TOLD" >> ${name}.called\ncat ${name}.answer\n`;
  writeFileSync(join(folder, name), script);
  chmodSync(join(folder, name), 0o755);
}

const answered = (more: object) => ({
  kind: 'CredentialProviderResponse',
  apiVersion: 'credentialprovider.kubelet.k8s.io/v1',
  cacheKeyType: 'Registry',
  auth: { '*.example.com': { username: 'u', password: 'p' } },
  ...more,
});

const asked = (name: string) =>
  readFileSync(join(folder, `${name}.asked`), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
const calls = (name: string) =>
  existsSync(join(folder, `${name}.called`))
    ? readFileSync(join(folder, `${name}.called`), 'utf8')
        .trim()
        .split('\n')
    : [];

const pod = (serviceAccountName = 'default') =>
  ({
    metadata: { namespace: 'team', name: 'web', uid: 'u1' },
    spec: { serviceAccountName, containers: [] },
  }) as unknown as Pod;

const accounts: Record<string, object> = { default: {}, opted: { 'example.com/registry': 'gold', other: 'x' } };

const provider = (more: object = {}) => ({
  name: 'helper',
  apiVersion: 'credentialprovider.kubelet.k8s.io/v1',
  matchImages: ['*.example.com', 'registry.io:8080/path'],
  defaultCacheDuration: '10m',
  ...more,
});

const configOf = (...providers: object[]) =>
  credentialProviders({ apiVersion: 'kubelet.config.k8s.io/v1', kind: 'CredentialProviderConfig', providers });

const providersOf = (...providers: object[]) =>
  new CredentialProviders({
    providers: configOf(...providers),
    folder,
    clock,
    log,
    tokens: { tokenFor: async (of, { audience }) => `token of ${of.spec.serviceAccountName} for ${audience}` },
    client: {
      get: async (_: unknown, { name }: { name: string }) => ({
        metadata: { name, uid: `uid-${name}`, annotations: accounts[name] },
      }),
    } as unknown as Client,
  });

describe('a program that knows passwords', () => {
  test('is asked for images that it is for, with its words and variables', async () => {
    plugin('helper', answered({}));
    const providers = providersOf(provider({ args: ['get', '--fast'], env: [{ name: 'TOLD', value: 'so' }] }));
    const found = await providers.credentialsFor('a.example.com/team/web:1', pod());
    expect(found).toEqual([{ auth: { username: 'u', password: 'p' }, source: 'everybody' }]);
    expect(asked('helper')).toEqual([
      {
        kind: 'CredentialProviderRequest',
        apiVersion: 'credentialprovider.kubelet.k8s.io/v1',
        image: 'a.example.com/team/web',
      },
    ]);
    expect(calls('helper')).toEqual(['called get --fast so']);
    for (const image of [
      'example.com/x',
      'a.b.example.com/x',
      'registry.io:8081/path/x',
      'registry.io:8080/other',
      'busybox',
    ]) {
      expect(await providers.credentialsFor(image, pod())).toEqual([]);
    }
    expect(calls('helper')).toHaveLength(1);
    await providers.credentialsFor('registry.io:8080/path/x', pod());
    expect(calls('helper')).toHaveLength(2);
  });

  test.each([
    ['Image', ['a.example.com/one', 'a.example.com/two', 'b.example.com/one'], 3],
    ['Registry', ['a.example.com/one', 'a.example.com/two', 'b.example.com/one'], 2],
    ['Global', ['a.example.com/one', 'a.example.com/two', 'b.example.com/one'], 1],
  ])('is believed for as long as it says, by %s', async (cacheKeyType, images, times) => {
    plugin('helper', answered({ cacheKeyType, cacheDuration: '5m' }));
    const providers = providersOf(provider());
    for (const image of [...images, ...images]) await providers.credentialsFor(image, pod());
    expect(calls('helper')).toHaveLength(times);
    clock.advance(5 * 60_000);
    for (const image of images) await providers.credentialsFor(image, pod());
    expect(calls('helper')).toHaveLength(2 * times);
  });

  test('is asked each time when it says 0, and kept for the default when it says nothing', async () => {
    plugin('helper', answered({ cacheDuration: '0s' }));
    const providers = providersOf(provider());
    for (let i = 0; i < 2; i++) await providers.credentialsFor('a.example.com/x', pod());
    expect(calls('helper')).toHaveLength(2);
    plugin('helper', answered({}));
    for (let i = 0; i < 2; i++) await providers.credentialsFor('a.example.com/x', pod());
    clock.advance(9 * 60_000);
    await providers.credentialsFor('a.example.com/x', pod());
    expect(calls('helper')).toHaveLength(3);
  });

  test('is asked once for pods that start together', async () => {
    plugin('helper', answered({ cacheDuration: '0s' }));
    const providers = providersOf(provider());
    await Promise.all([1, 2, 3].map(() => providers.credentialsFor('a.example.com/x', pod())));
    expect(calls('helper')).toHaveLength(1);
  });

  test('says several passwords, of which those that fit are tried, the narrowest first; other programs follow', async () => {
    const entry = (username: string) => ({ username, password: 'p' });
    plugin(
      'helper',
      answered({
        auth: {
          '*.example.com': entry('wide'),
          'a.example.com/team': entry('narrow'),
          'b.example.com': entry('other'),
        },
      }),
    );
    plugin('second', answered({ auth: { 'a.example.com': entry('later') } }));
    const found = await providersOf(provider(), provider({ name: 'second' })).credentialsFor(
      'a.example.com/team/x',
      pod(),
    );
    expect(found.map(({ auth }) => auth.username)).toEqual(['narrow', 'wide', 'later']);
  });

  test.each([
    ['not JSON', 'it is not JSON'],
    [
      { kind: 'Other' },
      'failed to unmarshal credential provider response with kind "Other": expected "CredentialProviderResponse"',
    ],
    [
      answered({ apiVersion: 'credentialprovider.kubelet.k8s.io/v1beta1' }),
      'apiVersion from credential plugin response did not match expected apiVersion:credentialprovider.kubelet.k8s.io/v1, actual apiVersion:credentialprovider.kubelet.k8s.io/v1beta1',
    ],
    [answered({ cacheKeyType: 'Other' }), 'credential provider plugin did not return a valid cacheKeyType: "Other"'],
  ])('that answers %j gives nothing, and its passwords are in no log', async (answer, message) => {
    plugin('helper', answer);
    expect(await providersOf(provider()).credentialsFor('a.example.com/x', pod())).toEqual([]);
    expect(errors).toEqual([expect.stringContaining(message)]);
  });

  test('that fails or is not there gives nothing', async () => {
    writeFileSync(join(folder, 'helper'), '#!/bin/sh\necho secret; echo why >&2; exit 3\n', { mode: 0o755 });
    expect(await providersOf(provider()).credentialsFor('a.example.com/x', pod())).toEqual([]);
    expect(await providersOf(provider({ name: 'gone' })).credentialsFor('a.example.com/x', pod())).toEqual([]);
    expect(errors).toEqual([
      'error execing credential provider plugin helper: exit status 3: why\n',
      expect.stringContaining('ENOENT'),
    ]);
  });
});

describe("with the pod's account", () => {
  const tokenAttributes = {
    serviceAccountTokenAudience: 'registry',
    cacheType: 'ServiceAccount',
    requireServiceAccount: true,
    requiredServiceAccountAnnotationKeys: ['example.com/registry'],
    optionalServiceAccountAnnotationKeys: ['other', 'absent'],
  };

  test('the program gets a token and the annotations that it wants', async () => {
    plugin('helper', answered({}));
    const providers = providersOf(provider({ tokenAttributes }));
    await providers.credentialsFor('a.example.com/x', pod('opted'));
    expect(asked('helper')).toMatchObject([
      {
        serviceAccountToken: 'token of opted for registry',
        serviceAccountAnnotations: { 'example.com/registry': 'gold', other: 'x' },
      },
    ]);
  });

  test('an account without what is required, or none, is not asked for', async () => {
    plugin('helper', answered({}));
    const providers = providersOf(provider({ tokenAttributes }));
    expect(await providers.credentialsFor('a.example.com/x', pod('default'))).toEqual([]);
    expect(await providers.credentialsFor('a.example.com/x', pod(''))).toEqual([]);
    expect(calls('helper')).toEqual([]);
  });

  test('answers are kept for each account by itself', async () => {
    plugin('helper', answered({}));
    const lax = { ...tokenAttributes, requireServiceAccount: true, requiredServiceAccountAnnotationKeys: [] };
    const providers = providersOf(provider({ tokenAttributes: lax }));
    for (const account of ['opted', 'default', 'opted'])
      await providers.credentialsFor('a.example.com/x', pod(account));
    expect(calls('helper')).toHaveLength(2);
  });
});

describe('a configuration that is no good', () => {
  const refused = (...providers: object[]) => {
    try {
      configOf(...providers);
      return '';
    } catch (error) {
      return (error as Error).message.replace('failed to validate credential provider config: ', '');
    }
  };

  test.each([
    [[], 'providers: Required value: at least 1 item in plugins is required'],
    [[provider({ name: '../x' })], `providers.name: Invalid value: "../x": provider name cannot contain '/'`],
    [[provider({ name: '..' })], `providers.name: Invalid value: "..": provider name cannot be '..'`],
    [[provider(), provider()], 'providers.name: Duplicate value: "helper"'],
    [
      [provider({ matchImages: [] })],
      'providers.matchImages: Required value: at least 1 item in matchImages is required',
    ],
    [
      [provider({ defaultCacheDuration: '-1s' })],
      'providers.defaultCacheDuration: Invalid value: "-1s": defaultCacheDuration must be greater than or equal to 0',
    ],
    [
      [provider({ tokenAttributes: { serviceAccountTokenAudience: 'a', requireServiceAccount: true } })],
      'providers.tokenAttributes.cacheType: Required value: cacheType is required to be set when tokenAttributes is specified. Supported values are: ServiceAccount, Token',
    ],
  ])('%#', (providers, message) => expect(refused(...providers)).toBe(message));

  test('all that is wrong is said at once, and another kind is none', () => {
    expect(refused({ name: 'a b' })).toBe(
      `[providers.name: Invalid value: "a b": provider name cannot contain spaces, providers.apiVersion: Required value, ` +
        'providers.matchImages: Required value: at least 1 item in matchImages is required, providers.defaultCacheDuration: Required value]',
    );
    expect(() => credentialProviders({ kind: 'Pod' })).toThrow('failed to decode "Pod" (wrong Kind)');
  });
});

test('a program that takes too long is ended with all that it has begun, and nobody waits for it any longer', async () => {
  const begun = join(folder, 'begun');
  const script = `#!/bin/sh\nsleep 86400 &\necho $! > ${begun}.part && mv ${begun}.part ${begun}\nwait\n`;
  writeFileSync(join(folder, 'helper'), script, { mode: 0o755 });
  const [wanted] = configOf(provider());
  const answer = runCredentialPlugin(wanted!, { image: 'a.example.com/x' }, { folder, clock });
  const failed = expect(answer).rejects.toThrow('error execing credential provider plugin helper: it took too long');
  await vi.waitFor(() => expect(existsSync(begun)).toBe(true), { timeout: 15_000, interval: 5 });
  clock.advance(60_000);
  await failed;
  const pid = Number(readFileSync(begun, 'utf8'));
  await vi.waitFor(() => expect(isRunning(pid)).toBe(false), { timeout: 15_000, interval: 5 });
});

/** What has ended may still wait for somebody to take note of it. */
function isRunning(pid: number): boolean {
  const status = existsSync(`/proc/${pid}/stat`) ? readFileSync(`/proc/${pid}/stat`, 'utf8') : '';
  return status !== '' && !/\) [ZX] /.test(status);
}
