import { expect, test } from 'vitest';
import { Node } from '#api/core/v1/node.ts';
import { PersistentVolume } from '#api/core/v1/persistent-volume.ts';
import { PersistentVolumeClaim } from '#api/core/v1/persistent-volume-claim.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { StorageClass } from '#api/storage/v1/storage-class.ts';
import { node, pod, startCluster, type TestCluster } from '#testing/cluster.ts';
import { claim, DEFAULT_CLASS, eventsAbout, storageClass, volume } from '#testing/volumes-fixture.ts';
import { claimBinder } from './claim-binder.ts';
import { volumeReclaimer } from './volume-reclaimer.ts';

const start = () => startCluster({ controllers: [claimBinder, volumeReclaimer], rbac: true });
const phases = (cluster: TestCluster) => ({
  claims: Object.fromEntries(cluster.list(PersistentVolumeClaim).map((c) => [c.metadata.name, c.status?.phase])),
  volumes: Object.fromEntries(cluster.list(PersistentVolume).map((v) => [v.metadata.name, v.status?.phase])),
});
const claimIn = (cluster: TestCluster, name = 'data') => cluster.get(PersistentVolumeClaim, `default/${name}`)!;
const mounting = (name: string, claimName = 'data', spec: object = {}) =>
  pod(name, {
    containers: [{ name: 'main', image: 'i' }],
    volumes: [{ name: 'data', persistentVolumeClaim: { claimName } }],
    ...spec,
  });

test('a claim is bound to the smallest volume that will do, from both sides', async () => {
  await using cluster = await start();
  await cluster.create(PersistentVolume, volume('large', { capacity: { storage: '5Gi' } }));
  await cluster.create(PersistentVolume, volume('fitting', { capacity: { storage: '2Gi' } }));
  await cluster.create(PersistentVolume, volume('small', { capacity: { storage: '512Mi' } }));
  await cluster.settles();
  expect(phases(cluster).volumes).toEqual({ large: 'Available', fitting: 'Available', small: 'Available' });

  await cluster.create(PersistentVolumeClaim, claim('data', { storageClassName: '' }));
  await cluster.settles();
  const bound = claimIn(cluster);
  expect(bound.spec.volumeName).toBe('fitting');
  expect(bound.status).toEqual({ phase: 'Bound', accessModes: ['ReadWriteOnce'], capacity: { storage: '2Gi' } });
  expect(bound.metadata.annotations).toEqual({
    'pv.kubernetes.io/bind-completed': 'yes',
    'pv.kubernetes.io/bound-by-controller': 'yes',
  });
  const taken = cluster.get(PersistentVolume, 'fitting')!;
  expect(taken.spec.claimRef).toMatchObject({ kind: 'PersistentVolumeClaim', name: 'data', uid: bound.metadata.uid });
  expect(taken.status).toMatchObject({ phase: 'Bound', lastPhaseTransitionTime: expect.any(String) });
});

test('a volume with no more access modes than needed comes first', async () => {
  await using cluster = await start();
  await cluster.create(PersistentVolume, volume('many', { accessModes: ['ReadWriteOnce', 'ReadWriteMany'] }));
  await cluster.create(PersistentVolume, volume('one', { capacity: { storage: '9Gi' } }));
  await cluster.settles();
  await cluster.create(PersistentVolumeClaim, claim('data', { storageClassName: '' }));
  await cluster.settles();
  expect(claimIn(cluster).spec.volumeName).toBe('one');
});

test('two claims never share a volume', async () => {
  await using cluster = await start();
  for (const name of ['a', 'b', 'c']) await cluster.create(PersistentVolumeClaim, claim(name));
  for (const name of ['v', 'w', 'x']) await cluster.create(PersistentVolume, volume(name));
  await cluster.settles();
  const names = cluster.list(PersistentVolumeClaim).map(({ spec }) => spec.volumeName);
  expect(names.sort()).toEqual(['v', 'w', 'x']);
});

test('a claim for which there is nothing says so, and is bound when a volume comes', async () => {
  await using cluster = await start();
  await cluster.create(PersistentVolumeClaim, claim('data', { storageClassName: '' }));
  await cluster.settles();
  expect(claimIn(cluster).status?.phase).toBe('Pending');
  expect(eventsAbout(cluster, 'data')).toEqual([
    'Normal FailedBinding no persistent volumes available for this claim and no storage class is set',
  ]);
  await cluster.create(PersistentVolume, volume('late'));
  await cluster.settles();
  expect(phases(cluster)).toEqual({ claims: { data: 'Bound' }, volumes: { late: 'Bound' } });
});

test('a volume that is kept for a claim goes to no other', async () => {
  await using cluster = await start();
  await cluster.create(
    PersistentVolume,
    volume('kept', { claimRef: { namespace: 'default', name: 'mine' }, capacity: { storage: '9Gi' } }),
  );
  await cluster.create(PersistentVolumeClaim, claim('other', { storageClassName: '' }));
  await cluster.settles();
  expect(phases(cluster)).toEqual({ claims: { other: 'Pending' }, volumes: { kept: 'Available' } });
  await cluster.create(PersistentVolumeClaim, claim('mine', { storageClassName: '' }));
  await cluster.settles();
  expect(claimIn(cluster, 'mine').spec.volumeName).toBe('kept');
  expect(cluster.get(PersistentVolume, 'kept')?.metadata.annotations).toBeUndefined();
});

for (const { what, spec, why } of [
  { what: 'is too small', spec: { capacity: { storage: '1Mi' } }, why: 'requested PV is too small' },
  { what: 'has another class', spec: { storageClassName: 'fast' }, why: 'storageClassName does not match' },
  { what: 'lacks the access mode', spec: { accessModes: ['ReadOnlyMany'] }, why: 'incompatible accessMode' },
  { what: 'is a block device', spec: { volumeMode: 'Block' }, why: 'incompatible volumeMode' },
])
  test(`a claim that names a volume is not bound to it when it ${what}`, async () => {
    await using cluster = await start();
    await cluster.create(PersistentVolume, volume('v', spec));
    await cluster.settles();
    await cluster.create(PersistentVolumeClaim, claim('data', { storageClassName: '', volumeName: 'v' }));
    await cluster.settles();
    expect(claimIn(cluster).status?.phase).toBe('Pending');
    expect(eventsAbout(cluster, 'data')).toContain(
      `Warning VolumeMismatch Cannot bind to requested volume "v": ${why}`,
    );
  });

test('a claim that names a volume of somebody else waits', async () => {
  await using cluster = await start();
  await cluster.create(PersistentVolume, volume('v'));
  await cluster.create(PersistentVolumeClaim, claim('first', { storageClassName: '' }));
  await cluster.settles();
  await cluster.create(PersistentVolumeClaim, claim('second', { storageClassName: '', volumeName: 'v' }));
  await cluster.settles();
  expect(phases(cluster).claims).toEqual({ first: 'Bound', second: 'Pending' });
  expect(eventsAbout(cluster, 'second')).toEqual([
    'Warning FailedBinding volume "v" already bound to a different claim.',
  ]);
});

for (const { policy, made, phase } of [
  { policy: 'Retain', made: {}, phase: 'Released' },
  { policy: 'Delete', made: {}, phase: 'Failed' },
  { policy: 'Delete', made: { 'pv.kubernetes.io/provisioned-by': 'example.org' }, phase: 'Released' },
])
  test(`a volume with the policy ${policy} is ${phase} when its claim has gone (${JSON.stringify(made)})`, async () => {
    await using cluster = await start();
    await cluster.create(
      PersistentVolume,
      volume('v', { persistentVolumeReclaimPolicy: policy }, { annotations: made }),
    );
    const { metadata } = await cluster.create(PersistentVolumeClaim, claim('data', { storageClassName: '' }));
    await cluster.settles();
    await cluster.patch(PersistentVolumeClaim, 'default/data', { metadata: { finalizers: null } });
    await cluster.delete(PersistentVolumeClaim, 'default/data');
    await cluster.settles();
    const left = cluster.get(PersistentVolume, 'v')!;
    expect(left.status?.phase).toBe(phase);
    expect(left.spec.claimRef?.uid).toBe(metadata.uid);
    if (phase === 'Failed')
      expect(eventsAbout(cluster, 'v')).toEqual([
        'Warning VolumeFailedDelete host_path deleter only supports /tmp/.+ but received provided /data',
      ]);
  });

test('a bound claim whose volume has gone is lost', async () => {
  await using cluster = await start();
  await cluster.create(PersistentVolume, volume('v'));
  await cluster.create(PersistentVolumeClaim, claim('data', { storageClassName: '' }));
  await cluster.settles();
  await cluster.patch(PersistentVolume, 'v', { metadata: { finalizers: null } });
  await cluster.delete(PersistentVolume, 'v');
  await cluster.settles();
  expect(claimIn(cluster).status).toEqual({ phase: 'Lost' });
  expect(eventsAbout(cluster, 'data')).toContain(
    'Warning ClaimLost Bound claim has lost its PersistentVolume. Data on the volume is lost!',
  );
});

test('a claim of a class that waits is left alone until a pod has its node', async () => {
  await using cluster = await start();
  await cluster.create(StorageClass, storageClass('slow', { volumeBindingMode: 'WaitForFirstConsumer' }));
  await cluster.create(PersistentVolume, volume('free', { storageClassName: 'slow' }));
  await cluster.settles();
  await cluster.create(PersistentVolumeClaim, claim('data', { storageClassName: 'slow' }));
  await cluster.settles();
  expect(phases(cluster)).toEqual({ claims: { data: 'Pending' }, volumes: { free: 'Available' } });
  await cluster.create(Pod, mounting('web'));
  await cluster.settles();
  expect(eventsAbout(cluster, 'data')).toEqual([
    'Normal WaitForFirstConsumer waiting for first consumer to be created before binding',
    'Normal WaitForPodScheduled waiting for pod web to be scheduled',
  ]);

  await cluster.create(Node, node('n1'));
  await cluster.patch(PersistentVolumeClaim, 'default/data', {
    metadata: { annotations: { 'volume.kubernetes.io/selected-node': 'n1' } },
  });
  await cluster.settles();
  expect(claimIn(cluster).metadata.annotations).toMatchObject({
    'volume.kubernetes.io/storage-provisioner': 'example.org/disks',
    'volume.beta.kubernetes.io/storage-provisioner': 'example.org/disks',
  });
  expect(eventsAbout(cluster, 'data')).toContain(
    "Normal ExternalProvisioning Waiting for a volume to be created either by the external provisioner 'example.org/disks' or manually by the system administrator. If volume creation is delayed, please verify that the provisioner is running and correctly registered.",
  );
});

for (const { className, event } of [
  { className: 'gone', event: 'storageclass.storage.k8s.io "gone" not found' },
  { className: 'none', event: 'no volume plugin matched name: kubernetes.io/no-provisioner' },
])
  test(`nobody makes a volume of the class ${className}`, async () => {
    await using cluster = await start();
    await cluster.create(StorageClass, storageClass('none', { provisioner: 'kubernetes.io/no-provisioner' }));
    await cluster.create(PersistentVolumeClaim, claim('data', { storageClassName: className }));
    await cluster.settles();
    expect(eventsAbout(cluster, 'data')).toEqual([`Warning ProvisioningFailed ${event}`]);
  });

test('a claim from before there was a default class gets it; one that wants none does not', async () => {
  await using cluster = await start();
  await cluster.create(PersistentVolumeClaim, claim('open'));
  await cluster.create(PersistentVolumeClaim, claim('none', { storageClassName: '' }));
  await cluster.settles();
  await cluster.create(StorageClass, storageClass('standard', {}, DEFAULT_CLASS));
  await cluster.settles();
  expect(claimIn(cluster, 'open').spec.storageClassName).toBe('standard');
  expect(claimIn(cluster, 'none').spec.storageClassName).toBe('');
});

test('a volume that the controller gave to a claim with another volume is free again', async () => {
  await using cluster = await start();
  await cluster.create(PersistentVolume, volume('v'));
  const { metadata } = await cluster.create(PersistentVolumeClaim, claim('data', { storageClassName: '' }));
  await cluster.settles();
  const claimRef = { kind: 'PersistentVolumeClaim', namespace: 'default', name: 'data', uid: metadata.uid };
  await cluster.create(
    PersistentVolume,
    volume('w', { claimRef }, { annotations: { 'pv.kubernetes.io/bound-by-controller': 'yes' } }),
  );
  await cluster.settles();
  expect(cluster.get(PersistentVolume, 'w')).toMatchObject({ status: { phase: 'Available' } });
  expect(cluster.get(PersistentVolume, 'w')?.spec.claimRef).toBeUndefined();
});

test('a volume that was about to be bound to a claim that has gone is released', async () => {
  await using cluster = await startCluster({ controllers: [volumeReclaimer], rbac: true });
  const { metadata } = await cluster.create(PersistentVolumeClaim, claim('data', { storageClassName: '' }));
  const claimRef = { kind: 'PersistentVolumeClaim', namespace: 'default', name: 'data', uid: metadata.uid };
  await cluster.create(PersistentVolume, volume('half', { claimRef }));
  await cluster.settles();
  expect(phases(cluster).volumes).toEqual({ half: 'Pending' });
  await cluster.patch(PersistentVolumeClaim, 'default/data', { metadata: { finalizers: null } });
  await cluster.delete(PersistentVolumeClaim, 'default/data');
  await cluster.settles();
  expect(phases(cluster).volumes).toEqual({ half: 'Released' });
});

const events = (cluster: TestCluster) => [...eventsAbout(cluster, 'data'), ...eventsAbout(cluster, 'v')];

test('a claim that names a volume with other attributes, or of another mode, is told why it waits', async () => {
  await using cluster = await start();
  await cluster.create(
    PersistentVolume,
    volume('v', { hostPath: undefined, csi: CSI, volumeAttributesClassName: 'fast' }),
  );
  await cluster.create(PersistentVolumeClaim, claim('data', { storageClassName: '', volumeName: 'v' }));
  await cluster.settles();
  expect(events(cluster)).toEqual([
    'Warning VolumeMismatch Cannot bind to requested volume "v": volumeAttributesClassName does not match',
  ]);
});

const CSI = { driver: 'disks.example.org', volumeHandle: 'd' };

test('a volume that is kept for a claim of another mode says so of both', async () => {
  await using cluster = await start();
  const made = await cluster.create(
    PersistentVolumeClaim,
    claim('data', { storageClassName: '', volumeMode: 'Block' }),
  );
  const claimRef = { kind: 'PersistentVolumeClaim', namespace: 'default', name: 'data', uid: made.metadata.uid };
  await cluster.create(PersistentVolume, volume('v', { claimRef }));
  await cluster.settles();
  expect(events(cluster)).toEqual(
    expect.arrayContaining([
      'Warning VolumeMismatch Cannot bind PersistentVolume to requested PersistentVolumeClaim "data" due to incompatible volumeMode.',
      'Warning VolumeMismatch Cannot bind PersistentVolume "v" to requested PersistentVolumeClaim due to incompatible volumeMode.',
    ]),
  );
});

test('a volume that has grown before it was bound counts with what its file system has', async () => {
  await using cluster = await start();
  const annotations = { 'volume.alpha.kubernetes.io/pre-resize-capacity': '1Gi' };
  await cluster.create(PersistentVolume, volume('v', { capacity: { storage: '2Gi' } }, { annotations }));
  await cluster.create(PersistentVolumeClaim, claim('data', { storageClassName: '' }));
  await cluster.settles();
  expect(claimIn(cluster).status).toMatchObject({ phase: 'Bound', capacity: { storage: '1Gi' } });
});

test('the attributes of a bound claim are what its driver says, whatever its volume asks for later', async () => {
  await using cluster = await start();
  const attributes = { volumeAttributesClassName: 'fast' };
  await cluster.create(PersistentVolume, volume('v', { hostPath: undefined, csi: CSI, ...attributes }));
  await cluster.create(PersistentVolumeClaim, claim('data', { storageClassName: '', ...attributes }));
  await cluster.settles();
  expect(claimIn(cluster).status?.currentVolumeAttributesClassName).toBe('fast');
  await cluster.patch(PersistentVolume, 'v', { spec: { volumeAttributesClassName: 'slow' } });
  await cluster.settles();
  expect(claimIn(cluster).status?.currentVolumeAttributesClassName).toBe('fast');
});
