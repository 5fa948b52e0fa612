import { beforeEach, describe, expect, test } from 'vitest';
import { type AdmissionFixture, admissionFixture, inA, object } from '#testing/admission-fixture.ts';

let cluster: AdmissionFixture['cluster'];
let admit: AdmissionFixture['admit'];
beforeEach(() => {
  ({ cluster, admit } = admissionFixture());
});

describe('an Ingress', () => {
  const ingress = (spec: object, annotations = {}) =>
    ({
      ...inA('Ingress', 'i', { metadata: { annotations }, spec } as object),
      apiVersion: 'networking.k8s.io/v1',
    }) as never;
  const ingressClass = (name: string, creationTimestamp: string) =>
    cluster.put({
      ...object('IngressClass', name, {
        metadata: { name, creationTimestamp, annotations: { 'ingressclass.kubernetes.io/is-default-class': 'true' } },
      }),
      apiVersion: 'networking.k8s.io/v1',
    });

  test('without a class gets the youngest default; with one, in either way, keeps it', async () => {
    const { Ingress } = await import('#api/networking/v1/ingress.ts');
    const classOf = async (object: never) => (await admit(Ingress, { object })).spec.ingressClassName;
    expect(await classOf(ingress({}))).toBeUndefined();
    ingressClass('old', '2026-01-01T00:00:00Z');
    ingressClass('new', '2026-01-02T00:00:00Z');
    expect(await classOf(ingress({}))).toBe('new');
    expect(await classOf(ingress({ ingressClassName: 'own' }))).toBe('own');
    expect(await classOf(ingress({}, { 'kubernetes.io/ingress.class': 'nginx' }))).toBeUndefined();
  });
});

test('a volume claim without a class gets the default one; "" asks for none', async () => {
  const { PersistentVolumeClaim: Claim } = await import('#api/core/v1/persistent-volume-claim.ts');
  const classOf = async (spec: object) =>
    (await admit(Claim, { object: inA('PersistentVolumeClaim', 'd', { spec } as object) as never })).spec
      .storageClassName;
  expect(await classOf({})).toBeUndefined();
  const annotations = { 'storageclass.kubernetes.io/is-default-class': 'true' };
  const metadata = { name: 'local', annotations, creationTimestamp: '2026-01-01T00:00:00Z' };
  cluster.put({ ...object('StorageClass', 'local', { metadata }), apiVersion: 'storage.k8s.io/v1' });
  expect(await classOf({})).toBe('local');
  expect(await classOf({ storageClassName: '' })).toBe('');
});
