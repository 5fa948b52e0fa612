/**
 * All ways to be known, in order. Credentials that are bad end the request even where it could go on without any, so that
 * a mistyped token is never taken for nobody.
 */
import { hasReason, unauthorized } from '#api/machinery/status.ts';
import {
  ANONYMOUS,
  AUTHENTICATED_GROUP,
  type Authenticated,
  type Authenticator,
  type TokenAuthenticator,
  UNAUTHENTICATED_GROUP,
} from './authenticator.ts';

/** The first that knows the caller decides; when none does, the caller is anonymous. */
export function authenticatorChain(authenticators: readonly Authenticator[]): Authenticator {
  return {
    async authenticate(credentials) {
      let refusal: unknown;
      for (const authenticator of authenticators) {
        try {
          const known = await authenticator.authenticate(credentials);
          if (known) return withGroup(known, AUTHENTICATED_GROUP);
        } catch (error) {
          if (!hasReason(error, 'Unauthorized')) throw error;
          refusal = error;
        }
      }
      if (refusal) throw refusal;
      return { user: { name: ANONYMOUS, groups: [UNAUTHENTICATED_GROUP] } };
    },
  };
}

function withGroup(known: Authenticated, group: string): Authenticated {
  const { user } = known;
  const { groups } = user;
  if (user.name === ANONYMOUS || groups.includes(group) || groups.includes(UNAUTHENTICATED_GROUP)) return known;
  return { ...known, user: { ...user, groups: [...groups, group] } };
}

/** The first kind of token that it is decides. */
export function tokenChain(kinds: readonly TokenAuthenticator[]): TokenAuthenticator {
  return {
    async authenticateToken(token, audiences) {
      for (const kind of kinds) {
        const known = await kind.authenticateToken(token, audiences);
        if (known) return withGroup(known, AUTHENTICATED_GROUP);
      }
      return undefined;
    },
  };
}

/** Tokens as credentials of a request. A token that nobody knows is refused. */
export const bearerTokenAuthenticator = (tokens: TokenAuthenticator): Authenticator => ({
  async authenticate({ bearerToken }) {
    if (!bearerToken) return undefined;
    const known = await tokens.authenticateToken(bearerToken, []).catch(() => undefined); // why is not for the caller
    if (!known) throw unauthorized();
    return known;
  },
});
