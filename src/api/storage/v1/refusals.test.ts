import { expect, test } from 'vitest';
import { refusalsOf } from '#testing/refusals-of.ts';

/** As kube-apiserver of this version answers: everything that is wrong, in its order. */
test.each([
  [
    'StorageClass',
    'provisioner, policies and topologies',
    {
      provisioner: '',
      reclaimPolicy: 'Recycle',
      volumeBindingMode: 'Later',
      allowedTopologies: [
        {
          matchLabelExpressions: [
            { key: 'a', values: ['x', 'x'] },
            { key: 'a', values: [] },
          ],
        },
      ],
    },
    [
      'provisioner: Required value',
      'reclaimPolicy: Unsupported value: "Recycle": supported values: "Delete", "Retain"',
      'volumeBindingMode: Unsupported value: "Later": supported values: "Immediate", "WaitForFirstConsumer"',
      'allowedTopologies[0].matchLabelExpressions[0].values[1]: Duplicate value: "x"',
      'allowedTopologies[0].matchLabelExpressions[1].values: Required value',
      'allowedTopologies[0].matchLabelExpressions[1].key: Duplicate value: "a"',
    ],
  ],
  [
    'StorageClass',
    'parameters without a name, terms that say the same or nothing',
    {
      provisioner: 'A b',
      parameters: { '': 'x', a: 'x'.repeat(262_144) },
      allowedTopologies: [
        { matchLabelExpressions: [{ key: 'a', values: ['x', 'y'] }] },
        { matchLabelExpressions: [{ key: 'a', values: ['y', 'x'] }] },
        {},
      ],
    },
    [
      `provisioner: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')`,
      'parameters: Invalid value: "": field can not be empty.',
      'parameters: Too long: may not be more than 262144 bytes',
      'allowedTopologies[1].matchLabelExpressions: Duplicate value: ""',
      'allowedTopologies[2].matchLabelExpressions: Duplicate value: ""',
      'allowedTopologies[2].matchLabelExpressions: Duplicate value: ""',
      'allowedTopologies[2].matchLabelExpressions: Duplicate value: ""',
    ],
  ],
  [
    'VolumeAttributesClass',
    'no driver, too many parameters',
    {
      driverName: 'x'.repeat(64),
      parameters: Object.fromEntries(Array.from({ length: 513 }, (_, i) => [`k${i}`, 'v'])),
    },
    [
      `driverName: Invalid value: "${'x'.repeat(64)}": name part must be no more than 63 bytes`,
      'parameters: Too long: may not be more than 512 bytes',
    ],
  ],
  [
    'CSIDriver',
    'tokens and periods',
    {
      spec: {
        tokenRequests: [{ audience: 'a', expirationSeconds: 1 }, { audience: 'a' }],
        volumeLifecycleModes: ['Some'],
        nodeAllocatableUpdatePeriodSeconds: 1,
        fsGroupPolicy: 'Any',
      },
    },
    [
      'spec.fsGroupPolicy: Unsupported value: "Any": supported values: "File", "None", "ReadWriteOnceWithFSType"',
      'spec.tokenRequests[0].expirationSeconds: Invalid value: 1: may not specify a duration less than 10 minutes',
      'spec.tokenRequests[1].audience: Duplicate value: "a"',
      'spec.volumeLifecycleModes: Unsupported value: "Some": supported values: "Persistent", "Ephemeral"',
      'spec.nodeAllocatableUpdatePeriodSeconds: Invalid value: 1: must be greater than or equal to 10 seconds',
    ],
  ],
  [
    'CSINode',
    'drivers',
    {
      spec: {
        drivers: [
          { name: 'd', nodeID: 'n', topologyKeys: ['', 'a', 'a'], allocatable: { count: -1 } },
          { name: 'd', nodeID: '' },
        ],
      },
    },
    [
      'spec.drivers[0].allocatable.count: Invalid value: -1: must be greater than or equal to 0',
      'spec.drivers[0]: Required value',
      'spec.drivers[0]: Invalid value: "": name part must be non-empty',
      `spec.drivers[0]: Invalid value: "": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')`,
      'spec.drivers[0]: Duplicate value: "a"',
      'spec.drivers[1].nodeID: Required value',
      'spec.drivers[1].name: Duplicate value: "d"',
    ],
  ],
  [
    'CSIStorageCapacity',
    'class and capacity',
    { storageClassName: 'A', capacity: '-1' },
    [
      `storageClassName: Invalid value: "A": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')`,
      'capacity: Invalid value: "-1": must be greater than or equal to 0',
    ],
  ],
  [
    'VolumeAttachment',
    'attacher and node',
    { spec: { attacher: 'A_', source: {} } },
    [
      `spec.attacher: Invalid value: "A_": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')`,
      'spec.source: Required value: must specify exactly one of inlineVolumeSpec and persistentVolumeName',
      `spec.nodeName: Invalid value: "": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')`,
    ],
  ],
  [
    'VolumeAttachment',
    'a volume of its own',
    {
      spec: {
        attacher: 'a',
        nodeName: 'n',
        source: {
          inlineVolumeSpec: {
            capacity: { storage: '1Gi' },
            nfs: { server: 's', path: '/p' },
            storageClassName: 'c',
            volumeMode: 'Block',
            persistentVolumeReclaimPolicy: 'Delete',
          },
        },
      },
    },
    [
      'spec.source.inlineVolumeSpec.capacity: Forbidden: may not be specified in the context of inline volumes',
      'spec.source.inlineVolumeSpec.csi: Required value: has to be specified in the context of inline volumes',
      'spec.source.inlineVolumeSpec.accessModes: Required value',
      'spec.source.inlineVolumeSpec.persistentVolumeReclaimPolicy: Forbidden: may only be Retain in the context of inline volumes',
      'spec.source.inlineVolumeSpec.storageClassName: Forbidden: may not be specified in the context of inline volumes',
      'spec.source.inlineVolumeSpec.volumeMode: Forbidden: may not specify volumeMode other than Filesystem in the context of inline volumes',
    ],
  ],
])('%s: %s', (kind, _what, content, refusals) => {
  expect(refusalsOf('storage.k8s.io/v1', kind, content)).toEqual(refusals);
});
