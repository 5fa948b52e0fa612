/** What a ServiceAccount token says, and which user that is. Source: documentation, "Managing Service Accounts". */
import type { UserInfo } from '#client/transport.ts';

export interface ObjectClaim {
  name: string;
  uid: string;
}

/** The claim `kubernetes.io`. At most one of pod, secret and (without a pod) node is what the token is bound to. */
export interface KubernetesClaims {
  namespace: string;
  serviceaccount: ObjectClaim;
  pod?: ObjectClaim;
  secret?: ObjectClaim;
  node?: Partial<ObjectClaim> & { name: string };
  /** Seconds since the epoch. The client should have taken a new token by then, though this one still holds. */
  warnafter?: number;
}

export interface TokenClaims {
  jti?: string;
  aud: string[];
  'kubernetes.io': KubernetesClaims;
}

export const LEGACY_ISSUER = 'kubernetes/serviceaccount';
export const LEGACY_PREFIX = 'kubernetes.io/serviceaccount';

/** What the token in a Secret says. */
export interface LegacyClaims {
  namespace: string;
  serviceAccount: ObjectClaim;
  /** Its name. */
  secret: string;
}

const PREFIX = 'authentication.kubernetes.io';

export const serviceAccountUserName = (namespace: string, name: string): string =>
  `system:serviceaccount:${namespace}:${name}`;

export function userOfClaims({ jti, 'kubernetes.io': claims }: TokenClaims): UserInfo {
  const { namespace, serviceaccount, pod, node } = claims;
  return {
    name: serviceAccountUserName(namespace, serviceaccount.name),
    uid: serviceaccount.uid,
    groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`],
    extra: {
      ...(jti && { [`${PREFIX}/credential-id`]: [`JTI=${jti}`] }),
      ...(node && { [`${PREFIX}/node-name`]: [node.name] }),
      ...(node?.uid && { [`${PREFIX}/node-uid`]: [node.uid] }),
      ...(pod && { [`${PREFIX}/pod-name`]: [pod.name], [`${PREFIX}/pod-uid`]: [pod.uid] }),
    },
  };
}

/** Claims of a token whose signature is good, undefined when they have not the form of a ServiceAccount's. */
export function claimsOf(payload: Record<string, unknown>): TokenClaims | undefined {
  const claims = payload['kubernetes.io'];
  if (!isRecord(claims) || typeof claims['namespace'] !== 'string' || !isObjectClaim(claims['serviceaccount']))
    return undefined;
  for (const bound of ['pod', 'secret']) {
    if (claims[bound] !== undefined && !isObjectClaim(claims[bound])) return undefined;
  }
  const { namespace, serviceaccount } = claims as unknown as KubernetesClaims;
  if (payload['sub'] !== serviceAccountUserName(namespace, serviceaccount.name)) return undefined;
  const { aud, jti } = payload;
  return {
    aud: typeof aud === 'string' ? [aud] : Array.isArray(aud) ? aud.map(String) : [],
    ...(typeof jti === 'string' && { jti }),
    'kubernetes.io': claims as unknown as KubernetesClaims,
  };
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;
const isObjectClaim = (value: unknown): value is ObjectClaim =>
  isRecord(value) && typeof value['name'] === 'string' && typeof value['uid'] === 'string';
