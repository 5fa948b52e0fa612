import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { ClusterRole, PolicyRule } from '#api/generated/schema.ts';
import {
  AUTOUPDATE_ANNOTATION,
  type BootstrapObject,
  bootstrapObjects,
  isToBeReplaced,
  reconciled,
} from './bootstrap-objects.ts';
import { notCovered, rule } from './policy-rule.ts';

const objects = bootstrapObjects();
const clusterRole = (name: string): ClusterRole => {
  const found = objects.find(({ kind, metadata }) => kind === 'ClusterRole' && metadata.name === name);
  if (!found) throw new Error(`no ClusterRole ${name}`);
  return found as unknown as ClusterRole;
};
const rulesOf = (name: string): PolicyRule[] => clusterRole(name).rules ?? [];

/** What an object gives to whom, in one line. What an aggregated role adds up to is left out. */
function rowOf(object: BootstrapObject): string {
  const { kind, metadata } = object;
  const aggregation = 'aggregationRule' in object ? object.aggregationRule?.clusterRoleSelectors : undefined;
  const rules = 'rules' in object && !aggregation ? (object.rules ?? []) : [];
  return JSON.stringify([
    kind,
    metadata.namespace ?? '',
    metadata.name,
    aggregation ?? [],
    rules.map(({ apiGroups = [], nonResourceURLs = [], resourceNames = [], resources = [], verbs }) => [
      apiGroups,
      nonResourceURLs,
      resourceNames,
      resources,
      verbs,
    ]),
    'roleRef' in object ? object.roleRef.name : '',
    ('subjects' in object ? (object.subjects ?? []) : []).map((one) => [one.kind, one.namespace ?? '', one.name]),
  ]);
}

describe('the objects that a cluster starts with', () => {
  test('have names of their own', () => {
    const names = objects.map(({ kind, metadata }) => `${kind} ${metadata.namespace ?? ''}/${metadata.name}`);
    expect(new Set(names).size).toBe(names.length);
  });

  test('bind only roles that are there', () => {
    for (const object of objects) {
      if (!('roleRef' in object)) continue;
      const { kind, name } = object.roleRef;
      const namespace = kind === 'Role' ? object.metadata.namespace : undefined;
      const found = objects.some(
        (one) => one.kind === kind && one.metadata.name === name && one.metadata.namespace === namespace,
      );
      expect(found, `${object.kind} ${object.metadata.name}`).toBe(true);
    }
  });

  // Made in the same way from upstream's own list of what v1.36.0 with its default feature gates starts with.
  test("are upstream's, but for our own", () => {
    const own = (name: string) => name === 'system:coredns' || name.startsWith('kedge:');
    const rows = objects.filter(({ metadata }) => !own(metadata.name)).map(rowOf);
    expect(rows).toHaveLength(133);
    expect(createHash('sha256').update(rows.sort().join('\n')).digest('hex')).toBe(
      'bea83fcadb8ef7db90b17dbdf41fd6efeff560d7ae79cdf50a65ededd75aa07f',
    );
  });

  test('say that they are brought up to date', () => {
    for (const { metadata } of objects) {
      expect(metadata.annotations).toEqual({ [AUTOUPDATE_ANNOTATION]: 'true' });
      expect(metadata.labels).toMatchObject({ 'kubernetes.io/bootstrapping': 'rbac-defaults' });
    }
  });

  test.each([
    ['view', 'edit'],
    ['edit', 'admin'],
    ['admin', 'cluster-admin'],
  ])('%s is part of %s', (smaller, larger) => {
    expect(rulesOf(smaller).length).toBeGreaterThan(0);
    expect(notCovered(rulesOf(larger), rulesOf(smaller))).toEqual([]);
    expect(notCovered(rulesOf(smaller), rulesOf(larger))).not.toEqual([]);
  });

  test('view shows no secrets', () => {
    const secrets = [rule('get', { groups: 'core', resources: 'secrets' })];
    expect(notCovered(rulesOf('view'), secrets)).toEqual(secrets);
    expect(notCovered(rulesOf('edit'), secrets)).toEqual([]);
  });

  test('a controller gets what its declaration adds, and no rule twice', () => {
    const added = rule('create', { groups: 'example.com', resources: 'widgets' });
    const known = rule('list', { groups: 'core', resources: 'pods' });
    const derived = bootstrapObjects([{ controller: 'job-controller', rules: [added, known] }]);
    const name = 'system:controller:job-controller';
    const job = derived.find(({ metadata, kind }) => kind === 'ClusterRole' && metadata.name === name);
    const before = rulesOf(name);
    expect((job as unknown as ClusterRole).rules).toEqual([...before, added]);
  });
});

describe('at a later start', () => {
  const wanted = objects.find(({ metadata }) => metadata.name === 'system:kube-dns') as BootstrapObject;
  const stored = {
    ...wanted,
    metadata: { ...wanted.metadata, uid: 'u', resourceVersion: '7' },
  } as unknown as ClusterRole;

  test('nothing is written when nothing is missing', () => {
    expect(reconciled(wanted, stored)).toBeUndefined();
  });

  test('a missing rule is added, and what an administrator added stays', () => {
    const own = rule('get', { groups: 'example.com', resources: 'widgets' });
    const next = reconciled(wanted, { ...stored, rules: [own] }) as ClusterRole;
    expect(next.rules).toEqual([own, ...(stored.rules ?? [])]);
    expect(next.metadata).toMatchObject({ uid: 'u', resourceVersion: '7' });
  });

  test('autoupdate "false" is left alone', () => {
    const metadata = { ...stored.metadata, annotations: { [AUTOUPDATE_ANNOTATION]: 'false' } };
    expect(reconciled(wanted, { ...stored, metadata, rules: [] })).toBeUndefined();
  });

  test('the selectors of a role that adds up others are added, its rules are left to the controller', () => {
    const view = objects.find(({ metadata }) => metadata.name === 'view') as BootstrapObject;
    const emptied = { ...view, rules: [], metadata: { ...view.metadata, uid: 'u', resourceVersion: '1' } };
    expect(reconciled(view, emptied as never)).toBeUndefined();
    const own = { matchLabels: { mine: 'true' } };
    const changed = { ...emptied, aggregationRule: { clusterRoleSelectors: [own] } };
    expect(reconciled(view, changed as never)).toMatchObject({
      aggregationRule: { clusterRoleSelectors: [own, clusterRole('view').aggregationRule?.clusterRoleSelectors?.[0]] },
    });
    const plain = { ...stored, aggregationRule: { clusterRoleSelectors: [own] } };
    expect(reconciled(wanted, plain)).not.toHaveProperty('aggregationRule');
  });

  test('a binding that leads to another role is replaced, unless it is left alone', () => {
    const binding = objects.find(({ kind }) => kind === 'ClusterRoleBinding') as BootstrapObject;
    const elsewhere = {
      ...binding,
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'x' },
    };
    expect(isToBeReplaced(binding, binding as never)).toBe(false);
    expect(isToBeReplaced(binding, elsewhere as never)).toBe(true);
    const metadata = { ...elsewhere.metadata, annotations: { [AUTOUPDATE_ANNOTATION]: 'false' } };
    expect(isToBeReplaced(binding, { ...elsewhere, metadata } as never)).toBe(false);
  });

  test('a missing subject is added', () => {
    const binding = objects.find(
      ({ kind, metadata }) => kind === 'ClusterRoleBinding' && metadata.name === 'cluster-admin',
    ) as BootstrapObject;
    const without = { ...binding, metadata: { ...binding.metadata, uid: 'u', resourceVersion: '1' }, subjects: [] };
    expect(reconciled(binding, without as never)).toMatchObject({
      subjects: [{ kind: 'Group', name: 'system:masters' }],
    });
  });
});
