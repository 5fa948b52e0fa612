/** Which password goes to which registry: from the pod's imagePullSecrets. Source: "Pull an Image from a Private Registry". */
import type { Secret } from '#api/generated/schema.ts';
import type { AuthConfig } from '#node/runtime/image.ts';
import { hashOf, type SourcedAuth } from './images/pull-source.ts';

interface Entry {
  username?: string;
  password?: string;
  auth?: string;
  identitytoken?: string;
  registrytoken?: string;
}

/** In the order in which they are to be tried: the longest matching path first. A secret that cannot be read is left out. */
export function credentialsFor(image: string, secrets: readonly Secret[]): SourcedAuth[] {
  const entries = secrets.flatMap((secret) =>
    Object.entries(entriesOf(secret)).map(([key, entry]) => ({ pattern: patternOf(key), entry, secret })),
  );
  return entries
    .filter(({ pattern }) => isFor(pattern, repositoryOf(image)))
    .sort((a, b) => b.pattern.length - a.pattern.length)
    .map(({ entry, secret }) => sourced(authOf(entry), secret));
}

function sourced(auth: AuthConfig, { metadata }: Secret): SourcedAuth {
  const { uid, namespace = '', name } = metadata;
  return { auth, source: { secret: { uid, namespace, name, credentialHash: hashOf(auth) } } };
}

function entriesOf({ type, data }: Secret): Record<string, Entry> {
  const key = type === 'kubernetes.io/dockerconfigjson' ? '.dockerconfigjson' : '.dockercfg';
  const text = data?.[key];
  if (!text) return {};
  try {
    const config = JSON.parse(Buffer.from(text, 'base64').toString('utf8')) as { auths?: Record<string, Entry> };
    const entries = key === '.dockercfg' ? (config as Record<string, Entry>) : config.auths;
    return entries && typeof entries === 'object' ? entries : {};
  } catch (error) {
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}

/** `https://index.docker.io/v1/` → `index.docker.io` */
const patternOf = (key: string): string => {
  const bare = key
    .replace(/^https?:\/\//, '')
    .replace(/\/v[12]\/?$/, '')
    .replace(/\/$/, '');
  return bare === 'index.docker.io' ? 'docker.io' : bare;
};

/** `nginx:1` → `docker.io/library/nginx` */
export function repositoryOf(image: string): string {
  const bare = image.replace(/@.*$/, '').replace(/:[^/:]*$/, '');
  const [first = '', ...rest] = bare.split('/');
  const hasRegistry = rest.length > 0 && (first.includes('.') || first.includes(':') || first === 'localhost');
  if (hasRegistry) return first === 'index.docker.io' ? `docker.io/${rest.join('/')}` : bare;
  return rest.length === 0 ? `docker.io/library/${bare}` : `docker.io/${bare}`;
}

/** Whether `registry.io:8080/path` or `*.registry.io` means this repository: labels may be globs, a path begins its own. */
export function isFor(pattern: string, repository: string): boolean {
  const [host = '', ...path] = patternOf(pattern).split('/');
  const [imageHost = '', ...imagePath] = repository.split('/');
  return hostMatches(host, imageHost) && path.every((part, index) => imagePath[index] === part);
}

/** `*` stands for one label, or a part of one. */
function hostMatches(pattern: string, host: string): boolean {
  const labels = pattern.split('.');
  const given = host.split('.');
  return (
    labels.length === given.length &&
    labels.every((label, index) => {
      const expression = label
        .split('*')
        .map((text) => text.replace(/[^\w-]/g, '\\$&'))
        .join('[^.]*');
      return new RegExp(`^${expression}$`).test(given[index] ?? '');
    })
  );
}

/** Without a server's address, as upstream: containerd would take it for a URL, and a pattern for none of its hosts. */
function authOf(entry: Entry): AuthConfig {
  const [username = '', ...password] = entry.auth ? Buffer.from(entry.auth, 'base64').toString('utf8').split(':') : [];
  return {
    username: entry.username ?? username,
    password: entry.password ?? password.join(':'),
    ...(entry.identitytoken && { identityToken: entry.identitytoken }),
    ...(entry.registrytoken && { registryToken: entry.registrytoken }),
  };
}
