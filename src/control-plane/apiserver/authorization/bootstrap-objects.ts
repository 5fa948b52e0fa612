/** The roles and bindings that a cluster starts with, as objects, and how they are kept up to date at each start. */
import type { ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, Subject } from '#api/generated/schema.ts';
import { isEqual } from '#api/machinery/equal.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { type BootstrapRole, bootstrapClusterRoles, eventsRule } from './bootstrap-cluster-roles.ts';
import { controllerRules } from './bootstrap-controller-roles.ts';
import { INGRESS_USER } from './ingress-secrets.ts';
import { notCovered, rule } from './policy-rule.ts';

const API_VERSION = 'rbac.authorization.k8s.io/v1';
const API_GROUP = 'rbac.authorization.k8s.io';
export const AUTOUPDATE_ANNOTATION = 'rbac.authorization.kubernetes.io/autoupdate';
const BOOTSTRAP_LABELS = { 'kubernetes.io/bootstrapping': 'rbac-defaults' };

/** Identity (uid, revision, time) is given when the object is stored. */
type Bootstrap<T extends KubeObject> = Omit<T, 'metadata'> & { metadata: BootstrapMeta };
interface BootstrapMeta {
  name: string;
  namespace?: string;
  labels: Record<string, string>;
  annotations: Record<string, string>;
}
export type BootstrapObject =
  | Bootstrap<ClusterRole>
  | Bootstrap<ClusterRoleBinding>
  | Bootstrap<Role>
  | Bootstrap<RoleBinding>;

const user = (name: string): Subject => ({ kind: 'User', apiGroup: API_GROUP, name });
const group = (name: string): Subject => ({ kind: 'Group', apiGroup: API_GROUP, name });
const serviceAccount = (name: string, namespace = 'kube-system'): Subject => ({
  kind: 'ServiceAccount',
  name,
  namespace,
});

const clusterBindings: readonly { role: string; subjects: Subject[]; name?: string }[] = [
  { role: 'cluster-admin', subjects: [group('system:masters')] },
  { role: 'system:monitoring', subjects: [group('system:monitoring')] },
  { role: 'system:discovery', subjects: [group('system:authenticated')] },
  { role: 'system:basic-user', subjects: [group('system:authenticated')] },
  { role: 'system:public-info-viewer', subjects: [group('system:authenticated'), group('system:unauthenticated')] },
  { role: 'system:node-proxier', subjects: [user('system:kube-proxy')] },
  { role: 'system:kube-controller-manager', subjects: [user('system:kube-controller-manager')] },
  { role: 'system:kube-dns', subjects: [serviceAccount('kube-dns')] },
  { role: 'system:coredns', subjects: [serviceAccount('coredns')] },
  { role: 'kedge:ingress', subjects: [user(INGRESS_USER)] },
  { role: 'kedge:network-policy', subjects: [user('kedge:network-policy')] },
  { role: 'system:kube-scheduler', subjects: [user('system:kube-scheduler')] },
  { role: 'system:volume-scheduler', subjects: [user('system:kube-scheduler')] },
  { role: 'system:service-account-issuer-discovery', subjects: [group('system:serviceaccounts')] },
  { role: 'system:node', subjects: [] }, // nodes are the node authorizer's, not RBAC's
  {
    name: 'kedge:kube-apiserver-kubelet-client',
    role: 'system:kubelet-api-admin',
    subjects: [user('kube-apiserver-kubelet-client')],
  },
];

interface NamespacedRole {
  namespace: string;
  name: string;
  rules: PolicyRule[];
  bindings: { name?: string; subjects: Subject[] };
}

const leaderLocking = (component: string, extra: Subject[] = []): NamespacedRole => ({
  namespace: 'kube-system',
  name: `system::leader-locking-${component}`,
  rules: [
    rule('get watch list create update', { groups: 'coordination.k8s.io', resources: 'leases' }),
    rule('get watch list create update', { groups: 'coordination.k8s.io', resources: 'leasecandidates' }),
  ],
  bindings: { subjects: [user(`system:${component}`), serviceAccount(component), ...extra] },
});

const namespacedRoles: readonly NamespacedRole[] = [
  {
    namespace: 'kube-system',
    name: 'extension-apiserver-authentication-reader',
    rules: [
      rule('get list watch', {
        groups: 'core',
        resources: 'configmaps',
        names: ['extension-apiserver-authentication'],
      }),
    ],
    bindings: {
      name: 'system::extension-apiserver-authentication-reader',
      subjects: [user('system:kube-controller-manager'), user('system:kube-scheduler')],
    },
  },
  {
    namespace: 'kube-system',
    name: 'system:controller:bootstrap-signer',
    rules: [rule('get list watch', { groups: 'core', resources: 'secrets' })],
    bindings: { subjects: [serviceAccount('bootstrap-signer')] },
  },
  {
    namespace: 'kube-system',
    name: 'system:controller:cloud-provider',
    rules: [rule('create get list watch', { groups: 'core', resources: 'configmaps' })],
    bindings: { subjects: [serviceAccount('cloud-provider')] },
  },
  {
    namespace: 'kube-system',
    name: 'system:controller:token-cleaner',
    rules: [rule('get list watch delete', { groups: 'core', resources: 'secrets' }), eventsRule()],
    bindings: { subjects: [serviceAccount('token-cleaner')] },
  },
  {
    namespace: 'kube-system',
    name: 'kedge:dns-settings',
    rules: [rule('get list watch', { groups: 'core', resources: 'configmaps', names: ['kube-dns'] })],
    bindings: { subjects: [serviceAccount('coredns')] },
  },
  leaderLocking('kube-controller-manager', [serviceAccount('leader-election-controller')]),
  leaderLocking('kube-scheduler'),
  {
    namespace: 'kube-public',
    name: 'system:controller:bootstrap-signer',
    rules: [
      rule('get list watch', { groups: 'core', resources: 'configmaps' }),
      rule('update', { groups: 'core', resources: 'configmaps', names: ['cluster-info'] }),
      eventsRule(),
    ],
    bindings: { subjects: [serviceAccount('bootstrap-signer')] },
  },
];

const metadata = (
  name: string,
  extra: { namespace?: string; labels?: Record<string, string> } = {},
): BootstrapMeta => ({
  name,
  ...(extra.namespace && { namespace: extra.namespace }),
  labels: { ...BOOTSTRAP_LABELS, ...extra.labels },
  annotations: { [AUTOUPDATE_ANNOTATION]: 'true' },
});

const aggregationLabel = (role: string): string => `rbac.authorization.k8s.io/aggregate-to-${role}`;

/**
 * What a role adds up to: its own rules, and those of all that aggregate to it, directly or not. Each once, and in the
 * order of the controller that keeps it so from then on.
 */
function summedRules(role: BootstrapRole, all: readonly BootstrapRole[]): PolicyRule[] {
  const sources = role.aggregated ? all.filter(({ aggregateTo }) => aggregateTo === role.name) : [];
  const byName = sources.toSorted((one, other) => (one.name < other.name ? -1 : 1));
  const rules = [...role.rules, ...byName.flatMap((source) => summedRules(source, all))];
  return [...new Map(rules.map((one) => [JSON.stringify(one), one])).values()];
}

const clusterRoleOf = (role: BootstrapRole, all: readonly BootstrapRole[]): Bootstrap<ClusterRole> => ({
  apiVersion: API_VERSION,
  kind: 'ClusterRole',
  metadata: metadata(role.name, {
    ...(role.aggregateTo && { labels: { [aggregationLabel(role.aggregateTo)]: 'true' } }),
  }),
  ...(role.aggregated && {
    aggregationRule: { clusterRoleSelectors: [{ matchLabels: { [aggregationLabel(role.name)]: 'true' } }] },
  }),
  rules: summedRules(role, all),
});

const clusterBindingOf = (name: string, role: string, subjects: Subject[]): Bootstrap<ClusterRoleBinding> => ({
  apiVersion: API_VERSION,
  kind: 'ClusterRoleBinding',
  metadata: metadata(name),
  roleRef: { apiGroup: API_GROUP, kind: 'ClusterRole', name: role },
  ...(subjects.length > 0 && { subjects }),
});

const namespacedObjectsOf = ({ namespace, name, rules, bindings }: NamespacedRole): BootstrapObject[] => [
  { apiVersion: API_VERSION, kind: 'Role', metadata: metadata(name, { namespace }), rules },
  {
    apiVersion: API_VERSION,
    kind: 'RoleBinding',
    metadata: metadata(bindings.name ?? name, { namespace }),
    roleRef: { apiGroup: API_GROUP, kind: 'Role', name },
    subjects: bindings.subjects,
  },
];

/** A controller by the name of its ServiceAccount in kube-system, and what its declaration says that it does. */
export interface DerivedRole {
  controller: string;
  rules: readonly PolicyRule[];
}

function controllerObjects(derived: readonly DerivedRole[]): BootstrapObject[] {
  const rules = new Map<string, readonly PolicyRule[]>(Object.entries(controllerRules));
  for (const { controller, rules: declared } of derived) {
    if (declared.length === 0) continue; // it has Roles
    const known = rules.get(controller) ?? [];
    rules.set(controller, [...known, ...notCovered(known, declared)]);
  }
  return [...rules].flatMap(([controller, own]) => {
    const name = `system:controller:${controller}`;
    return [clusterRoleOf({ name, rules: [...own] }, []), clusterBindingOf(name, name, [serviceAccount(controller)])];
  });
}

/** Everything, in an order in which it may be stored. `derived` comes from the declarations of the controllers. */
export function bootstrapObjects(derived: readonly DerivedRole[] = []): BootstrapObject[] {
  return [
    ...bootstrapClusterRoles.map((role) => clusterRoleOf(role, bootstrapClusterRoles)),
    ...clusterBindings.map(({ name, role, subjects }) => clusterBindingOf(name ?? role, role, subjects)),
    ...controllerObjects(derived),
    ...namespacedRoles.flatMap(namespacedObjectsOf),
  ];
}

type Stored = ClusterRole | ClusterRoleBinding | Role | RoleBinding;

/**
 * What must stand in the store so that nothing of `wanted` is missing, undefined when that is so already. Only adds: rules
 * and subjects that somebody else put there stay. An object with autoupdate "false" is left alone.
 */
export function reconciled(wanted: BootstrapObject, stored: Stored): Stored | undefined {
  if (isLeftAlone(stored)) return undefined;
  const added = 'roleRef' in stored ? withSubjects(wanted, stored) : withAggregation(wanted, withRules(wanted, stored));
  const labels = { ...wanted.metadata.labels, ...stored.metadata.labels };
  const annotations = { ...wanted.metadata.annotations, ...stored.metadata.annotations };
  const sameMetadata =
    Object.keys(labels).length === Object.keys(stored.metadata.labels ?? {}).length &&
    Object.keys(annotations).length === Object.keys(stored.metadata.annotations ?? {}).length;
  if (added === stored && sameMetadata) return undefined;
  return { ...added, metadata: { ...stored.metadata, labels, annotations } };
}

/** A binding cannot be led to another role: such a one has to be made anew. */
export const isToBeReplaced = (wanted: BootstrapObject, stored: Stored): boolean =>
  !isLeftAlone(stored) && 'roleRef' in wanted && 'roleRef' in stored && !isEqual(wanted.roleRef, stored.roleRef);

const isLeftAlone = ({ metadata }: Stored): boolean => metadata.annotations?.[AUTOUPDATE_ANNOTATION] === 'false';

/** Rules of a role that adds up others are for the controller that does so. */
function withRules<T extends ClusterRole | Role>(wanted: BootstrapObject, stored: T): T {
  if ('aggregationRule' in wanted && wanted.aggregationRule) return stored;
  const { rules: present = [] } = stored;
  const whole = ('rules' in wanted && wanted.rules) || [];
  const lacking = whole.filter((one) => notCovered(present, [one]).length > 0);
  return lacking.length === 0 ? stored : { ...stored, rules: [...present, ...lacking] };
}

function withAggregation<T extends ClusterRole | Role>(wanted: BootstrapObject, role: T): T {
  const present = 'aggregationRule' in role ? role.aggregationRule : undefined;
  const expected = 'aggregationRule' in wanted ? wanted.aggregationRule : undefined;
  if (!expected) return present ? withoutAggregation(role) : role;
  const selectors = present?.clusterRoleSelectors ?? [];
  const missing = (expected.clusterRoleSelectors ?? []).filter((one) => !selectors.some((each) => isEqual(each, one)));
  return missing.length === 0
    ? role
    : { ...role, aggregationRule: { clusterRoleSelectors: [...selectors, ...missing] } };
}

function withoutAggregation<T extends ClusterRole | Role>(role: T): T {
  const { aggregationRule: _no, ...rest } = role as T & Pick<ClusterRole, 'aggregationRule'>;
  return rest as T;
}

function withSubjects<T extends ClusterRoleBinding | RoleBinding>(wanted: BootstrapObject, stored: T): T {
  const known = new Set((stored.subjects ?? []).map(subjectKey));
  const missing = (('subjects' in wanted && wanted.subjects) || []).filter((one) => !known.has(subjectKey(one)));
  return missing.length === 0 ? stored : { ...stored, subjects: [...(stored.subjects ?? []), ...missing] };
}

const subjectKey = ({ kind, name, namespace }: Subject): string => `${kind}/${namespace ?? ''}/${name}`;
