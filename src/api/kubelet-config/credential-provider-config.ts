/**
 * Which programs are asked for passwords of registries. Source: API reference, "Kubelet Configuration (v1)",
 * CredentialProviderConfig; texts are upstream's.
 */
import { goDurationMs } from '#api/machinery/go-duration.ts';

export interface CredentialProvider {
  /** Of the program in the folder of plugins. */
  name: string;
  matchImages: readonly string[];
  defaultCacheMs: number;
  args: readonly string[];
  env: readonly { name: string; value: string }[];
  tokens?: TokenAttributes;
}

/** The program gets a token of the pod's ServiceAccount. Source: KEP-4412. */
export interface TokenAttributes {
  audience: string;
  cacheType: 'ServiceAccount' | 'Token';
  requireServiceAccount: boolean;
  requiredAnnotations: readonly string[];
  optionalAnnotations: readonly string[];
}

export const PROTOCOL = 'credentialprovider.kubelet.k8s.io/v1';
const VERSIONS = ['v1', 'v1alpha1', 'v1beta1'].map((version) => `credentialprovider.kubelet.k8s.io/${version}`);

export class BadCredentialProviderConfig extends Error {
  readonly code = 'BadCredentialProviderConfig';
}

/** From a file's object. Throws BadCredentialProviderConfig with everything that is wrong. */
export function credentialProviders(value: unknown): CredentialProvider[] {
  const config = fields(value);
  const [group, version] = String(config['apiVersion']).split('/');
  if (config['kind'] !== 'CredentialProviderConfig')
    throw new BadCredentialProviderConfig(`failed to decode ${JSON.stringify(config['kind'] ?? '')} (wrong Kind)`);
  if (group !== 'kubelet.config.k8s.io' || !/^v1(alpha1|beta1)?$/.test(version ?? ''))
    throw new BadCredentialProviderConfig(`failed to decode CredentialProviderConfig, unexpected Group: ${group}`);
  const problems: string[] = [];
  const list = Array.isArray(config['providers']) ? config['providers'].map(fields) : [];
  if (list.length === 0) problems.push('providers: Required value: at least 1 item in plugins is required');
  const names = new Set<unknown>();
  for (const provider of list) {
    problems.push(...problemsOf(provider));
    if (names.has(provider['name'])) problems.push(`providers.name: Duplicate value: ${quoted(provider['name'])}`);
    names.add(provider['name']);
  }
  if (problems.length > 0) {
    const all = problems.length === 1 ? problems[0] : `[${problems.join(', ')}]`;
    throw new BadCredentialProviderConfig(`failed to validate credential provider config: ${all}`);
  }
  return list.map(providerOf);
}

type Fields = Record<string, unknown>;

const quoted = (value: unknown): string => JSON.stringify(value ?? '');
const texts = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((each) => typeof each === 'string') : [];

function fields(value: unknown): Fields {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields;
  throw new BadCredentialProviderConfig('a CredentialProviderConfig is an object with a list of providers');
}

function problemsOf(provider: Fields): string[] {
  const { name, apiVersion, matchImages, defaultCacheDuration, tokenAttributes } = provider;
  const problems: string[] = [];
  const text = String(name ?? '');
  const invalid = (why: string) =>
    problems.push(`providers.name: Invalid value: ${quoted(name)}: provider name ${why}`);
  if (text.includes('/')) invalid("cannot contain '/'");
  if (text.includes(' ')) invalid('cannot contain spaces');
  if (text === '.' || text === '..') invalid(`cannot be '${text}'`);
  if (!apiVersion) problems.push('providers.apiVersion: Required value');
  else if (!VERSIONS.includes(String(apiVersion))) {
    const known = VERSIONS.map(quoted).join(', ');
    problems.push(`providers.apiVersion: Unsupported value: ${quoted(apiVersion)}: supported values: ${known}`);
  }
  if (texts(matchImages).length === 0) {
    problems.push('providers.matchImages: Required value: at least 1 item in matchImages is required');
  }
  if (defaultCacheDuration === undefined) problems.push('providers.defaultCacheDuration: Required value');
  else {
    const { ms = -1 } = goDurationMs(String(defaultCacheDuration));
    if (ms < 0) {
      problems.push(
        `providers.defaultCacheDuration: Invalid value: ${quoted(defaultCacheDuration)}: defaultCacheDuration must be greater than or equal to 0`,
      );
    }
  }
  if (tokenAttributes !== undefined) problems.push(...problemsOfTokens(fields(tokenAttributes), apiVersion));
  return problems;
}

function problemsOfTokens(tokens: Fields, apiVersion: unknown): string[] {
  const { serviceAccountTokenAudience, requireServiceAccount, cacheType } = tokens;
  const at = 'providers.tokenAttributes';
  const required = texts(tokens['requiredServiceAccountAnnotationKeys']);
  const optional = texts(tokens['optionalServiceAccountAnnotationKeys']);
  const problems: string[] = [];
  if (!serviceAccountTokenAudience) problems.push(`${at}.serviceAccountTokenAudience: Required value`);
  if (typeof requireServiceAccount !== 'boolean') problems.push(`${at}.requireServiceAccount: Required value`);
  if (apiVersion !== PROTOCOL) {
    problems.push(`${at}: Forbidden: tokenAttributes is only supported for ${PROTOCOL} API version`);
  }
  if (requireServiceAccount === false && required.length > 0) {
    problems.push(
      `${at}.requiredServiceAccountAnnotationKeys: Forbidden: requireServiceAccount cannot be false when requiredServiceAccountAnnotationKeys is set`,
    );
  }
  const both = required.filter((key) => optional.includes(key));
  if (both.length > 0) {
    problems.push(
      `${at}: Invalid value: ${JSON.stringify(both)}: annotation keys cannot be both required and optional`,
    );
  }
  if (!cacheType) {
    problems.push(
      `${at}.cacheType: Required value: cacheType is required to be set when tokenAttributes is specified. Supported values are: ServiceAccount, Token`,
    );
  } else if (cacheType !== 'ServiceAccount' && cacheType !== 'Token') {
    problems.push(
      `${at}.cacheType: Unsupported value: ${quoted(cacheType)}: supported values: "ServiceAccount", "Token"`,
    );
  }
  return problems;
}

/** Of what has no problems. */
function providerOf(provider: Fields): CredentialProvider {
  const env = Array.isArray(provider['env']) ? provider['env'].map(fields) : [];
  const tokens = provider['tokenAttributes'] === undefined ? undefined : fields(provider['tokenAttributes']);
  return {
    name: String(provider['name']),
    matchImages: texts(provider['matchImages']),
    defaultCacheMs: goDurationMs(String(provider['defaultCacheDuration'])).ms ?? 0,
    args: texts(provider['args']),
    env: env.map(({ name, value }) => ({ name: String(name), value: String(value ?? '') })),
    ...(tokens && {
      tokens: {
        audience: String(tokens['serviceAccountTokenAudience']),
        cacheType: tokens['cacheType'] as TokenAttributes['cacheType'],
        requireServiceAccount: tokens['requireServiceAccount'] === true,
        requiredAnnotations: texts(tokens['requiredServiceAccountAnnotationKeys']),
        optionalAnnotations: texts(tokens['optionalServiceAccountAnnotationKeys']),
      },
    }),
  };
}
