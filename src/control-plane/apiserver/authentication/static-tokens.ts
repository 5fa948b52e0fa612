/** Tokens given when the server starts: `TOKEN → user`. Compared in constant time. */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { UserInfo } from '#client/transport.ts';
import type { TokenAuthenticator } from './authenticator.ts';

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

export function staticTokens(users: ReadonlyMap<string, UserInfo>): TokenAuthenticator {
  const known = [...users].map(([token, user]) => ({ digest: digest(token), user }));
  return {
    async authenticateToken(token) {
      const wanted = digest(token);
      const found = known.find((one) => timingSafeEqual(one.digest, wanted));
      return found && { user: found.user };
    },
  };
}
