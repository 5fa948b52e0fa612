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

export interface Choice {
  /** The best first; the rest are tried when it cannot be reached. */
  endpoints: readonly Endpoint[];
  /** So that the client comes back to the first of them. */
  setCookie?: string;
}

/** @param inTurn all of them, the next in turn first. */
export function chosenByCookie(
  inTurn: readonly Endpoint[],
  affinity: Affinity,
  value: string | undefined,
  isSecure: boolean,
): Choice {
  const known = value === undefined ? undefined : inTurn.find((endpoint) => nameOf(endpoint) === value);
  if (known) return { endpoints: [known, ...inTurn.filter((endpoint) => endpoint !== known)] };
  const [first] = inTurn;
  if (!first) return { endpoints: inTurn };
  const { cookie, path, maxAgeSeconds, isSecureOnly } = affinity;
  const age = maxAgeSeconds === undefined ? '' : `; Max-Age=${maxAgeSeconds}`;
  const secure = isSecure || isSecureOnly ? '; Secure' : '';
  return { endpoints: inTurn, setCookie: `${cookie}=${nameOf(first)}${age}; Path=${path}${secure}; HttpOnly` };
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
const nameOf = ({ address, port }: Endpoint): string => hashOf(`${address}:${port}`).slice(0, 32);

const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex');
