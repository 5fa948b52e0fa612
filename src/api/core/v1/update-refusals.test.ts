import { expect, test } from 'vitest';
import { catalog } from '#api/catalog.ts';
import type { KubeObject } from '#api/machinery/object.ts';

/** As kube-apiserver of this version answers a change; the object comes from `before` by what `change` puts over it. */
test.each<[string, string, string, object, object, string[]]>([
  [
    'Node',
    'of what a node is and who made it',
    '',
    { spec: { podCIDRs: ['10.0.0.0/24'], providerID: 'a' } },
    { spec: { podCIDRs: ['10.0.1.0/24'], providerID: 'b', externalID: 'c', unschedulable: true } },
    [
      'spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid',
      'spec.providerID: Forbidden: node updates may not change providerID except from "" to valid',
      'spec.externalID: Forbidden: may not be updated',
    ],
  ],
  [
    'Node',
    'of its addresses',
    'status',
    { spec: {} },
    { status: { addresses: Array.from({ length: 2 }, () => ({ type: 'InternalIP', address: '10.0.0.1' })) } },
    ['status.addresses[1]: Duplicate value: {"Type":"InternalIP","Address":"10.0.0.1"}'],
  ],
  [
    'Namespace',
    'of its finalizers',
    'finalize',
    { spec: { finalizers: ['kubernetes'] } },
    { spec: { finalizers: ['example.com/a', 'mine'] } },
    ['spec.finalizers[1]: Invalid value: "mine": name is neither a standard finalizer name nor is it fully qualified'],
  ],
  [
    'Service',
    'of the port where its health is asked',
    '',
    loadBalancer(30_001),
    loadBalancer(30_002),
    ['spec.healthCheckNodePort: Forbidden: field is immutable'],
  ],
  [
    'PersistentVolume',
    'of its source, mode and class',
    '',
    volume({ driver: 'd', volumeHandle: 'v' }, { volumeMode: 'Block', volumeAttributesClassName: 'c' }),
    volume({ driver: 'd', volumeHandle: 'w' }, { volumeMode: 'Filesystem' }),
    [
      'spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after creation\n@@ -1,6 +1,6 @@\n {\n  "csi": {\n   "driver": "d",\n-  "volumeHandle": "v"\n+  "volumeHandle": "w"\n  }\n }\n',
      'volumeMode: Invalid value: "Filesystem": field is immutable',
      'spec.volumeAttributesClassName: Forbidden: update from non-nil value to nil is forbidden',
    ],
  ],
  [
    'PersistentVolumeClaim',
    'of what it asks for, while it waits',
    '',
    claim({ requests: { storage: '2Gi' } }, 'Pending'),
    claim({ requests: { storage: '1Gi' } }, 'Pending'),
    [
      'spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims\n@@ -4,7 +4,7 @@\n  ],\n  "resources": {\n   "requests": {\n-   "storage": "2Gi"\n+   "storage": "1Gi"\n   }\n  },\n  "storageClassName": "c",\n',
    ],
  ],
  [
    'PersistentVolumeClaim',
    'to less than there is',
    '',
    claim({ requests: { storage: '2Gi' } }, 'Bound', { capacity: { storage: '1Gi' } }),
    claim({ requests: { storage: '1Gi' } }, 'Bound', { capacity: { storage: '1Gi' } }),
    ['spec.resources.requests.storage: Forbidden: field can not be less than status.capacity'],
  ],
  [
    'PersistentVolumeClaim',
    'to more, once it is bound, or to less of what was not given yet',
    '',
    claim({ requests: { storage: '4Gi' } }, 'Bound', { capacity: { storage: '1Gi' } }),
    claim({ requests: { storage: '2Gi' } }, 'Bound', { capacity: { storage: '1Gi' } }),
    [],
  ],
  [
    'PersistentVolumeClaim',
    'of its status to nonsense',
    'status',
    claim({ requests: { storage: '4Gi' } }, 'Bound'),
    claim({ requests: { storage: '4Gi' } }, 'Bound', {
      capacity: { storage: '-1' },
      allocatedResourceStatuses: { cpu: 'Odd' },
      allocatedResources: { memory: '1' },
    }),
    [
      'status.capacity[storage]: Invalid value: -1: must be a valid resource quantity',
      'status.allocatedResourceStatuses: Unsupported value: "cpu": supported values: "storage"',
      'status.allocatedResourceStatuses: Unsupported value: "cpu": supported values: "ControllerResizeInProgress", "ControllerResizeInfeasible", "NodeResizeInProgress", "NodeResizeInfeasible", "NodeResizePending"',
      'status.allocatedResources: Unsupported value: "memory": supported values: "storage"',
    ],
  ],
  [
    'PersistentVolume',
    'that adds the secret for growing',
    '',
    volume({ driver: 'd', volumeHandle: 'v' }),
    volume({ driver: 'd', volumeHandle: 'v', controllerExpandSecretRef: { name: 's', namespace: 'n' } }),
    [],
  ],
])('%s: a change %s', (name, _what, subresource, before, change, refusals) => {
  const kind = catalog.find((one) => one.group === '' && one.kind === name)!;
  const metadata = {
    name: 'a',
    resourceVersion: '1',
    uid: '1',
    ...(kind.scope === 'Namespaced' && { namespace: 'b' }),
  };
  const current = { apiVersion: 'v1', kind: name, metadata, ...before } as KubeObject;
  const next = { ...current, ...change } as KubeObject;
  const errors = kind.validateUpdate(next, current, subresource);
  expect(errors.map(({ field, message }) => `${field}: ${message}`)).toEqual(refusals);
});

function loadBalancer(healthCheckNodePort: number): object {
  return {
    spec: {
      type: 'LoadBalancer',
      clusterIP: '10.0.0.1',
      clusterIPs: ['10.0.0.1'],
      sessionAffinity: 'None',
      externalTrafficPolicy: 'Local',
      internalTrafficPolicy: 'Cluster',
      ports: [{ port: 80, targetPort: 80, protocol: 'TCP' }],
      healthCheckNodePort,
    },
  };
}

function volume(csi: object, more: object = {}): object {
  return {
    spec: {
      capacity: { storage: '1Gi' },
      accessModes: ['ReadWriteOnce'],
      persistentVolumeReclaimPolicy: 'Retain',
      volumeMode: 'Filesystem',
      csi,
      ...more,
    },
  };
}

function claim(resources: object, phase: string, status: object = {}): object {
  return {
    spec: { accessModes: ['ReadWriteOnce'], resources, storageClassName: 'c', volumeMode: 'Filesystem' },
    status: { phase, ...status },
  };
}
