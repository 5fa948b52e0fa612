/**
 * The modes in which somebody may act as somebody else. Each says which users it is for, and what the caller must be
 * allowed to. In the constrained modes nodes and ServiceAccounts have the groups that the server gives them.
 */
import { dns1123Label, dns1123Subdomain } from '#api/machinery/names.ts';
import type { StatusError } from '#api/machinery/status.ts';
import type { UserInfo } from '#client/transport.ts';
import {
  type Attributes,
  type Authorizer,
  forbiddenBy,
  isResourceRequest,
  type ResourceAttributes,
} from '../authorization/authorizer.ts';
import { MASTERS_GROUP } from './authenticator.ts';
import { validateExtraKey } from './extra-key.ts';

export interface WantedUser {
  name: string;
  /** '' for none. */
  uid: string;
  groups: readonly string[];
  extra: ReadonlyMap<string, readonly string[]>;
}

export interface Mode {
  /** `impersonate:user-info`; undefined for the mode that is not constrained. */
  constraint?: string;
  applies(wanted: WantedUser, caller: UserInfo): boolean;
  /** undefined: allowed. */
  refusal(wanted: WantedUser, request: Attributes, authorizer: Authorizer): Promise<StatusError | undefined>;
  /** Of the user that the request goes on as, before the standard ones. */
  groups(wanted: WantedUser): readonly string[];
}

const AUTHENTICATION = 'authentication.k8s.io';
/** From so many on the caller is first asked for all at once. */
const MANY = 4;

interface ServiceAccountName {
  namespace: string;
  name: string;
}

function serviceAccountIn(userName: string): ServiceAccountName | undefined {
  const [, namespace, name] = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(userName) ?? [];
  if (!namespace || !name) return undefined;
  return dns1123Label(namespace).length + dns1123Subdomain(name).length === 0 ? { namespace, name } : undefined;
}

function nodeIn(userName: string): string | undefined {
  const prefix = 'system:node:';
  if (!userName.startsWith(prefix)) return undefined;
  const name = userName.slice(prefix.length);
  return dns1123Subdomain(name).length === 0 ? name : undefined;
}

const onlyNamed = ({ uid, groups, extra }: WantedUser): boolean => !uid && groups.length === 0 && extra.size === 0;

const accountGroups = ({ namespace }: ServiceAccountName): string[] => [
  'system:serviceaccounts',
  `system:serviceaccounts:${namespace}`,
];

async function refused(authorizer: Authorizer, attributes: Attributes): Promise<StatusError | undefined> {
  const { decision, reason, error } = await authorizer.authorize(attributes);
  if (decision === 'allow') return undefined;
  return forbiddenBy(attributes, error && reason ? `${error}: ${reason}` : error || reason);
}

interface Asked {
  caller: UserInfo;
  verb: string;
  isConstrained: boolean;
}

const ask = ({ caller, verb }: Asked, what: Partial<ResourceAttributes>): ResourceAttributes => ({
  user: caller,
  verb,
  group: '',
  version: 'v1',
  resource: '',
  subresource: '',
  namespace: '',
  name: '',
  ...what,
});

function userAttributes(asked: Asked, userName: string): ResourceAttributes {
  const group = asked.isConstrained ? AUTHENTICATION : '';
  const node = asked.isConstrained ? nodeIn(userName) : undefined;
  if (node) return ask(asked, { group, resource: 'nodes', name: node });
  const account = serviceAccountIn(userName);
  if (account) return ask(asked, { group, resource: 'serviceaccounts', ...account });
  return ask(asked, { group, resource: 'users', name: userName });
}

/** What the caller must be allowed to for each thing that is taken on, in upstream's order. */
async function takingOnRefused(asked: Asked, wanted: WantedUser, authorizer: Authorizer) {
  const { uid } = wanted;
  return (
    (await refused(authorizer, userAttributes(asked, wanted.name))) ??
    (uid ? await refused(authorizer, ask(asked, { group: AUTHENTICATION, resource: 'uids', name: uid })) : undefined) ??
    (await groupsRefused(asked, wanted.groups, authorizer)) ??
    (await extraRefused(asked, wanted.extra, authorizer))
  );
}

async function groupsRefused(asked: Asked, groups: readonly string[], authorizer: Authorizer) {
  const { isConstrained } = asked;
  const of = (name: string) => ask(asked, { group: isConstrained ? AUTHENTICATION : '', resource: 'groups', name });
  if (isConstrained) {
    if (groups.includes('')) return forbiddenBy(of(''), 'impersonating the empty string group is not allowed');
    if (groups.includes(MASTERS_GROUP))
      return forbiddenBy(of(MASTERS_GROUP), `impersonating the ${MASTERS_GROUP} group is not allowed`);
    if (groups.length >= MANY && !(await refused(authorizer, of('*')))) return undefined;
  }
  for (const group of groups) {
    const problem = await refused(authorizer, of(group));
    if (problem) return problem;
  }
  return undefined;
}

async function extraRefused(asked: Asked, extra: WantedUser['extra'], authorizer: Authorizer) {
  if (extra.size === 0) return undefined;
  const of = (subresource: string, name: string) =>
    ask(asked, { group: AUTHENTICATION, resource: 'userextras', subresource, name });
  if (asked.isConstrained) {
    const problem = extraProblem(extra);
    if (problem) return forbiddenBy(of('', ''), problem);
    const count = [...extra.values()].reduce((sum, values) => sum + values.length, 0);
    if (count >= MANY && !(await refused(authorizer, of('*', '*')))) return undefined;
  }
  for (const [key, values] of extra)
    for (const value of values) {
      const problem = await refused(authorizer, of(key, value));
      if (problem) return problem;
    }
  return undefined;
}

function extraProblem(extra: WantedUser['extra']): string | undefined {
  for (const [key, values] of extra) {
    if (key === '') return 'impersonating the empty string key in extra is not allowed';
    const problems = validateExtraKey(key, 'extra.key').map(({ field, message }) => `${field}: ${message}`);
    if (problems.length > 0)
      return `impersonating an invalid key in extra is not allowed: ${problems.length > 1 ? `[${problems.join(', ')}]` : problems[0]}`;
    if (key !== key.toLowerCase())
      return `impersonating a non-lowercase key in extra is not allowed: ${JSON.stringify(key)}`;
    if (values.length === 0) return 'impersonating empty values in extra is not allowed';
    if (values.includes('')) return 'impersonating the empty string value in extra is not allowed';
  }
  return undefined;
}

/** As it was before there were modes: once allowed, for every request. */
export const legacyMode: Mode = {
  applies: () => true,
  refusal: (wanted, { user: caller }, authorizer) =>
    takingOnRefused({ caller, verb: 'impersonate', isConstrained: false }, wanted, authorizer),
  groups({ name, groups }) {
    const account = serviceAccountIn(name);
    return account && groups.length === 0 ? accountGroups(account) : groups;
  },
};

interface Constrained {
  mode: string;
  applies: Mode['applies'];
  /** What the authorizer gets to see in place of the attributes. */
  shown?(attributes: Attributes): Attributes;
}

function constrained({ mode, applies, shown = (attributes) => attributes }: Constrained): Mode {
  const verb = `impersonate:${mode}`;
  return {
    constraint: verb,
    applies,
    async refusal(wanted, request, authorizer) {
      const seen: Authorizer = { authorize: (attributes) => authorizer.authorize(shown(attributes)) };
      const on = { ...request, verb: `impersonate-on:${mode}:${request.verb}` };
      return (
        (await refused(seen, on)) ??
        (await takingOnRefused({ caller: request.user, verb, isConstrained: true }, wanted, seen))
      );
    },
    groups({ name, groups }) {
      if (nodeIn(name)) return ['system:nodes'];
      const account = serviceAccountIn(name);
      return account ? accountGroups(account) : groups;
    },
  };
}

const NODE_NAME_KEY = 'authentication.kubernetes.io/node-name';
const ASSOCIATED_KEYS = 'authentication.kubernetes.io/associated-node-keys';

/** A pod's ServiceAccount as the node that the pod runs on: which node that is does not matter to the authorizer. */
function shownForAnyNode(attributes: Attributes): Attributes {
  const { user } = attributes;
  const blurred = { ...user, extra: { [ASSOCIATED_KEYS]: Object.keys(user.extra ?? {}).sort() } };
  return isResourceRequest(attributes) && attributes.verb === 'impersonate:associated-node'
    ? { ...attributes, user: blurred, name: '*' }
    : { ...attributes, user: blurred };
}

export const constrainedModes: readonly Mode[] = [
  constrained({
    mode: 'associated-node',
    applies(wanted, caller) {
      const [own, ...others] = caller.extra?.[NODE_NAME_KEY] ?? [];
      const isOwn = own !== undefined && others.length === 0 && nodeIn(wanted.name) === own;
      return isOwn && onlyNamed(wanted) && serviceAccountIn(caller.name) !== undefined;
    },
    shown: shownForAnyNode,
  }),
  constrained({ mode: 'arbitrary-node', applies: (wanted) => onlyNamed(wanted) && nodeIn(wanted.name) !== undefined }),
  constrained({
    mode: 'serviceaccount',
    applies: (wanted) => onlyNamed(wanted) && serviceAccountIn(wanted.name) !== undefined,
  }),
  constrained({
    mode: 'user-info',
    applies: ({ name }) => nodeIn(name) === undefined && serviceAccountIn(name) === undefined,
  }),
];
