/** What a Secret says of a bootstrap token. Source: "Authenticating with Bootstrap Tokens", token Secret format. */
import type { Secret } from '#api/generated/schema.ts';
import { fromBase64 } from '#api/machinery/base64.ts';

export const TOKEN_NAMESPACE = 'kube-system';
export const TOKEN_TYPE = 'bootstrap.kubernetes.io/token';
const NAME_PREFIX = 'bootstrap-token-';

export const isBootstrapToken = ({ type, metadata }: Secret): boolean =>
  type === TOKEN_TYPE && metadata.namespace === TOKEN_NAMESPACE;

export function fieldOf({ data }: Secret, name: string): string {
  const bytes = fromBase64(data?.[name] ?? '');
  return bytes instanceof Uint8Array ? new TextDecoder().decode(bytes) : '';
}

/** Until it is over, in ms: 0 when it is, or when its time cannot be read; undefined: it lasts. */
export function leftMs(secret: Secret, nowMs: number): number | undefined {
  const expiration = fieldOf(secret, 'expiration');
  if (!expiration) return undefined;
  const endMs = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(expiration)
    ? Date.parse(expiration)
    : Number.NaN;
  return Number.isNaN(endMs) ? 0 : Math.max(0, endMs - nowMs);
}

export interface SigningToken {
  id: string;
  secret: string;
}

/** undefined when it may not sign. */
export function signingTokenOf(secret: Secret, nowMs: number): SigningToken | undefined {
  const token = { id: fieldOf(secret, 'token-id'), secret: fieldOf(secret, 'token-secret') };
  const isOne = secret.metadata.name === NAME_PREFIX + token.id && token.secret !== '';
  const mayBe = fieldOf(secret, 'usage-bootstrap-signing') === 'true' && !secret.metadata.deletionTimestamp;
  return isBootstrapToken(secret) && isOne && mayBe && leftMs(secret, nowMs) !== 0 ? token : undefined;
}
