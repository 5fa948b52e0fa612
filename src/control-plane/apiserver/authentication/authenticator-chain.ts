/**
 * All ways to be known, in order. Credentials that are bad end the request even where it could go on without any, so that
 * a mistyped token is never taken for nobody.
 */
import { hasReason, unauthorized } from '#api/machinery/status.ts';
import { type Soon, soon } from '#base/soon.ts';
import type { UserInfo } from '#client/transport.ts';
import {
  ANONYMOUS,
  AUTHENTICATED_GROUP,
  type Authenticated,
  type Authenticator,
  type Credentials,
  type TokenAuthenticator,
  UNAUTHENTICATED_GROUP,
} from './authenticator.ts';

/** Whether requests without credentials are taken, and for which paths; none named means all. */
export interface AnonymousAccess {
  enabled: boolean;
  paths?: readonly string[];
}

/** The first that knows the caller decides; when none does, the caller is anonymous where that is allowed. */
export function authenticatorChain(
  authenticators: readonly Authenticator[],
  anonymous: () => AnonymousAccess = () => ({ enabled: true }),
): Authenticator {
  return {
    authenticate: (credentials) =>
      soon(askFrom(authenticators, credentials, { at: 0, refusal: undefined }), (known) => {
        if (known) return withGroup(known, AUTHENTICATED_GROUP);
        return isOpen(anonymous(), credentials.path) ? NOBODY : undefined;
      }),
  };
}

interface Asked {
  at: number;
  refusal: unknown;
}

/** Who finds the credentials bad does not keep the others from looking. */
function askFrom(
  authenticators: readonly Authenticator[],
  credentials: Credentials,
  asked: Asked,
): Soon<Authenticated | undefined> {
  for (; asked.at < authenticators.length; asked.at++) {
    try {
      const known = authenticators[asked.at]!.authenticate(credentials);
      if (known instanceof Promise) {
        const others = () => {
          asked.at++;
          return askFrom(authenticators, credentials, asked);
        };
        return known.catch((error: unknown) => noteRefusal(asked, error)).then((later) => later ?? others());
      }
      if (known) return known;
    } catch (error) {
      noteRefusal(asked, error);
    }
  }
  if (asked.refusal) throw asked.refusal;
  return undefined;
}

/** What is no refusal is thrown on. */
function noteRefusal(asked: Asked, error: unknown): undefined {
  if (!hasReason(error, 'Unauthorized')) throw error;
  asked.refusal = error;
}

const NOBODY: Authenticated = Object.freeze({
  user: Object.freeze({ name: ANONYMOUS, groups: Object.freeze([UNAUTHENTICATED_GROUP]) }),
});

const isOpen = ({ enabled, paths = [] }: AnonymousAccess, path = ''): boolean =>
  enabled && (paths.length === 0 || paths.includes(path));

/** Who is known once is the same object each time: what is found out about a user can be remembered by it. */
const inGroup = new WeakMap<UserInfo, UserInfo>();

function withGroup(known: Authenticated, group: string): Authenticated {
  const { user } = known;
  const { groups } = user;
  if (user.name === ANONYMOUS || groups.includes(group) || groups.includes(UNAUTHENTICATED_GROUP)) return known;
  const member = inGroup.get(user) ?? { ...user, groups: [...groups, group] };
  inGroup.set(user, member);
  const { audiences, warnings, annotations } = known;
  const whole: Authenticated = { user: member };
  if (audiences) whole.audiences = audiences; // spreading costs more than all the rest of knowing a certificate again
  if (warnings) whole.warnings = warnings;
  if (annotations) whole.annotations = annotations;
  return whole;
}

/**
 * The first kind that knows the token decides. One that finds it bad does not keep the others from looking; when none knows
 * it, what all said is thrown.
 */
export function tokenChain(kinds: readonly TokenAuthenticator[]): TokenAuthenticator {
  return {
    async authenticateToken(token, audiences) {
      const problems: string[] = [];
      for (const kind of kinds) {
        try {
          const known = await kind.authenticateToken(token, audiences);
          if (known) return withGroup(known, AUTHENTICATED_GROUP);
        } catch (error) {
          problems.push(error instanceof Error ? error.message : String(error));
        }
      }
      if (problems.length > 0) throw new Error(problems.length === 1 ? problems[0] : `[${problems.join(', ')}]`);
      return undefined;
    },
  };
}

/** For tokens that know of no audience: they are meant for the API server, whose `own` these are. */
export const forAudiences = (own: readonly string[], kind: TokenAuthenticator): TokenAuthenticator => ({
  async authenticateToken(token, audiences) {
    const common = audiences.length > 0 ? audiences.filter((one) => own.includes(one)) : own;
    if (common.length === 0) return undefined;
    const known = await kind.authenticateToken(token, audiences);
    return known && { ...known, audiences: common };
  },
});

/** Tokens as credentials of a request. A token that nobody knows is refused. */
export const bearerTokenAuthenticator = (tokens: TokenAuthenticator): Authenticator => ({
  authenticate: ({ bearerToken }) => (bearerToken ? bearerOf(tokens, bearerToken) : undefined),
});

async function bearerOf(tokens: TokenAuthenticator, bearerToken: string): Promise<Authenticated> {
  const known = await tokens.authenticateToken(bearerToken, []).catch(() => undefined); // why is not for the caller
  if (!known) throw unauthorized();
  return known;
}
