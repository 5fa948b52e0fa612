/**
 * Acting as somebody else (`kubectl --as`): the caller needs the verb `impersonate` on each thing that is taken on.
 * Source: documentation, "User impersonation".
 */
import { badRequest, internalError } from '#api/machinery/status.ts';
import type { UserInfo } from '#client/transport.ts';
import { type Authorizer, forbiddenBy, type ResourceAttributes } from '../authorization/authorizer.ts';
import { ANONYMOUS, AUTHENTICATED_GROUP, type Credentials, UNAUTHENTICATED_GROUP } from './authenticator.ts';

const USER = 'impersonate-user';
const GROUP = 'impersonate-group';
const UID = 'impersonate-uid';
const EXTRA = 'impersonate-extra-';
const SERVICE_ACCOUNT = /^system:serviceaccount:([^:]+):([^:]+)$/;

type Headers = Credentials['headers'];

/** Whom the request is to be carried out as. Throws 403, and 500 (as upstream) for headers without a user. */
export async function impersonated(user: UserInfo, headers: Headers, authorizer: Authorizer): Promise<UserInfo> {
  const wanted = wantedBy(headers);
  if (!wanted) return user;
  for (const attributes of attributesFor(user, wanted)) {
    const { decision, reason } = await authorizer.authorize(attributes);
    if (decision !== 'allow') throw forbiddenBy(attributes, reason);
  }
  return { ...wanted, groups: withStandardGroups(wanted) };
}

function wantedBy(headers: Headers): UserInfo | undefined {
  const name = valuesOf(headers, USER)[0] ?? '';
  const groups = valuesOf(headers, GROUP);
  const uid = valuesOf(headers, UID)[0];
  const extra = extraOf(headers);
  if (!name) {
    if (groups.length === 0 && !uid && Object.keys(extra).length === 0) return undefined;
    throw internalError('requested impersonation of groups, uid or extra without impersonating a user');
  }
  return { name, groups, ...(uid && { uid }), ...(Object.keys(extra).length > 0 && { extra }) };
}

/** Node joins repeated headers with a comma and a space; a name may hold neither. */
const valuesOf = (headers: Headers, name: string): string[] => {
  const value = headers[name];
  if (value === undefined) return [];
  return (Array.isArray(value) ? value : value.split(', ')).filter(Boolean);
};

function extraOf(headers: Headers): Record<string, string[]> {
  const extra: Record<string, string[]> = Object.create(null);
  for (const header of Object.keys(headers)) {
    if (header.startsWith(EXTRA)) extra[decoded(header.slice(EXTRA.length))] = valuesOf(headers, header);
  }
  return extra;
}

function decoded(key: string): string {
  try {
    return decodeURIComponent(key);
  } catch (error) {
    if (error instanceof URIError) throw badRequest(`${EXTRA}${key} is not percent-encoded`);
    throw error;
  }
}

function* attributesFor(user: UserInfo, wanted: UserInfo): Generator<ResourceAttributes> {
  const [, namespace, serviceAccount] = SERVICE_ACCOUNT.exec(wanted.name) ?? [];
  const ask = (what: Partial<ResourceAttributes>): ResourceAttributes => ({
    user,
    verb: 'impersonate',
    group: '',
    version: 'v1',
    resource: '',
    subresource: '',
    namespace: '',
    name: '',
    ...what,
  });
  yield namespace && serviceAccount
    ? ask({ resource: 'serviceaccounts', namespace, name: serviceAccount })
    : ask({ resource: 'users', name: wanted.name });
  for (const name of wanted.groups) yield ask({ resource: 'groups', name });
  if (wanted.uid) yield ask({ group: 'authentication.k8s.io', resource: 'uids', name: wanted.uid });
  for (const [key, values] of Object.entries(wanted.extra ?? {}))
    for (const name of values)
      yield ask({ group: 'authentication.k8s.io', resource: 'userextras', subresource: key, name });
}

/** Groups that belong to the kind of user; for a ServiceAccount only when no groups were named. */
function withStandardGroups({ name, groups }: UserInfo): string[] {
  const [, namespace] = SERVICE_ACCOUNT.exec(name) ?? [];
  const own =
    namespace && groups.length === 0 ? ['system:serviceaccounts', `system:serviceaccounts:${namespace}`] : [...groups];
  if (name === ANONYMOUS) return own.includes(UNAUTHENTICATED_GROUP) ? own : [...own, UNAUTHENTICATED_GROUP];
  return own.includes(AUTHENTICATED_GROUP) || own.includes(UNAUTHENTICATED_GROUP) ? own : [...own, AUTHENTICATED_GROUP];
}
