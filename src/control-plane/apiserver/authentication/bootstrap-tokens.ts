/**
 * Tokens with which a new node introduces itself: `ID.SECRET`, kept as Secrets `bootstrap-token-ID` in kube-system.
 * Source: documentation, "Authenticating with Bootstrap Tokens".
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { Secret } from '#api/core/v1/secret.ts';
import type { Clock } from '#base/clock.ts';
import type { LiveLookup } from '../live-lookup.ts';
import type { TokenAuthenticator } from './authenticator.ts';

const FORM = /^([a-z0-9]{6})\.([a-z0-9]{16})$/;
const DEFAULT_GROUP = 'system:bootstrappers';
const EXTRA_GROUP = /^system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]$/;

export const bootstrapTokens = ({ live, clock }: { live: LiveLookup; clock: Clock }): TokenAuthenticator => ({
  async authenticateToken(token) {
    const [, id, given] = FORM.exec(token) ?? [];
    if (!id || !given) return undefined;
    const secret = await live(Secret, { namespace: 'kube-system', name: `bootstrap-token-${id}` });
    if (!secret || secret.metadata.deletionTimestamp || secret.type !== 'bootstrap.kubernetes.io/token')
      return undefined;
    const field = (name: string) => Buffer.from(secret.data?.[name] ?? '', 'base64').toString('utf8');
    if (field('token-id') !== id || !same(field('token-secret'), given)) return undefined;
    const expiration = field('expiration');
    if (expiration && !(Date.parse(expiration) > clock.now())) return undefined;
    if (field('usage-bootstrap-authentication') !== 'true') return undefined;
    const extra = field('auth-extra-groups').split(',').filter(Boolean);
    if (!extra.every((group) => EXTRA_GROUP.test(group))) return undefined;
    return { user: { name: `system:bootstrap:${id}`, groups: [DEFAULT_GROUP, ...extra] } };
  },
});

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
const same = (one: string, other: string): boolean => timingSafeEqual(digest(one), digest(other));
