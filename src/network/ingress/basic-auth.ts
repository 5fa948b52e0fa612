/** Who may pass by name and password, out of Secrets that Ingresses name. Source: ingress-nginx' documentation, "Authentication"; RFC 7617. */
import { createHash } from 'node:crypto';
import { type OwnAnswer, refusal } from './own-answers.ts';
import { isPassword } from './password-hash.ts';

export interface BasicAuth {
  /** `namespace/name`. */
  secret: string;
  /** The Secret holds a file of htpasswd under `auth`; else each key is a user. */
  isFile: boolean;
  realm: string;
}

/** Hashes by user. */
export type Users = ReadonlyMap<string, string>;

/** Of a Secret's data. Lines that are none are left out. */
export function usersIn(data: Readonly<Record<string, string>>, isFile: boolean): [string, string][] {
  const texts = isFile
    ? decoded(data['auth'] ?? '').split('\n')
    : Object.entries(data).map(([user, hash]) => `${user}:${decoded(hash)}`);
  return texts.flatMap((line) => {
    const [, user, hash] = /^([^:]+):(\S+)\s*$/.exec(line) ?? [];
    return user && hash ? [[user, hash] as [string, string]] : [];
  });
}

const decoded = (base64: string): string => Buffer.from(base64, 'base64').toString('utf8');

const MOST_KNOWN = 1_000;

export class BasicAuths {
  readonly #users = new Map<string, Users>();
  /** What was found right: the hash is made slow on purpose, and a browser says the same with each request. */
  readonly #right = new Set<string>();

  put(secret: string, users: readonly [string, string][] | null): void {
    this.#right.clear();
    if (users) this.#users.set(secret, new Map(users));
    else this.#users.delete(secret);
  }

  /** undefined: the request may pass. */
  refusalFor({ secret, realm }: BasicAuth, authorization: string | undefined): OwnAnswer | undefined {
    const users = this.#users.get(secret);
    if (!users) return refusal(503);
    const [, credentials = ''] = /^Basic ([A-Za-z0-9+/=]{1,4096})$/i.exec(authorization ?? '') ?? [];
    const text = decoded(credentials);
    const colon = text.indexOf(':');
    const hash = users.get(text.slice(0, Math.max(0, colon)));
    if (colon > 0 && hash && this.#isRight(secret, text, hash)) return undefined;
    return { ...refusal(401), headers: { 'www-authenticate': `Basic realm="${realm}"` } };
  }

  #isRight(secret: string, text: string, hash: string): boolean {
    const key = createHash('sha256').update(`${secret} ${hash} ${text}`).digest('base64');
    if (this.#right.has(key)) return true;
    if (!isPassword(text.slice(text.indexOf(':') + 1), hash)) return false;
    if (this.#right.size >= MOST_KNOWN) this.#right.clear();
    this.#right.add(key);
    return true;
  }
}
