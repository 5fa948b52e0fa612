import { describe, expect, test } from 'vitest';
import { facts } from '#api/generated/facts.ts';

const field = (type: string, name: string) => facts.type(type)?.jsonFields.get(name);

test('every type that a field refers to is known', () => {
  const unknown = facts.names().flatMap((name) =>
    facts.type(name)!.fields.flatMap(({ type }) => {
      let inner = type;
      while ('list' in inner || 'map' in inner) inner = 'list' in inner ? inner.list : inner.map;
      return 'ref' in inner && !facts.type(inner.ref) ? [inner.ref] : [];
    }),
  );
  expect(unknown).toEqual([]);
});

test('a type is made once', () => {
  expect(facts.type('core.v1.Pod')).toBe(facts.type('core.v1.Pod'));
  expect(facts.type('core.v1.Nothing')).toBeUndefined();
  expect(facts.type('__proto__')).toBeUndefined();
});

describe('fields', () => {
  test('carry their protobuf number, their type and how they are merged', () => {
    expect(field('core.v1.Container', 'ports')).toEqual({
      name: 'ports',
      type: { list: { ref: 'core.v1.ContainerPort' } },
      number: 6,
      pointer: true,
      omitEmpty: true,
      inline: false,
      required: false,
      listType: 'map',
      listMapKeys: ['containerPort', 'protocol'],
      patchStrategy: ['merge'],
      patchMergeKey: 'containerPort',
    });
  });

  test('tell pointers, required ones, enums and special values apart', () => {
    expect(field('apps.v1.DeploymentSpec', 'replicas')).toMatchObject({ type: { scalar: 'int32' }, pointer: true });
    expect(field('core.v1.Container', 'name')).toMatchObject({ required: true, omitEmpty: false });
    expect(field('core.v1.ContainerPort', 'protocol')?.enum).toEqual(['SCTP', 'TCP', 'UDP']);
    expect(field('core.v1.ServicePort', 'targetPort')?.type).toEqual({ scalar: 'intOrString' });
    expect(field('core.v1.ResourceRequirements', 'limits')?.type).toEqual({ map: { scalar: 'quantity' } });
    expect(field('coordination.v1.LeaseSpec', 'renewTime')?.type).toEqual({ scalar: 'microTime' });
    expect(field('authorization.v1.SubjectAccessReviewSpec', 'extra')?.type).toEqual({
      map: { list: { scalar: 'string' }, named: true },
    });
  });

  test('of inlined structs are lifted in JSON and nested in protobuf', () => {
    const volume = facts.type('core.v1.Volume')!;
    expect(volume.fields.map(({ name, inline, number }) => ({ name, inline, number }))).toEqual([
      { name: 'name', inline: false, number: 1 },
      { name: 'volumeSource', inline: true, number: 2 },
    ]);
    expect(volume.jsonFields.has('emptyDir')).toBe(true);
    expect(volume.jsonFields.has('volumeSource')).toBe(false);
  });

  test('an atomic struct, a map and a set are told', () => {
    expect(facts.type('meta.v1.LabelSelector')?.atomic).toBe(true);
    expect(field('core.v1.PodSpec', 'nodeSelector')?.mapType).toBe('atomic');
    expect(field('meta.v1.ObjectMeta', 'finalizers')?.listType).toBe('set');
    expect(field('batch.v1.JobStatus', 'conditions')?.listType).toBe('atomic');
  });
});

describe('the type of a kind', () => {
  for (const [group, version, kind, name] of [
    ['', 'v1', 'Pod', 'core.v1.Pod'],
    ['rbac.authorization.k8s.io', 'v1', 'ClusterRole', 'rbac.v1.ClusterRole'],
    ['autoscaling', 'v1', 'Scale', 'autoscaling.v1.Scale'],
    ['apiregistration.k8s.io', 'v1', 'APIService', 'apiregistration.v1.APIService'],
    ['', 'v1', 'DeleteOptions', 'meta.v1.DeleteOptions'],
    ['apps', 'v1', 'DeleteOptions', 'meta.v1.DeleteOptions'],
    ['', 'v1', 'Status', 'meta.v1.Status'],
    ['meta.k8s.io', 'v1', 'Table', 'meta.v1.Table'],
    ['apps', 'v1', 'DeploymentSpec', undefined],
    ['apps', 'v1', 'Status', undefined],
    ['apps', 'v2', 'Deployment', undefined],
  ] as const)
    test(`${kind} of ${group || 'the legacy group'}/${version} is ${name ?? 'none'}`, () => {
      expect(facts.typeOfKind(group, version, kind)?.name).toBe(name);
    });
});
