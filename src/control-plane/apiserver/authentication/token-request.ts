/**
 * Answers a TokenRequest (POST serviceaccounts/NAME/token): checks what is asked for, and what the token is to be bound
 * to, and signs it. Source: API reference, authentication.k8s.io/v1.
 */
import { TokenRequest } from '#api/authentication/v1/token-request.ts';
import { Node } from '#api/core/v1/node.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { Secret } from '#api/core/v1/secret.ts';
import type { ServiceAccount } from '#api/core/v1/service-account.ts';
import type { BoundObjectReference } from '#api/generated/schema.ts';
import { invalidValue } from '#api/machinery/field-error.ts';
import { badRequest, conflict, invalid, notFound, StatusError } from '#api/machinery/status.ts';
import type { Clock } from '#base/clock.ts';
import type { LiveLookup } from '../live-lookup.ts';
import type { KubernetesClaims } from './service-account-claims.ts';
import type { TokenIssuer } from './token-issuer.ts';

const DEFAULT_SECONDS = 3600;
// Pods of old clients read their token once: what is mounted into pods by default warns after this and holds a year.
const WARN_ONLY_SECONDS = 3607;
const EXTENDED_SECONDS = 365 * 24 * 3600;

export interface TokenRequestServices {
  issuer: TokenIssuer;
  live: LiveLookup;
  clock: Clock;
}

/** As it is asked for, with what is the same for every server: what admission plugins see first. */
export const defaultedTokenRequest = ({ metadata = {}, spec = {} }: SubmittedTokenRequest) => ({
  apiVersion: 'authentication.k8s.io/v1',
  kind: 'TokenRequest',
  metadata,
  spec: { ...spec, expirationSeconds: spec.expirationSeconds ?? DEFAULT_SECONDS },
});

/** The whole request. Throws 422 Invalid, and 409 when it is about an account of that name that is no more. */
export function prepareTokenRequest(
  { metadata: given = {}, spec }: ReturnType<typeof defaultedTokenRequest>,
  account: ServiceAccount,
  { issuer, clock }: Pick<TokenRequestServices, 'issuer' | 'clock'>,
): TokenRequest {
  const { name, namespace = '', uid } = account.metadata;
  if (given.name && given.name !== name)
    throw mismatch(name, 'name', given.name, 'must match the service account name if specified');
  if (given.namespace && given.namespace !== namespace)
    throw mismatch(name, 'namespace', given.namespace, 'must match the service account namespace if specified');
  if (given.uid && given.uid !== uid)
    throw conflict(
      { group: TokenRequest.group, plural: TokenRequest.kind },
      name,
      `the UID in the token request (${given.uid}) does not match the UID of the service account (${uid})`,
    );
  const creationTimestamp = timestamp(clock.now());
  const request = {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenRequest',
    metadata: { ...given, name, namespace, uid, creationTimestamp } as TokenRequest['metadata'],
    spec: { ...spec, audiences: spec.audiences?.length ? spec.audiences : [...issuer.audiences] },
  } satisfies TokenRequest;
  const problems = TokenRequest.validate(request);
  if (problems.length > 0) throw invalid(TokenRequest, '', problems);
  return request;
}

const timestamp = (ms: number) => new Date(ms).toISOString().replace(/\.\d+/, '');

const mismatch = (account: string, field: string, value: string, why: string) =>
  invalid(TokenRequest, account, [invalidValue(`metadata.${field}`, value, why)]);

export interface SubmittedTokenRequest {
  metadata?: { name?: string; namespace?: string; uid?: string };
  spec?: { audiences?: string[]; expirationSeconds?: number; boundObjectRef?: BoundObjectReference };
}

/** No longer than tokens may live. `warn` is told when that is less than was asked for. */
export function shortened(
  request: TokenRequest,
  { signer: { maxLifeSeconds } }: TokenIssuer,
  warn: (text: string) => void,
): TokenRequest {
  const { expirationSeconds } = request.spec;
  if (maxLifeSeconds === undefined || expirationSeconds <= maxLifeSeconds) return request;
  warn(`requested expiration of ${expirationSeconds} seconds shortened to ${maxLifeSeconds} seconds`);
  return { ...request, spec: { ...request.spec, expirationSeconds: maxLifeSeconds } };
}

/** Throws 500 when nobody signs; 404, 409 or 400 when what it is to be bound to does not exist, is another one, or has another account. */
export async function issueToken(
  request: TokenRequest,
  account: ServiceAccount,
  { issuer, live, clock }: TokenRequestServices,
): Promise<TokenRequest> {
  const { audiences = [], expirationSeconds, boundObjectRef } = request.spec;
  const claims: KubernetesClaims = {
    namespace: account.metadata.namespace ?? '',
    ...(boundObjectRef && (await boundClaims(boundObjectRef, account, live))),
    serviceaccount: { name: account.metadata.name, uid: account.metadata.uid },
  };
  const nowMs = clock.now();
  const forApiServer = audiences.every((one) => issuer.audiences.includes(one));
  const extended = claims.pod !== undefined && expirationSeconds === WARN_ONLY_SECONDS && forApiServer;
  const told = { ...claims, ...(extended && { warnafter: Math.floor(nowMs / 1000) + expirationSeconds }) };
  const { maxLifeSeconds = EXTENDED_SECONDS } = issuer.signer;
  const lifeSeconds = extended ? Math.min(EXTENDED_SECONDS, maxLifeSeconds) : expirationSeconds;
  const token = await issuer.issue(told, audiences, lifeSeconds).catch((error: Error) => {
    throw StatusError.from({ code: 500, message: `failed to generate token: ${error.message}` });
  });
  const expirationTimestamp = timestamp(nowMs + expirationSeconds * 1000);
  return { ...request, status: { token, expirationTimestamp } };
}

type BoundClaims = Pick<KubernetesClaims, 'pod' | 'secret' | 'node'>;

async function boundClaims(ref: BoundObjectReference, account: ServiceAccount, live: LiveLookup): Promise<BoundClaims> {
  const { namespace = '', name: accountName } = account.metadata;
  const name = ref.name ?? '';
  if (ref.apiVersion === 'v1' && ref.kind === 'Pod') {
    const pod = await live(Pod, { namespace, name });
    if (!pod) throw notFound({ group: '', plural: 'pods' }, name);
    if (pod.spec.serviceAccountName !== accountName)
      throw badRequest(
        `cannot bind token for serviceaccount ${JSON.stringify(accountName)} to pod running with different serviceaccount name.`,
      );
    const claims = { pod: claimOf(ref, pod.metadata) };
    return pod.spec.nodeName ? { ...claims, node: await nodeClaim(pod.spec.nodeName, live) } : claims;
  }
  if (ref.apiVersion === 'v1' && ref.kind === 'Node') {
    const node = await live(Node, { name });
    if (!node) throw notFound({ group: '', plural: 'nodes' }, name);
    return { node: claimOf(ref, node.metadata) };
  }
  if (ref.apiVersion === 'v1' && ref.kind === 'Secret') {
    const secret = await live(Secret, { namespace, name });
    if (!secret) throw notFound({ group: '', plural: 'secrets' }, name);
    return { secret: claimOf(ref, secret.metadata) };
  }
  const [group, version] = ref.apiVersion?.includes('/') ? ref.apiVersion.split('/') : ['', ref.apiVersion ?? ''];
  throw badRequest(`cannot bind token to object of type ${group}/${version}, Kind=${ref.kind ?? ''}`);
}

/** The node's uid too when the Node is there: a pod may be bound to one that is not registered yet. */
async function nodeClaim(name: string, live: LiveLookup): Promise<NonNullable<BoundClaims['node']>> {
  const node = await live(Node, { name });
  return node ? { name, uid: node.metadata.uid } : { name };
}

function claimOf(ref: BoundObjectReference, { name, uid }: { name: string; uid: string }) {
  if (ref.uid && ref.uid !== uid)
    throw conflict(
      { group: '', plural: ref.kind ?? '' },
      name,
      `the UID in the bound object reference (${ref.uid}) does not match the UID in record. The object might have been deleted and then recreated`,
    );
  return { name, uid };
}
