import { describe, expect, test } from 'vitest';
import type { ClusterRole, PolicyRule } from '#api/generated/schema.ts';
import { AUTOUPDATE_ANNOTATION, type BootstrapObject, bootstrapObjects, reconciled } from './bootstrap-objects.ts';
import { notCovered, rule } from './policy-rule.ts';

const objects = bootstrapObjects();
const clusterRole = (name: string): ClusterRole => {
  const found = objects.find(({ kind, metadata }) => kind === 'ClusterRole' && metadata.name === name);
  if (!found) throw new Error(`no ClusterRole ${name}`);
  return found as unknown as ClusterRole;
};
const rulesOf = (name: string): PolicyRule[] => clusterRole(name).rules ?? [];

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
