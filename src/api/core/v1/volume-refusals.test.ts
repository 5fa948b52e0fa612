import { expect, test } from 'vitest';
import { refusalsOf } from '#testing/refusals-of.ts';

/** As kube-apiserver of this version answers: everything that is wrong, in its order. */
test.each([
  [
    'PersistentVolume',
    'no access, no capacity, two sources of which one is not whole',
    {
      spec: {
        capacity: { cpu: '0' },
        csi: { driver: 'd', nodePublishSecretRef: {} },
        iscsi: { targetPortal: 't', iqn: 'x', lun: 300 },
        volumeAttributesClassName: '',
        storageClassName: 'A',
        nodeAffinity: {},
      },
    },
    [
      'spec.accessModes: Required value',
      'spec.capacity: Unsupported value: {"cpu":"0"}: supported values: "storage"',
      'spec.capacity[cpu]: Invalid value: "0": must be greater than zero',
      'spec.nodeAffinity.required: Required value: must specify required node constraints',
      'spec.iscsi.iqn: Invalid value: "x": must be valid format',
      'spec.iscsi.lun: Invalid value: 300: must be between 0 and 255, inclusive',
      'spec.csi: Forbidden: may not specify more than 1 volume type',
      `spec.storageClassName: Invalid value: "A": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')`,
      'spec.volumeAttributesClassName: Required value: an empty string is disallowed',
    ],
  ],
  [
    'PersistentVolume',
    'a place on a node that is not named, and mount options that nobody reads',
    {
      metadata: { annotations: { 'volume.beta.kubernetes.io/mount-options': 'ro' } },
      spec: { accessModes: ['ReadWriteOnce'], capacity: { storage: '1Gi' }, local: { path: '../a' } },
    },
    [
      'spec.local.path: Invalid value: "../a": must not contain \'..\'',
      'spec.nodeAffinity: Required value: Local volume requires node affinity',
      'metadata.annotations.volume.beta.kubernetes.io/mount-options: Forbidden: may not specify mount options for this volume type',
    ],
  ],
  [
    'PersistentVolumeClaim',
    'access, size and source',
    {
      spec: {
        accessModes: ['Some'],
        resources: { requests: { storage: '-1' } },
        dataSource: { kind: 'VolumeSnapshot', name: '' },
      },
    },
    [
      'spec.accessModes: Unsupported value: "Some": supported values: "ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"',
      'spec.resources[storage]: Invalid value: "-1": must be greater than zero',
    ],
  ],
])('%s: %s', (kind, _what, content, refusals) => {
  expect(refusalsOf('v1', kind, content)).toEqual(refusals);
});
