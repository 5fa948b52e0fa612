import { describe, expect, test } from 'vitest';
import { catalog } from '#api/catalog.ts';
import { identity } from '#control-plane/storage/encryption/value-cipher.ts';
import { ciphersByKey, parseEncryption } from './encryption-configuration.ts';

const file = (resources: unknown) =>
  JSON.stringify({ apiVersion: 'apiserver.config.k8s.io/v1', kind: 'EncryptionConfiguration', resources });
const SECRET = Buffer.alloc(32, 1).toString('base64');
const keys = (name: string, secret = SECRET) => ({ keys: [{ name, secret }] });
const KMS = { apiVersion: 'v2', name: 'x', endpoint: 'unix:///x' };
const kmsCipher = () => identity;

const prefixOf = (resources: unknown, key: string) => {
  const ciphers = ciphersByKey(parseEncryption(file(resources), kmsCipher), catalog)(key);
  const sealed = ciphers && Buffer.from(ciphers.seal(Buffer.from('x'), key)).toString('latin1');
  return sealed === 'x' ? '' : sealed && /^k8s:enc:\w+:v1:\w+:/.exec(sealed)?.[0];
};

describe('which rule counts for a key', () => {
  const rules = [
    { resources: ['secrets', 'deployments.apps'], providers: [{ aescbc: keys('a') }] },
    { resources: ['configmaps'], providers: [{ identity: {} }] },
    { resources: ['widgets.example.com'], providers: [{ aesgcm: keys('b') }] },
    { resources: ['*.apps'], providers: [{ secretbox: keys('c') }] },
    { resources: ['*.'], providers: [{ secretbox: keys('d') }] },
  ];
  test.each([
    ['/registry/secrets/default/x', 'k8s:enc:aescbc:v1:a:'],
    ['/registry/deployments/default/x', 'k8s:enc:aescbc:v1:a:'],
    ['/registry/configmaps/default/x', ''],
    ['/registry/example.com/widgets/default/x', 'k8s:enc:aesgcm:v1:b:'],
    ['/registry/example.com/gadgets/default/x', undefined],
    ['/registry/daemonsets/default/x', 'k8s:enc:secretbox:v1:c:'],
    ['/registry/services/specs/default/x', 'k8s:enc:secretbox:v1:d:'],
    ['/registry/minions/x', 'k8s:enc:secretbox:v1:d:'],
    ['/registry/events/default/x', 'k8s:enc:secretbox:v1:d:'],
    ['/registry/ingress/default/x', undefined],
    ['/registry/ranges/serviceips', undefined],
  ])('%s', (key, prefix) => {
    expect(prefixOf(rules, key)).toBe(prefix);
  });

  test('everything', () => {
    const all = [{ resources: ['*.*'], providers: [{ secretbox: keys('all') }] }];
    for (const key of ['/registry/pods/a/b', '/registry/ingress/a/b', '/registry/x.io/ys/z', '/registry/leases/a/b'])
      expect(prefixOf(all, key)).toBe('k8s:enc:secretbox:v1:all:');
  });
});

describe('what is wrong with a file', () => {
  const of = (resources: unknown, providers: unknown = [{ identity: {} }]) => [{ resources, providers }];
  test.each([
    [[], 'resources: Required value: at least one resources is required'],
    [of([]), 'resources[0].resources: Required value: at least one resources[0].resources is required'],
    [of(['secrets'], []), 'resources[0].providers: Required value: at least one resources[0].providers is required'],
    [
      of(['secrets'], [{}]),
      'resources[0].providers[0]: Invalid value: provider does not contain any of the expected providers: KMS, AESGCM, AESCBC, Secretbox, Identity',
    ],
    [
      of(['secrets'], [{ identity: {}, aescbc: keys('a') }]),
      'resources[0].providers[0]: Invalid value: more than one provider specified in a single element, should split into different list elements',
    ],
    [
      of(['secrets'], [{ aescbc: keys('a', Buffer.alloc(31).toString('base64')) }]),
      'resources[0].providers[0].aescbc.keys[0].secret: Invalid value: "REDACTED": secret is not of the expected length, got 31, expected one of [16 24 32]',
    ],
    [
      of(['secrets'], [{ secretbox: keys('a', 'no base64!') }]),
      'resources[0].providers[0].secretbox.keys[0].secret: Invalid value: "REDACTED": secrets must be base64 encoded',
    ],
    [
      of(['secrets'], [{ aesgcm: { keys: [{ secret: SECRET }] } }]),
      'resources[0].providers[0].aesgcm.keys[0].name: Required value: name is a mandatory field for a key',
    ],
    [
      of(['secrets'], [{ aesgcm: { keys: [] } }]),
      'resources[0].providers[0].aesgcm.keys: Required value: at least one keys is required',
    ],
    [
      of(['Secrets']),
      'resources[0].resources[0]: Invalid value: "Secrets": resource name should not contain capital letters',
    ],
    [
      of(['*']),
      'resources[0].resources[0]: Invalid value: "*": use \'*.\' to encrypt all the resources from core API group or *.* to encrypt all resources',
    ],
    [
      of(['secrets', 'secrets']),
      'resources[0].resources: Invalid value: ["secrets","secrets"]: the same resource cannot be specified multiple times',
    ],
    [
      of(['secrets', '*.']),
      'resources[0].resources: Invalid value: ["secrets","*."]: using overlapping resources such as \'secrets\' and \'*.\' in the same resource list is not allowed as they will be masked',
    ],
    [
      of(['pods.*']),
      'resources[0].resources[0]: Invalid value: "pods.*": encrypting the same resource across groups is not supported',
    ],
    [
      of(['events.events.k8s.io']),
      "resources[0].resources[0]: Invalid value: \"events.events.k8s.io\": '*.events.k8s.io' objects are stored using the 'events' API group in etcd. Use 'events' instead in the config file",
    ],
    [
      of(['secrets'], [{ kms: { name: 'x', endpoint: 'unix:///x' } }]),
      'resources[0].providers[0].kms.apiVersion: Invalid value: "v1": KMSv1 is deprecated and will only receive security updates going forward. Use KMSv2 instead.',
    ],
    [
      of(['secrets'], [{ kms: { apiVersion: 'v2', name: 'x:y', endpoint: 'http://x', timeout: '0s', cachesize: 5 } }]),
      '[resources[0].providers[0].kms.name: Invalid value: "x:y": invalid KMS provider name x:y, must not contain \':\', ' +
        'resources[0].providers[0].kms.timeout: Invalid value: "0s": timeout should be a positive value, ' +
        'resources[0].providers[0].kms.endpoint: Invalid value: "http://x": unsupported scheme "http" for KMS provider, only unix is supported, ' +
        'resources[0].providers[0].kms.cachesize: Invalid value: 5: cachesize is not supported in v2]',
    ],
    [
      of(['secrets'], [{ kms: KMS }, { kms: KMS }]),
      'resources[0].providers[1].kms.name: Invalid value: "x": duplicate KMS provider name x, names must be unique',
    ],
    [
      [...of(['*.*']), ...of(['secrets'])],
      'error while building transformers: resource "secrets" is masked by earlier rule "*.*"',
    ],
  ])('%j', (resources, problem) => {
    expect(() => parseEncryption(file(resources), kmsCipher)).toThrow(problem);
  });

  test('a mistyped field does not pass for one that is absent, and no key is in the text', () => {
    const mistyped = [{ resources: ['secrets'], providers: [{ aescbc: { key: [{ name: 'a', secret: SECRET }] } }] }];
    const refusal = () => parseEncryption(file(mistyped), kmsCipher);
    expect(refusal).toThrow('unknown field "resources[0].providers[0].aescbc.key"');
    expect(refusal).not.toThrow(SECRET);
  });
});
