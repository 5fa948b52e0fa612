import { expect, test } from 'vitest';
import { ClusterRole } from '#api/rbac/v1/cluster-role.ts';
import { startCluster } from '#testing/cluster.ts';
import { clusterRoleAggregation } from './cluster-role-aggregation.ts';

const label = (to: string) => ({ [`rbac.example.com/aggregate-to-${to}`]: 'true' });
const read = (resource: string) => ({ apiGroups: ['example.com'], resources: [resource], verbs: ['get'] });
const sumOf = (to: string) => ({ clusterRoleSelectors: [{ matchLabels: label(to) }] });

test('a role that adds up others follows them, directly or through another, and never holds a rule twice', async () => {
  await using cluster = await startCluster({ controllers: [clusterRoleAggregation] });
  const { client } = cluster;
  const create = (name: string, more: object) => client.create(ClusterRole, { metadata: { name }, ...more } as never);
  await create('top', { aggregationRule: sumOf('top'), rules: [read('mine-alone')] });
  await create('middle', { metadata: { name: 'middle', labels: label('top') }, aggregationRule: sumOf('middle') });
  await create('b', { metadata: { name: 'b', labels: label('middle') }, rules: [read('bees'), read('both')] });
  await create('a', { metadata: { name: 'a', labels: label('middle') }, rules: [read('ants'), read('both')] });
  await cluster.settles();
  const rulesOf = async (name: string) => (await client.get(ClusterRole, { name })).rules;
  expect(await rulesOf('top')).toEqual([read('ants'), read('both'), read('bees')]); // by the names of their roles

  const { managedFields } = (await client.get(ClusterRole, { name: 'top' })).metadata;
  expect(managedFields).toContainEqual(
    expect.objectContaining({
      manager: 'clusterrole-aggregation-controller',
      operation: 'Apply',
      fieldsV1: { 'f:rules': {} },
    }),
  );

  await client.delete(ClusterRole, { name: 'a' });
  await cluster.settles();
  expect(await rulesOf('top')).toEqual([read('bees'), read('both')]);
});

test('the roles of users are whole again after somebody emptied one, and take up what add-ons bring', async () => {
  await using cluster = await startCluster({ controllers: [clusterRoleAggregation], rbac: true });
  const { client } = cluster;
  const before = await client.get(ClusterRole, { name: 'admin' });
  await client.update(ClusterRole, { ...before, rules: [] });
  const labels = { 'rbac.authorization.k8s.io/aggregate-to-view': 'true' };
  await client.create(ClusterRole, {
    metadata: { name: 'crontabs-viewer', labels },
    rules: [read('crontabs')],
  } as never);
  await cluster.settles();
  const after = await client.get(ClusterRole, { name: 'admin' });
  expect(after.rules).toEqual(expect.arrayContaining([...(before.rules ?? []), read('crontabs')]));
});
