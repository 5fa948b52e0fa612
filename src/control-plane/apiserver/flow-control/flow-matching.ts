/**
 * Which FlowSchema a request belongs to. Source: API reference, FlowSchema v1; upstream's util/flowcontrol/rule.go.
 */
import type {
  FlowSchema,
  NonResourcePolicyRule,
  PolicyRulesWithSubjects,
  ResourcePolicyRule,
  FlowcontrolSubject as Subject,
} from '#api/generated/schema.ts';
import type { UserInfo } from '#client/transport.ts';
import type { RequestInfo } from '../request-info.ts';

/** Smaller precedence first; by name where that is equal. */
export const byPrecedence = (a: FlowSchema, b: FlowSchema): number =>
  a.spec.matchingPrecedence - b.spec.matchingPrecedence || (a.metadata.name < b.metadata.name ? -1 : 1);

/** The rules of a schema that are about this user. */
export const rulesFor = (user: UserInfo, { spec }: FlowSchema): PolicyRulesWithSubjects[] =>
  (spec.rules ?? []).filter(({ subjects }) => subjects.some((subject) => isSubject(user, subject)));

export const matchesRules = (info: RequestInfo, rules: readonly PolicyRulesWithSubjects[]): boolean =>
  rules.some(({ resourceRules = [], nonResourceRules = [] }) =>
    info.isResource
      ? resourceRules.some((rule) => matchesResource(info, rule))
      : nonResourceRules.some((rule) => matchesPath(info, rule)),
  );

const SERVICE_ACCOUNT = 'system:serviceaccount:';

function isSubject(user: UserInfo, { kind, user: byName, group, serviceAccount }: Subject): boolean {
  if (kind === 'User') return byName !== undefined && (byName.name === '*' || byName.name === user.name);
  if (kind === 'Group') return group !== undefined && (group.name === '*' || user.groups.includes(group.name));
  if (kind !== 'ServiceAccount' || !serviceAccount) return false;
  const { namespace, name } = serviceAccount;
  return name === '*'
    ? user.name.startsWith(`${SERVICE_ACCOUNT}${namespace}:`)
    : user.name === `${SERVICE_ACCOUNT}${namespace}:${name}`;
}

function matchesResource(info: RequestInfo & { isResource: true }, rule: ResourcePolicyRule): boolean {
  const { resource, subresource, namespace } = info;
  return (
    names(rule.verbs, info.verb || info.method.toLowerCase()) &&
    names(rule.resources, subresource ? `${resource}/${subresource}` : resource) &&
    names(rule.apiGroups, info.group) &&
    (namespace ? names(rule.namespaces ?? [], namespace) : rule.clusterScope === true)
  );
}

function matchesPath({ verb, path }: RequestInfo, { verbs, nonResourceURLs }: NonResourcePolicyRule): boolean {
  return (
    names(verbs, verb) &&
    nonResourceURLs.some((url) => {
      if (url === '*' || url === path) return true;
      const prefix = url.endsWith('*') ? url.slice(0, -1) : url;
      return path.startsWith(prefix.endsWith('/') ? prefix : `${prefix}/`);
    })
  );
}

/** `*` means all, and stands alone: validation sees to that. */
const names = (list: readonly string[], one: string): boolean =>
  (list.length === 1 && list[0] === '*') || list.includes(one);
