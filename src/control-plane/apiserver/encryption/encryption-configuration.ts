/**
 * Which resources are stored sealed, and how: the file behind --encryption-provider-config. Source: documentation,
 * "Encrypting Confidential Data at Rest"; upstream's apis/apiserver/validation, texts included.
 */
import { type FieldError, invalidValue, OMITTED, requiredValue } from '#api/machinery/field-error.ts';
import type { Kind } from '#api/machinery/kind.ts';
import type { CiphersOf } from '#control-plane/storage/encryption/encrypted-storage.ts';
import {
  aesCbc,
  aesGcm,
  identity,
  type NamedKey,
  secretbox,
  type ValueCipher,
} from '#control-plane/storage/encryption/value-cipher.ts';
import { ValueCiphers } from '#control-plane/storage/encryption/value-ciphers.ts';
import {
  ConfigurationError,
  type ConfigurationType,
  decodeConfiguration,
  durationText,
  refuseInvalid,
} from '../remote/configuration-file.ts';

interface Keys {
  keys?: { name?: string; secret?: string }[];
}

interface Kms {
  apiVersion?: string;
  name?: string;
  endpoint?: string;
  /** In milliseconds. */
  timeout?: number;
  cachesize?: number;
}

/** A key management plugin that values are sealed with. */
export interface KmsConfiguration {
  name: string;
  endpoint: string;
  timeoutMs: number;
}

export type KmsCiphers = (configuration: KmsConfiguration) => ValueCipher;

interface Provider {
  aescbc?: Keys;
  aesgcm?: Keys;
  secretbox?: Keys;
  identity?: object;
  kms?: Kms;
}

interface Rule {
  resources?: string[];
  providers?: Provider[];
}

const KEYS = { keys: [{ name: 'string', secret: 'string' }] } as const;
const ENCRYPTION: ConfigurationType = {
  group: 'apiserver.config.k8s.io',
  versions: ['v1'],
  kind: 'EncryptionConfiguration',
  fields: {
    resources: [
      {
        resources: ['string'],
        providers: [
          {
            aescbc: KEYS,
            aesgcm: KEYS,
            secretbox: KEYS,
            identity: {},
            kms: {
              apiVersion: 'string',
              name: 'string',
              endpoint: 'string',
              timeout: 'duration',
              cachesize: 'integer',
            },
          },
        ],
      },
    ],
  },
};

/** By resource: `secrets`, `deployments.apps`, `*.apps`, `*.`, `*.*`. */
export type EncryptionRules = ReadonlyMap<string, ValueCiphers>;

/** Throws ConfigurationError with everything that is wrong. Secrets are in none of its texts. */
export function parseEncryption(text: string, kmsCipher: KmsCiphers): EncryptionRules {
  const { resources: rules = [] } = decodeConfiguration<{ resources?: Rule[] }>(text, ENCRYPTION);
  refuseInvalid(problemsOf(rules));
  const ciphers = new Map<string, ValueCipher[]>();
  for (const rule of rules) {
    const provided = (rule.providers ?? []).flatMap((provider) => ciphersOfProvider(provider, kmsCipher));
    for (const resource of rule.resources ?? []) {
      refuseMasked(resource, ciphers);
      ciphers.set(resource, [...(ciphers.get(resource) ?? []), ...provided]);
    }
  }
  return new Map([...ciphers].map(([resource, list]) => [resource, new ValueCiphers(list)]));
}

const decoded = ({ keys = [] }: Keys): NamedKey[] =>
  keys.map(({ name = '', secret = '' }) => ({ name, secret: Buffer.from(secret, 'base64') }));

function ciphersOfProvider(provider: Provider, kmsCipher: KmsCiphers): ValueCipher[] {
  if (provider.kms) {
    const { name = '', endpoint = '', timeout = KMS_TIMEOUT_MS } = provider.kms;
    return [kmsCipher({ name, endpoint, timeoutMs: timeout })];
  }
  if (provider.aescbc) return decoded(provider.aescbc).map(aesCbc);
  if (provider.aesgcm) return decoded(provider.aesgcm).map(aesGcm);
  if (provider.secretbox) return decoded(provider.secretbox).map(secretbox);
  return [identity];
}

/** A rule that would never be looked at is a mistake. */
function refuseMasked(resource: string, earlier: ReadonlyMap<string, unknown>): void {
  const { group } = parsed(resource);
  const wider = resource === '*.*' ? [] : [...(resource.startsWith('*.') ? [] : [`*.${group}`]), '*.*'];
  const mask = wider.find((one) => earlier.has(one));
  if (mask !== undefined)
    throw new ConfigurationError(
      `error while building transformers: resource ${JSON.stringify(resource)} is masked by earlier rule ${JSON.stringify(mask)}`,
    );
}

interface GroupResource {
  group: string;
  resource: string;
}

function parsed(text: string): GroupResource {
  const dot = text.indexOf('.');
  return dot < 0 ? { resource: text, group: '' } : { resource: text.slice(0, dot), group: text.slice(dot + 1) };
}

function problemsOf(rules: readonly Rule[]): FieldError[] {
  if (rules.length === 0) return [requiredValue('resources', 'at least one resources is required')];
  const kmsNames = new Set<string>();
  return rules.flatMap(({ resources = [], providers = [] }, i) => {
    const at = `resources[${i}].resources`;
    const from = `resources[${i}].providers`;
    return [
      ...(resources.length > 0 ? [] : [requiredValue(at, `at least one ${at} is required`)]),
      ...overlapProblems(at, resources),
      ...resources.flatMap((resource, j) => nameProblems(`${at}[${j}]`, resource)),
      ...(providers.length > 0 ? [] : [requiredValue(from, `at least one ${from} is required`)]),
      ...providers.flatMap((provider, j) => providerProblems(`${from}[${j}]`, provider, kmsNames)),
    ];
  });
}

function overlapProblems(at: string, resources: readonly string[]): FieldError[] {
  const all = resources.map(parsed);
  const isSame = (a: GroupResource, b: GroupResource) => a.group === b.group && a.resource === b.resource;
  const pairs = all.flatMap((a, i) => all.flatMap((b, j) => (i === j ? [] : [[a, b] as const])));
  const isOverlap = ([a, b]: readonly [GroupResource, GroupResource]) =>
    !isSame(a, b) &&
    ((a.group === '*' && a.resource === '*') || (a.group === b.group && (a.resource === '*' || b.resource === '*')));
  return [
    ...(pairs.some(([a, b]) => isSame(a, b))
      ? [invalidValue(at, resources, 'the same resource cannot be specified multiple times')]
      : []),
    ...(pairs.some(isOverlap)
      ? [
          invalidValue(
            at,
            resources,
            "using overlapping resources such as 'secrets' and '*.' in the same resource list is not allowed as they will be masked",
          ),
        ]
      : []),
  ];
}

const WITHOUT_API: ReadonlySet<string> = new Set([
  'apiserveripinfo',
  'serviceipallocations',
  'servicenodeportallocations',
]);

function nameProblems(at: string, name: string): FieldError[] {
  const { group, resource } = parsed(name);
  const refuse = (why: string) => [invalidValue(at, name, why)];
  if (name.toLowerCase() !== name) return refuse('resource name should not contain capital letters');
  if (name === '*')
    return refuse("use '*.' to encrypt all the resources from core API group or *.* to encrypt all resources");
  if (WITHOUT_API.has(name)) return refuse('resources which do not have REST API/s cannot be encrypted');
  if (group === 'events.k8s.io')
    return refuse(
      "'*.events.k8s.io' objects are stored using the 'events' API group in etcd. Use 'events' instead in the config file",
    );
  if (group === 'extensions') return refuse("'extensions' group has been removed and cannot be used for encryption");
  if (group === '*' && resource !== '*') return refuse('encrypting the same resource across groups is not supported');
  return [];
}

const KEY_BYTES = { aescbc: [16, 24, 32], aesgcm: [16, 24, 32], secretbox: [32] } as const;

function providerProblems(at: string, provider: Provider, kmsNames: Set<string>): FieldError[] {
  const named = Object.keys(provider);
  if (named.length === 0)
    return [
      invalidValue(
        at,
        OMITTED,
        'provider does not contain any of the expected providers: KMS, AESGCM, AESCBC, Secretbox, Identity',
      ),
    ];
  if (named.length > 1)
    return [
      invalidValue(
        at,
        OMITTED,
        'more than one provider specified in a single element, should split into different list elements',
      ),
    ];
  if (provider.kms) return kmsProblems(`${at}.kms`, provider.kms, kmsNames);
  return (['aescbc', 'aesgcm', 'secretbox'] as const).flatMap((name) => {
    const { keys = [] } = provider[name] ?? {};
    if (!provider[name]) return [];
    if (keys.length === 0) return [requiredValue(`${at}.${name}.keys`, 'at least one keys is required')];
    return keys.flatMap((key, i) => keyProblems(`${at}.${name}.keys[${i}]`, key, KEY_BYTES[name]));
  });
}

/** `names`: of those before it. */
function kmsProblems(
  at: string,
  { apiVersion = 'v1', name = '', endpoint = '', timeout = KMS_TIMEOUT_MS, cachesize }: Kms,
  names: Set<string>,
): FieldError[] {
  const isTwice = names.has(name);
  names.add(name);
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(endpoint)?.[1] ?? '';
  return [
    ...(name ? [] : [requiredValue(`${at}.name`, 'name is a mandatory field for a provider')]),
    ...(name.includes(':')
      ? [invalidValue(`${at}.name`, name, `invalid KMS provider name ${name}, must not contain ':'`)]
      : []),
    ...(isTwice ? [invalidValue(`${at}.name`, name, `duplicate KMS provider name ${name}, names must be unique`)] : []),
    ...(timeout > 0
      ? []
      : [invalidValue(`${at}.timeout`, durationText(timeout), 'timeout should be a positive value')]),
    ...(endpoint === ''
      ? [invalidValue(`${at}.endpoint`, '', 'endpoint is a mandatory field for a kms')]
      : scheme === 'unix'
        ? []
        : [
            invalidValue(
              `${at}.endpoint`,
              endpoint,
              `unsupported scheme ${JSON.stringify(scheme)} for KMS provider, only unix is supported`,
            ),
          ]),
    ...(cachesize === undefined || apiVersion === 'v1'
      ? []
      : [invalidValue(`${at}.cachesize`, cachesize, 'cachesize is not supported in v2')]),
    ...kmsVersionProblems(`${at}.apiVersion`, apiVersion),
  ];
}

const KMS_TIMEOUT_MS = 3_000;

function kmsVersionProblems(at: string, version: string): FieldError[] {
  if (version === 'v2') return [];
  const text =
    version === 'v1'
      ? 'KMSv1 is deprecated and will only receive security updates going forward. Use KMSv2 instead.'
      : 'unsupported apiVersion apiVersion for KMS provider, only v1 and v2 are supported';
  return [invalidValue(at, version, text)];
}

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

function keyProblems(
  at: string,
  { name, secret }: { name?: string; secret?: string },
  lengths: readonly number[],
): FieldError[] {
  const unnamed = name ? [] : [requiredValue(`${at}.name`, 'name is a mandatory field for a key')];
  if (!secret) return [...unnamed, requiredValue(`${at}.secret`, 'secret is a mandatory field for a key')];
  if (!BASE64.test(secret))
    return [...unnamed, invalidValue(`${at}.secret`, 'REDACTED', 'secrets must be base64 encoded')];
  const { length } = Buffer.from(secret, 'base64');
  if (lengths.includes(length)) return unnamed;
  const why = `secret is not of the expected length, got ${length}, expected one of [${lengths.join(' ')}]`;
  return [...unnamed, invalidValue(`${at}.secret`, 'REDACTED', why)];
}

/** Where each resource is in the store. `kinds` are the built-in ones; custom kinds are under `/registry/GROUP/PLURAL/`. */
export function ciphersByKey(rules: EncryptionRules, kinds: readonly Kind[]): CiphersOf {
  const builtIn = new Map<string, ValueCiphers | undefined>();
  for (const kind of kinds) {
    const { group, plural, storagePrefix, virtual } = kind.hub?.kind ?? kind;
    if (!virtual && !builtIn.has(storagePrefix))
      builtIn.set(storagePrefix, ciphersFor(rules, { group, resource: plural }));
  }
  const custom = new Map<string, ValueCiphers | undefined>();
  return (key) => {
    const [, , first = '', second = ''] = key.split('/', 4);
    if (builtIn.has(first)) return builtIn.get(first);
    const both = `${first}/${second}`;
    if (builtIn.has(both)) return builtIn.get(both);
    if (!first.includes('.')) return undefined; // what has no API: who holds which address
    if (!custom.has(both)) custom.set(both, ciphersFor(rules, { group: first, resource: second }));
    return custom.get(both);
  };
}

/** The narrowest rule counts. Of events both groups are stored as the core's. */
function ciphersFor(rules: EncryptionRules, { group, resource }: GroupResource): ValueCiphers | undefined {
  const stored = resource === 'events' && group === 'events.k8s.io' ? '' : group;
  const names = [
    stored ? `${resource}.${stored}` : resource,
    ...(stored ? [] : [`${resource}.`]),
    `*.${stored}`,
    '*.*',
  ];
  return names.map((name) => rules.get(name)).find((ciphers) => ciphers !== undefined);
}
