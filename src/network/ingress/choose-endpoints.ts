/** Which endpoint a request is for: the next in turn, the one that its client was with, or the one that a key belongs to. */
import { createHash } from 'node:crypto';
import type { Endpoint } from './backends.ts';

export interface Affinity {
  cookie: string;
  path: string;
  /** Absent: as long as the browser runs. */
  maxAgeSeconds?: number;
  isSecureOnly: boolean;
}

/** The one that the client was with first, if it still is there. @param inTurn all of them, the next in turn first. */
export function chosenByCookie(inTurn: readonly Endpoint[], value: string | undefined): readonly Endpoint[] {
  const known = value === undefined ? undefined : inTurn.find((endpoint) => nameOf(endpoint) === value);
  return known ? [known, ...inTurn.filter((endpoint) => endpoint !== known)] : inTurn;
}

/** undefined: the client has it already. */
export function affinityCookie(
  endpoint: Endpoint,
  { cookie, path, maxAgeSeconds, isSecureOnly }: Affinity,
  { value, isSecure }: { value: string | undefined; isSecure: boolean },
): string | undefined {
  if (nameOf(endpoint) === value) return undefined;
  const age = maxAgeSeconds === undefined ? '' : `; Max-Age=${maxAgeSeconds}`;
  const secure = isSecure || isSecureOnly ? '; Secure' : '';
  return `${cookie}=${nameOf(endpoint)}${age}; Path=${path}${secure}; HttpOnly`;
}

/** Rendezvous hashing: when an endpoint comes or goes, only its own keys move. */
export function chosenByKey(endpoints: readonly Endpoint[], key: string): Endpoint[] {
  const weight = (endpoint: Endpoint) => hashOf(`${nameOf(endpoint)} ${key}`);
  return endpoints
    .map((endpoint) => ({ endpoint, weight: weight(endpoint) }))
    .sort((a, b) => (a.weight < b.weight ? 1 : -1))
    .map(({ endpoint }) => endpoint);
}

/** `$request_uri`, `$remote_addr`, `$host`, `$http_NAME`, `$arg_NAME`, `$cookie_NAME`, and text between them. */
export const keyFor = (pattern: string, variable: (name: string) => string | undefined): string =>
  pattern.replace(/\$\{?(\w+)\}?/g, (_, name: string) => variable(name) ?? '');

/** Tells an endpoint from others without telling its address. */
function nameOf(endpoint: Endpoint): string {
  let name = names.get(endpoint);
  if (!name) {
    name = hashOf(`${endpoint.address}:${endpoint.port}`).slice(0, 32);
    names.set(endpoint, name);
  }
  return name;
}
const names = new WeakMap<Endpoint, string>();

const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex');
