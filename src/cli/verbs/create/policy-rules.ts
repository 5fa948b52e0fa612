/** `--verb`, `--resource` and `--resource-name`: what a Role or a ClusterRole allows. Source: kubectl, cmd/create. */
import type { FlagSpec } from '../flags.ts';
import { groupResourceOf, type ServedResource, type ServedResources } from '../served-resources.ts';
import type { VerbCall } from '../verb.ts';
import { VerbError } from '../verb-error.ts';

export const RULE_FLAGS: readonly FlagSpec[] = [
  { name: 'verb', type: 'list', summary: 'what is allowed, e.g. get,list,watch' },
  { name: 'resource', type: 'list', summary: 'of what: pods, deployments.apps, pods/log' },
  { name: 'resource-name', type: 'repeated', summary: 'only of the objects with this name; may be repeated' },
];

export interface PolicyRule {
  apiGroups?: readonly string[];
  nonResourceURLs?: readonly string[];
  resourceNames?: readonly string[];
  resources?: readonly string[];
  verbs: readonly string[];
}

/** As it is typed: `deployments.apps/scale`. */
interface TypedResource {
  resource: string;
  group: string;
  subresource: string;
}

const RESOURCE_VERBS = [
  ...['*', 'get', 'delete', 'list', 'create', 'update', 'patch', 'watch', 'proxy', 'deletecollection', 'use', 'bind'],
  ...['escalate', 'impersonate'],
];

const ROLES = ['roles.rbac.authorization.k8s.io', 'clusterroles.rbac.authorization.k8s.io'];
/** Verbs that only something of these can be done with, which need not be served. */
const SPECIAL_VERBS: ReadonlyMap<string, readonly string[]> = new Map([
  ['use', ['podsecuritypolicies.policy', 'podsecuritypolicies.extensions']],
  ['bind', ROLES],
  ['escalate', ROLES],
  ['impersonate', ['users', 'serviceaccounts', 'groups', 'userextras.authentication.k8s.io']],
]);

/** Each once; `*` stands for all of them. */
export function verbsIn({ flags }: VerbCall): readonly string[] {
  const verbs = flags.list('verb');
  return verbs.includes('*') ? ['*'] : [...new Set(verbs)];
}

/** Up to the first that stands for all of them. */
export function resourcesIn({ flags }: VerbCall): readonly TypedResource[] {
  const typed: TypedResource[] = [];
  for (const text of flags.list('resource')) {
    const one = typedResource(text);
    if (text === '*') return [one];
    typed.push(one);
  }
  return typed;
}

function typedResource(text: string): TypedResource {
  const [named = '', subresource = ''] = halves(text, '/');
  const [resource = '', group = ''] = halves(named, '.');
  return { resource, group, subresource };
}

function halves(text: string, separator: string): string[] {
  const at = text.indexOf(separator);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

/** Other verbs may mean something to somebody: it is only warned of them. */
export function warnOfOddVerbs({ io }: VerbCall, verbs: readonly string[]): void {
  for (const verb of verbs)
    if (!RESOURCE_VERBS.includes(verb)) io.err(`Warning: '${verb}' is not a standard resource verb\n`);
}

/** Throws VerbError for what is not served, and for verbs that nothing can be done with to it. */
export function refuseUnknown(served: ServedResources, resources: readonly TypedResource[], verbs: readonly string[]) {
  for (const typed of resources) {
    if (typed.resource === '') throw new VerbError('resource must be specified if apiGroup/subresource specified');
    if (typed.resource === '*') return; // kubectl looks at no further one
    const found = servedAs(served, typed);
    const { plural, group } = found ?? { plural: typed.resource, group: typed.group };
    const special = verbs.filter((verb) => SPECIAL_VERBS.has(verb));
    for (const verb of special)
      if (!SPECIAL_VERBS.get(verb)!.includes(groupResourceOf({ plural, group })))
        throw new VerbError(`can not perform '${verb}' on '${plural}' in group '${group}'`);
    if (!found && special.length === 0) throw notServed(typed);
  }
}

const servedAs = (served: ServedResources, { resource, group }: TypedResource): ServedResource | undefined =>
  served.find(group ? `${resource}.${group}` : resource);

const notServed = ({ resource, group }: TypedResource): VerbError =>
  new VerbError(
    `the server doesn't have a resource type ${JSON.stringify(resource)}${group && ` in group ${JSON.stringify(group)}`}`,
    { isBare: true },
  );

/** One for each group. */
export function rulesFor(call: VerbCall, served: ServedResources): PolicyRule[] {
  const inGroups = new Map<string, Set<string>>();
  for (const typed of resourcesIn(call)) {
    const { plural, group } = servedAs(served, typed) ?? { plural: typed.resource, group: typed.group };
    const all = inGroups.get(group) ?? new Set<string>();
    inGroups.set(group, all.add(typed.subresource ? `${plural}/${typed.subresource}` : plural));
  }
  const resourceNames = [...new Set(call.flags.list('resource-name'))];
  return [...inGroups.keys()].sort().map((group) => ({
    apiGroups: [group],
    ...(resourceNames.length > 0 && { resourceNames }),
    resources: [...inGroups.get(group)!],
    verbs: verbsIn(call),
  }));
}
