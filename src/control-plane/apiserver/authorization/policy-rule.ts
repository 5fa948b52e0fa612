/** Rules of RBAC: how they are written here, and which requests they cover. Source: documentation, "Using RBAC Authorization". */
import type { PolicyRule } from '#api/generated/schema.ts';
import { type Attributes, isResourceRequest } from './authorizer.ts';

export interface RuleTarget {
  /** Words; `core` stands for the group without a name. */
  groups: string;
  /** Words, `pods` or `pods/log`. */
  resources: string;
  names?: string[];
}

const words = (text: string): string[] => text.split(' ');

/** `rule('get list', { groups: 'core', resources: 'pods' })`: the lists of a PolicyRule as words, sorted as upstream stores them. */
export const rule = (verbs: string, { groups, resources, names }: RuleTarget): PolicyRule => ({
  apiGroups: words(groups)
    .map((group) => (group === 'core' ? '' : group))
    .sort(),
  ...(names && { resourceNames: [...names].sort() }),
  resources: words(resources).sort(),
  verbs: words(verbs).sort(),
});

export const pathRule = (verbs: string, paths: string): PolicyRule => ({
  nonResourceURLs: words(paths).sort(),
  verbs: words(verbs).sort(),
});

export const rulesAllow = (rules: readonly PolicyRule[], attributes: Attributes): boolean =>
  rules.some((one) => ruleAllows(one, attributes));

function ruleAllows(one: PolicyRule, attributes: Attributes): boolean {
  if (!hasOrAll(one.verbs, attributes.verb)) return false;
  if (!isResourceRequest(attributes))
    return (one.nonResourceURLs ?? []).some((url) => pathCovers(url, attributes.path));
  const { group, resource, subresource, name } = attributes;
  return (
    hasOrAll(one.apiGroups, group) &&
    resourceCovers(one.resources ?? [], resource, subresource) &&
    (!one.resourceNames?.length || one.resourceNames.includes(name))
  );
}

const hasOrAll = (list: readonly string[] | undefined, wanted: string): boolean =>
  list !== undefined && (list.includes(wanted) || list.includes('*'));

function resourceCovers(resources: readonly string[], resource: string, subresource: string): boolean {
  const wanted = subresource ? `${resource}/${subresource}` : resource;
  return resources.some((one) => one === '*' || one === wanted || (subresource !== '' && one === `*/${subresource}`));
}

const pathCovers = (url: string, path: string): boolean =>
  url === '*' || url === path || (url.endsWith('*') && path.startsWith(url.replace(/\*+$/, '')));

/** One verb on one group and one resource (and one name), or one verb on one path: the atoms of the escalation check. */
export function atomsOf(one: PolicyRule): PolicyRule[] {
  const atoms: PolicyRule[] = [];
  for (const verb of one.verbs) {
    for (const url of one.nonResourceURLs ?? []) atoms.push({ verbs: [verb], nonResourceURLs: [url] });
    for (const group of one.apiGroups ?? [])
      for (const resource of one.resources ?? [])
        for (const name of one.resourceNames?.length ? one.resourceNames : [undefined])
          atoms.push({
            verbs: [verb],
            apiGroups: [group],
            resources: [resource],
            ...(name !== undefined && { resourceNames: [name] }),
          });
  }
  return atoms;
}

/** What of `wanted` the owner's rules do not give, as atoms. Empty: the owner may hand all of it on. */
export const notCovered = (owned: readonly PolicyRule[], wanted: readonly PolicyRule[]): PolicyRule[] =>
  wanted.flatMap(atomsOf).filter((atom) => !owned.some((one) => coversAtom(one, atom)));

function coversAtom(owned: PolicyRule, atom: PolicyRule): boolean {
  if (!hasOrAll(owned.verbs, atom.verbs[0] ?? '')) return false;
  const url = atom.nonResourceURLs?.[0];
  if (url !== undefined) return (owned.nonResourceURLs ?? []).some((mine) => pathCovers(mine, url));
  const [resource = '', subresource = ''] = (atom.resources?.[0] ?? '').split('/');
  const names = owned.resourceNames ?? [];
  const name = atom.resourceNames?.[0];
  return (
    hasOrAll(owned.apiGroups, atom.apiGroups?.[0] ?? '') &&
    resourceCovers(owned.resources ?? [], resource, subresource) &&
    (names.length === 0 || (name !== undefined && names.includes(name)))
  );
}

/** The rules with what differs only in its verbs put together: how a 403 lists what is missing. */
export function compact(rules: readonly PolicyRule[]): PolicyRule[] {
  const byTarget = new Map<string, PolicyRule>();
  for (const { verbs, ...target } of rules) {
    const key = JSON.stringify(target);
    const known = byTarget.get(key);
    byTarget.set(key, { ...target, verbs: [...new Set([...(known?.verbs ?? []), ...verbs])] });
  }
  return [...byTarget.values()];
}

const quoted = (list: readonly string[]): string => `[${list.map((one) => JSON.stringify(one)).join(' ')}]`;

/** `{APIGroups:[""], Resources:["pods"], Verbs:["get" "list"]}`: how upstream writes a rule in its messages. */
export function ruleText({ apiGroups, nonResourceURLs, resourceNames, resources, verbs }: PolicyRule): string {
  const parts = {
    APIGroups: apiGroups,
    Resources: resources,
    NonResourceURLs: nonResourceURLs,
    ResourceNames: resourceNames,
    Verbs: verbs,
  };
  const texts = Object.entries(parts).flatMap(([name, list]) => (list?.length ? [`${name}:${quoted(list)}`] : []));
  return `{${texts.join(', ')}}`;
}
