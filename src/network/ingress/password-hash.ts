/** Passwords as `htpasswd` writes them. Source: Apache HTTP Server documentation, "Password Formats". */
import { createHash, timingSafeEqual } from 'node:crypto';
import { compare } from 'bcryptjs';

const APR1 = /^\$apr1\$([^$]{1,8})\$([./0-9A-Za-z]{22})$/;

const BCRYPT = /^\$2[aby]\$(\d\d)\$[./0-9A-Za-z]{53}$/;
/** Twice as slow with each: at 14 a second or so, which is for one request more than enough. Under 4 there is none. */
const COSTS = { least: 4, most: 14 };

/** Whether to reckon it takes so long that nobody should be held up by it. */
export const isSlow = (hash: string): boolean => BCRYPT.test(hash);

/** False as well for a hash of a kind that is not known. A promise where it takes long. */
export function isPassword(password: string, hash: string): boolean | Promise<boolean> {
  const [, cost] = BCRYPT.exec(hash) ?? [];
  if (cost !== undefined) return COSTS.least <= Number(cost) && Number(cost) <= COSTS.most && compare(password, hash);
  const [, salt] = APR1.exec(hash) ?? [];
  if (salt !== undefined) return isSame(apr1(password, salt), hash);
  if (hash.startsWith('{SHA}')) return isSame(`{SHA}${createHash('sha1').update(password).digest('base64')}`, hash);
  return false;
}

function isSame(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
}

const md5 = (...parts: (Buffer | string)[]): Buffer => {
  const hash = createHash('md5');
  for (const part of parts) hash.update(part);
  return hash.digest();
};

const ROUNDS = 1_000;
const LETTERS = './0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
/** Which bytes of the digest stand together in four letters, the highest first. */
const GROUPS = [
  [0, 6, 12],
  [1, 7, 13],
  [2, 8, 14],
  [3, 9, 15],
  [4, 10, 5],
] as const;

/** MD5 a thousand times over, with Apache's own mark. Source: FreeBSD's crypt(3), "MD5". */
function apr1(password: string, salt: string): string {
  const secret = Buffer.from(password);
  const mixed = md5(secret, salt, secret);
  const first = createHash('md5').update(secret).update('$apr1$').update(salt);
  for (let left = secret.length; left > 0; left -= 16) first.update(mixed.subarray(0, Math.min(16, left)));
  for (let bits = secret.length; bits > 0; bits >>= 1)
    first.update(bits & 1 ? Buffer.from([0]) : secret.subarray(0, 1));
  let digest: Buffer = first.digest();
  for (let round = 0; round < ROUNDS; round++) {
    digest = md5(
      round % 2 ? secret : digest,
      round % 3 ? salt : '',
      round % 7 ? secret : '',
      round % 2 ? digest : secret,
    );
  }
  const letters = GROUPS.map(([a, b, c]) =>
    lettersOf(((digest[a] ?? 0) << 16) | ((digest[b] ?? 0) << 8) | (digest[c] ?? 0), 4),
  );
  return `$apr1$${salt}$${letters.join('')}${lettersOf(digest[11] ?? 0, 2)}`;
}

function lettersOf(value: number, count: number): string {
  let text = '';
  for (let rest = value, i = 0; i < count; i++, rest >>= 6) text += LETTERS[rest & 63] ?? '';
  return text;
}
