/** Who may pass by name and password, out of Secrets that Ingresses name. Source: ingress-nginx' documentation, "Authentication"; RFC 7617. */
import { createHash } from 'node:crypto';
import { type OwnAnswer, refusal } from './own-answers.ts';
import { isPassword, isSlow } from './password-hash.ts';

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
/**
 * Slow hashes are reckoned one after the other, a tenth of a second at a time: so long requests beside them wait, each time. Who
 * guesses cannot make a longer queue than this.
 */
const MOST_WAITING = 32;

export class BasicAuths {
  readonly #users = new Map<string, Users>();
  /** What was found right: the hash is made slow on purpose, and a browser says the same with each request. */
  readonly #right = new Set<string>();
  /** Also what was found wrong: clients repeat that as well. */
  readonly #wrong = new Set<string>();
  /** Slow hashes that are being reckoned, or wait for it: a browser sends many requests at once. */
  readonly #open = new Map<string, Promise<boolean>>();
  #reckoning: Promise<unknown> = Promise.resolve();

  put(secret: string, users: readonly [string, string][] | null): void {
    this.#right.clear();
    this.#wrong.clear();
    if (users) this.#users.set(secret, new Map(users));
    else this.#users.delete(secret);
  }

  /** undefined: the request may pass. A promise where a slow hash must be reckoned first. */
  refusalFor(
    { secret, realm }: BasicAuth,
    authorization: string | undefined,
  ): OwnAnswer | undefined | Promise<OwnAnswer | undefined> {
    const users = this.#users.get(secret);
    if (!users) return refusal(503);
    const [, credentials = ''] = /^Basic ([A-Za-z0-9+/=]{1,4096})$/i.exec(authorization ?? '') ?? [];
    const text = decoded(credentials);
    const colon = text.indexOf(':');
    const hash = users.get(text.slice(0, Math.max(0, colon)));
    const refused = { ...refusal(401), headers: { 'www-authenticate': `Basic realm="${realm}"` } };
    if (colon <= 0 || !hash) return refused;
    const key = createHash('sha256').update(`${secret} ${hash} ${text}`).digest('base64');
    if (this.#right.has(key)) return undefined;
    if (this.#wrong.has(key)) return refused;
    const reckon = () => isPassword(text.slice(colon + 1), hash);
    if (!isSlow(hash)) return this.#remembered(key, reckon() === true) ? undefined : refused;
    const found = this.#open.get(key) ?? this.#reckoned(key, reckon);
    return found ? found.then((isRight) => (isRight ? undefined : refused)) : refusal(503);
  }

  /** undefined: too many wait already. */
  #reckoned(key: string, reckon: () => boolean | Promise<boolean>): Promise<boolean> | undefined {
    if (this.#open.size >= MOST_WAITING) return undefined;
    const found = this.#reckoning
      .then(reckon)
      .then((isRight) => this.#remembered(key, isRight))
      .finally(() => this.#open.delete(key));
    this.#open.set(key, found);
    this.#reckoning = found.catch(() => undefined); // whoever asked is told
    return found;
  }

  #remembered(key: string, isRight: boolean): boolean {
    const known = isRight ? this.#right : this.#wrong;
    if (known.size >= MOST_KNOWN) known.clear();
    known.add(key);
    return isRight;
  }
}
