import { beforeEach, expect, test } from 'vitest';
import { type AdmissionFixture, admissionFixture, inA, object } from '#testing/admission-fixture.ts';

let cluster: AdmissionFixture['cluster'];
let admit: AdmissionFixture['admit'];
beforeEach(() => {
  ({ cluster, admit } = admissionFixture());
});

test.each([
  ['is bound and its class allows it', 'Bound', true, undefined],
  ['is not bound', 'Pending', true, 'Only bound persistent volume claims can be expanded'],
  [
    'has a class that does not allow it',
    'Bound',
    false,
    'only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize',
  ],
])('a claim that %s grows accordingly', async (_what, phase, allowVolumeExpansion, why) => {
  const { PersistentVolumeClaim: Claim } = await import('#api/core/v1/persistent-volume-claim.ts');
  cluster.put({ ...object('StorageClass', 'local', { allowVolumeExpansion }), apiVersion: 'storage.k8s.io/v1' });
  const claim = (storage: string) => {
    const spec = { storageClassName: 'local', resources: { requests: { storage } } };
    return inA('PersistentVolumeClaim', 'd', { spec, status: { phase } } as object) as never;
  };
  const grow = admit(Claim, { verb: 'update', old: claim('1Gi'), object: claim('2Gi') });
  if (why) await expect(grow).rejects.toMatchObject({ code: 403, message: expect.stringContaining(why) });
  else await expect(grow).resolves.toBeDefined();
  await expect(admit(Claim, { verb: 'update', old: claim('1Gi'), object: claim('1024Mi') })).resolves.toBeDefined();
});
