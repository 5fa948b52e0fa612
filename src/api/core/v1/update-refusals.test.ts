import { expect, test } from 'vitest';
import { catalog } from '#api/catalog.ts';
import type { KubeObject } from '#api/machinery/object.ts';

const balanced = { type: 'LoadBalancer', externalTrafficPolicy: 'Cluster', allocateLoadBalancerNodePorts: true };
const NO_QUALIFIED_NAME = `spec.loadBalancerClass: Invalid value: "b/c/d": a valid label key must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`;

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
    'Service',
    'that lets go of the second family and says nothing of the policy',
    '',
    service({
      clusterIP: '10.0.0.1',
      clusterIPs: ['10.0.0.1', '2001:db8::1'],
      ipFamilies: ['IPv4', 'IPv6'],
      ipFamilyPolicy: 'RequireDualStack',
    }),
    service({
      clusterIP: '2001:db8::1',
      clusterIPs: ['2001:db8::1'],
      ipFamilies: ['IPv6'],
      ipFamilyPolicy: 'PreferDualStack',
    }),
    [
      'spec.clusterIPs[0]: Invalid value: ["2001:db8::1"]: may not change once set',
      `spec.ipFamilyPolicy: Invalid value: "PreferDualStack": must be set to 'SingleStack' when releasing the secondary clusterIP`,
      'spec.ipFamilies[0]: Invalid value: ["2001:db8::1"]: may not change once set',
      `spec.ipFamilyPolicy: Invalid value: "PreferDualStack": must be set to 'SingleStack' when releasing the secondary ipFamily`,
    ],
  ],
  [
    'Service',
    'of its class, and of addresses that were let in before',
    '',
    service({
      ...balanced,
      loadBalancerClass: 'a',
      externalIPs: ['010.0.0.1'],
      loadBalancerSourceRanges: ['1.2.3.4/8'],
    }),
    service({
      ...balanced,
      loadBalancerClass: 'b/c/d',
      externalIPs: ['010.0.0.1', '010.0.0.2'],
      loadBalancerSourceRanges: ['1.2.3.4/8', '1.2.3.5/8'],
    }),
    [
      'spec.loadBalancerClass: Invalid value: "b/c/d": may not change once set',
      NO_QUALIFIED_NAME,
      'spec.externalIPs[1]: Invalid value: "010.0.0.2": must not have leading 0s',
      'spec.LoadBalancerSourceRanges[1]: Invalid value: "1.2.3.5/8": must not have bits set beyond the prefix length',
      NO_QUALIFIED_NAME,
    ],
  ],
  [
    'Service',
    'to another type that takes what belonged to the old one along',
    '',
    service({ ...balanced, loadBalancerSourceRanges: ['10.0.0.0/8'] }),
    service({ type: 'ClusterIP', allocateLoadBalancerNodePorts: false, loadBalancerSourceRanges: ['10.0.0.0/8'] }),
    [
      "spec.LoadBalancerSourceRanges: Forbidden: may only be used when `type` is 'LoadBalancer'",
      "spec.allocateLoadBalancerNodePorts: Forbidden: may only be used when `type` is 'LoadBalancer'",
    ],
  ],
  [
    'Service',
    'of where it is reached from outside',
    'status',
    loadBalancer(30_001),
    {
      status: {
        loadBalancer: {
          ingress: [
            { ip: '010.0.0.1', ipMode: 'Odd' },
            { hostname: '10.0.0.1' },
            { ipMode: 'VIP' },
            { ip: '10.0.0.2' },
          ],
        },
      },
    },
    [
      'status.loadBalancer.ingress[0].ip: Invalid value: "010.0.0.1": must not have leading 0s',
      'status.loadBalancer.ingress[0].ipMode: Unsupported value: "Odd": supported values: "Proxy", "VIP"',
      'status.loadBalancer.ingress[1].hostname: Invalid value: "10.0.0.1": must be a DNS name, not an IP address',
      'status.loadBalancer.ingress[2].ipMode: Forbidden: may not be specified when `ip` is not set',
      'status.loadBalancer.ingress[3].ipMode: Required value: must be specified when `ip` is set',
    ],
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
    'Pod',
    'of its status to what cannot be',
    'status',
    podOf({ qosClass: 'BestEffort' }),
    podOf({
      qosClass: 'Guaranteed',
      observedGeneration: -1,
      conditions: [{ type: 'a b', status: 'True' }],
      nominatedNodeName: 'm',
      podIPs: [{ ip: '10.0.0.1' }, { ip: '10.0.0.2' }],
      hostIP: '10.0.0.3',
      hostIPs: [{ ip: '010.0.0.4' }],
      resourceClaimStatuses: [{ name: 'lost' }],
      containerStatuses: [
        { name: 'c', user: { linux: { uid: -1, gid: 1 } }, allocatedResourcesStatus: [{ name: 'gpu' }] },
      ],
    }),
    [
      `status.conditions[0].Type: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')`,
      'status.nominatedNodeName: Forbidden: may not be set on pods that are already bound to a node',
      'status.observedGeneration: Invalid value: -1: must be a non-negative integer',
      'status.qosClass: Invalid value: "Guaranteed": field is immutable',
      'status.resourceClaimStatuses[0].name: Invalid value: "lost": must match the name of an entry in `spec.resourceClaims`',
      'status.podIPs: Invalid value: [{"ip":"10.0.0.1"},{"ip":"10.0.0.2"}]: may specify no more than one IP for each IP family',
      'status.hostIPs[0].ip: Invalid value: "010.0.0.4": must be equal to `hostIP`',
      'status.hostIPs[0]: Invalid value: "010.0.0.4": must not have leading 0s',
      'status.containerStatuses[0].user.linux.uid: Invalid value: -1: must be between 0 and 2147483647, inclusive',
      `status.containerStatuses[0].allocatedResourcesStatus[0].name: Invalid value: "gpu": must match one of the container's resource requests`,
    ],
  ],
  [
    'Pod',
    'of its size to another class, and to less than it says',
    'resize',
    sized({
      requests: { cpu: '1', 'example.com/gpu': '1' },
      limits: { cpu: '1', memory: '1Gi', 'example.com/gpu': '1' },
    }),
    sized({ requests: { 'example.com/gpu': '2' }, limits: { cpu: '2', 'example.com/gpu': '2' } }),
    [
      'spec: Invalid value: "Guaranteed": Pod QOS Class may not change as a result of resizing',
      'spec.containers[0].resources.requests: Forbidden: resource requests cannot be removed',
      'spec.containers[0].resources.limits: Forbidden: resource limits cannot be removed',
      'spec: Forbidden: only cpu and memory resources are mutable\n@@ -7,10 +7,10 @@\n    "resources": {\n     "limits": {\n      "cpu": "2",\n-     "example.com/gpu": "1"\n+     "example.com/gpu": "2"\n     },\n     "requests": {\n-     "example.com/gpu": "1"\n+     "example.com/gpu": "2"\n     }\n    },\n    "terminationMessagePolicy": "File"\n',
    ],
  ],
  [
    'Pod',
    'of its size from nothing to something',
    'resize',
    sized({}),
    sized({ requests: { memory: '1Gi' } }),
    ['spec: Invalid value: "BestEffort": Pod QOS Class may not change as a result of resizing'],
  ],
  [
    'Pod',
    'of its size on a node that does not say what its containers have',
    'resize',
    sized({ requests: { cpu: '1' } }, { containerStatuses: [{ name: 'c', state: { running: {} } }] }),
    sized({ requests: { cpu: '2' } }, { containerStatuses: [{ name: 'c', state: { running: {} } }] }),
    ['spec: Forbidden: Pod running on node without support for resize'],
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

function service(spec: object): object {
  return {
    spec: {
      type: 'ClusterIP',
      clusterIP: '10.0.0.1',
      clusterIPs: ['10.0.0.1'],
      sessionAffinity: 'None',
      internalTrafficPolicy: 'Cluster',
      ports: [{ port: 80, targetPort: 80, protocol: 'TCP' }],
      ...spec,
    },
  };
}

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
      allocateLoadBalancerNodePorts: true,
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

function podOf(status: object): object {
  return { spec: { nodeName: 'n', restartPolicy: 'Never', containers: [{ name: 'c', image: 'i' }] }, status };
}

/** One whose container has what is asked for. */
function sized(resources: object, status: object = {}): object {
  const policies = { terminationMessagePolicy: 'File', imagePullPolicy: 'IfNotPresent' };
  const containers = [{ name: 'c', image: 'i', ...policies, resources }];
  return { spec: { nodeName: 'n', restartPolicy: 'Never', dnsPolicy: 'Default', containers }, status };
}
