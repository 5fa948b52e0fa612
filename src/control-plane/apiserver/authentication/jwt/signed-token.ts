/** A JWT as it came, and what makes its claims worth believing. Errors have upstream's texts. */
import { decodeJwt, decodeProtectedHeader, errors } from 'jose';
import type { Clock } from '#base/clock.ts';
import type { IdentityProvider } from './identity-provider.ts';
import type { Claims } from './user-of-token.ts';

export interface TokenParts {
  token: string;
  claims: Claims;
  header: { kid?: string; alg?: string };
}

export const MAX_TOKEN_LENGTH = 64 * 1024;
/** Clocks of other machines may be ahead. */
const NOT_BEFORE_LEEWAY_SECONDS = 300;

/** undefined: not a JWT. Nothing in it has been verified. */
export function partsOf(token: string): TokenParts | undefined {
  if (token.length > MAX_TOKEN_LENGTH) return undefined;
  try {
    return { token, claims: decodeJwt(token), header: decodeProtectedHeader(token) };
  } catch (error) {
    if (error instanceof TypeError || error instanceof errors.JOSEError) return undefined;
    throw error;
  }
}

/** Throws an Error that says what is wrong: for whom it is, when, or who has signed it. */
export async function verifyToken(
  { token, claims, header }: TokenParts,
  { provider, audiences, clock }: { provider: IdentityProvider; audiences: readonly string[]; clock: Clock },
): Promise<void> {
  checkAudience(claims, audiences);
  checkTime(claims, clock.now() / 1000);
  await provider.verify(token, header);
}

function checkAudience({ aud }: Claims, audiences: readonly string[]): void {
  const named = typeof aud === 'string' ? [aud] : Array.isArray(aud) ? aud.map(String) : [];
  if (named.some((one) => audiences.includes(one))) return;
  const got = list(named);
  throw new Error(
    audiences.length === 1
      ? `oidc: expected audience ${JSON.stringify(audiences[0])} got ${got}`
      : `oidc: expected audience in ${list([...audiences].sort())} got ${got}`,
  );
}

function checkTime({ exp, nbf }: Claims, nowSeconds: number): void {
  const expires = typeof exp === 'number' ? exp : 0;
  if (expires < nowSeconds) throw new Error(`oidc: token is expired (Token Expiry: ${timeText(expires)})`);
  if (typeof nbf === 'number' && nowSeconds + NOT_BEFORE_LEEWAY_SECONDS < nbf)
    throw new Error(`oidc: current time ${timeText(nowSeconds)} before the nbf (not before) time: ${timeText(nbf)}`);
}

const list = (values: readonly string[]): string => `[${values.map((one) => JSON.stringify(one)).join(' ')}]`;
const timeText = (seconds: number): string => new Date(Math.min(seconds, 8e12) * 1000).toISOString();
