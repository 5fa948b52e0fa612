/** Roles and who has them. */
import type { ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding } from '#api/generated/schema.ts';
import type { Describer } from './describer.ts';
import { goList, type Report } from './report.ts';

function describeRole(report: Report, { metadata, rules = [] }: Role | ClusterRole): void {
  report.field('Name', metadata.name);
  report.labels('Labels', metadata.labels);
  report.annotations('Annotations', metadata.annotations);
  const rows = compacted(rules ?? []).map(({ resource, urls, names, verbs }) => [
    resource,
    goList(urls),
    goList(names),
    goList(verbs),
  ]);
  report.table('PolicyRule', ['Resources', 'Non-Resource URLs', 'Resource Names', 'Verbs'], rows);
}

interface Line {
  resource: string;
  urls: string[];
  names: string[];
  verbs: string[];
  /** By which lines stand in order: as Go prints the rule. */
  order: string;
}

/** A line for each resource, or URL and verb. */
function compacted(rules: readonly PolicyRule[]): Line[] {
  const lines = new Map<string, Line>();
  for (const { apiGroups = [], resources = [], resourceNames = [], verbs } of rules)
    for (const group of apiGroups)
      for (const resource of resources)
        for (const name of resourceNames.length > 0 ? resourceNames : [undefined])
          for (const verb of verbs) add(lines, { group, resource, name, verb });
  const urls = rules.flatMap(({ nonResourceURLs = [], verbs }) =>
    nonResourceURLs.flatMap((url) =>
      verbs.map(
        (verb): Line => ({
          resource: '',
          urls: [url],
          names: [],
          verbs: [verb],
          order: orderOf({ verbs: [verb], urls: [url] }),
        }),
      ),
    ),
  );
  const all = [...lines.values()].map((line) => line);
  return [...urls, ...all].sort((a, b) => (a.order < b.order ? -1 : a.order > b.order ? 1 : 0));
}

function add(
  lines: Map<string, Line>,
  { group, resource, name, verb }: { group: string; resource: string; name: string | undefined; verb: string },
): void {
  const key = JSON.stringify([group, resource, name]);
  const line = lines.get(key) ?? {
    resource: combined(resource, group),
    urls: [],
    names: name === undefined ? [] : [name],
    verbs: [],
    order: '',
  };
  if (!line.verbs.includes(verb)) line.verbs.push(verb);
  line.order = orderOf({ verbs: line.verbs, groups: [group], resources: [resource], names: line.names });
  lines.set(key, line);
}

const orderOf = (of: {
  verbs: string[];
  groups?: string[];
  resources?: string[];
  names?: string[];
  urls?: string[];
}): string =>
  `&PolicyRule{Verbs:${goList(of.verbs)},APIGroups:${goList(of.groups)},Resources:${goList(of.resources)},ResourceNames:${goList(of.names)},NonResourceURLs:${goList(of.urls)},}`;

/** `pods/log` of group `x` is `pods.x/log`. */
function combined(resource: string, group: string): string {
  const [name = '', sub] = resource.split(/\/(.*)/s);
  return `${name}${group ? `.${group}` : ''}${sub === undefined ? '' : `/${sub}`}`;
}

function describeBinding(report: Report, { metadata, roleRef, subjects = [] }: RoleBinding | ClusterRoleBinding): void {
  report.field('Name', metadata.name);
  report.labels('Labels', metadata.labels);
  report.annotations('Annotations', metadata.annotations);
  report.line(0, 'Role:');
  report.field('Kind', roleRef.kind, 1);
  report.field('Name', roleRef.name, 1);
  const rows = subjects.map(({ kind, name, namespace = '' }) => [kind, name, namespace]);
  report.table('Subjects', ['Kind', 'Name', 'Namespace'], rows);
}

export const roleDescriber: Describer<Role> = { kind: 'Role.rbac.authorization.k8s.io', describe: describeRole };
export const clusterRoleDescriber: Describer<ClusterRole> = {
  kind: 'ClusterRole.rbac.authorization.k8s.io',
  describe: describeRole,
};
export const roleBindingDescriber: Describer<RoleBinding> = {
  kind: 'RoleBinding.rbac.authorization.k8s.io',
  describe: describeBinding,
};
export const clusterRoleBindingDescriber: Describer<ClusterRoleBinding> = {
  kind: 'ClusterRoleBinding.rbac.authorization.k8s.io',
  describe: describeBinding,
};
