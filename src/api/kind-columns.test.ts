/** What `kubectl get -o wide` shows of single kinds, as upstream prints it. */
import { expect, test } from 'vitest';
import { submitted } from '#testing/submitted-object.ts';
import { cellsOf } from './machinery/table.ts';

const NOW = Date.parse('2026-01-01T01:00:00Z');

const cells = (apiVersion: string, name: string, content: object) => {
  const { kind, object } = submitted(apiVersion, name, content);
  return cellsOf(kind, object, NOW);
};

const template = (labels: object = { app: 'web' }, spec: object = {}) => ({
  metadata: { labels },
  spec: { containers: [{ name: 'web', image: 'web:1' }], ...spec },
});

test.each<[string, string, object, unknown[]]>([
  [
    'v1',
    'Node',
    {
      metadata: { labels: { 'node-role.kubernetes.io/control-plane': '' } },
      spec: { unschedulable: true },
      status: {
        conditions: [{ type: 'Ready', status: 'True' }],
        addresses: [{ type: 'InternalIP', address: '10.0.0.1' }],
        nodeInfo: {
          kubeletVersion: 'v1.36.0',
          osImage: 'Debian',
          kernelVersion: '6.1',
          containerRuntimeVersion: 'containerd://1.6',
        },
      },
    },
    [
      'a',
      'Ready,SchedulingDisabled',
      'control-plane',
      '60m',
      'v1.36.0',
      '10.0.0.1',
      '<none>',
      'Debian',
      '6.1',
      'containerd://1.6',
    ],
  ],
  [
    'v1',
    'Service',
    {
      spec: {
        type: 'NodePort',
        clusterIPs: ['10.96.0.7'],
        ports: [{ port: 80, nodePort: 30080 }],
        selector: { app: 'web' },
      },
    },
    ['a', 'NodePort', '10.96.0.7', '<none>', '80:30080/TCP', '60m', 'app=web'],
  ],
  [
    'v1',
    'Service',
    { spec: { type: 'LoadBalancer', ports: [{ port: 80 }] } },
    ['a', 'LoadBalancer', '<none>', '<pending>', '80/TCP', '60m', '<none>'],
  ],
  [
    'v1',
    'Endpoints',
    { subsets: [{ addresses: ['1', '2', '3', '4'].map((last) => ({ ip: `10.0.0.${last}` })), ports: [{ port: 80 }] }] },
    ['a', '10.0.0.1:80,10.0.0.2:80,10.0.0.3:80 + 1 more...', '60m'],
  ],
  ['v1', 'ServiceAccount', { secrets: [{ name: 's' }] }, ['a', '60m']],
  [
    'discovery.k8s.io/v1',
    'EndpointSlice',
    { addressType: 'IPv4', endpoints: [{ addresses: ['10.0.0.1'] }], ports: [{ name: '', port: 80 }] },
    ['a', 'IPv4', '80', '10.0.0.1', '60m'],
  ],
  [
    'v1',
    'Event',
    {
      involvedObject: { kind: 'Pod', name: 'web', fieldPath: 'spec.containers{web}' },
      reason: 'BackOff',
      type: 'Warning',
      message: 'Back-off\n',
      source: { component: 'kubelet', host: 'n1' },
      firstTimestamp: '2026-01-01T00:50:00Z',
      lastTimestamp: '2026-01-01T00:59:55Z',
      count: 3,
    },
    ['5s', 'Warning', 'BackOff', 'pod/web', 'spec.containers{web}', 'kubelet, n1', 'Back-off', '10m', 3, 'a'],
  ],
  ['v1', 'Namespace', { status: { phase: 'Active' } }, ['a', 'Active', '60m']],
  ['coordination.k8s.io/v1', 'Lease', { spec: { holderIdentity: 'n1' } }, ['a', 'n1', '60m']],
  [
    'batch/v1',
    'Job',
    {
      spec: { template: template() },
      status: {
        startTime: '2026-01-01T00:00:00Z',
        completionTime: '2026-01-01T00:00:05Z',
        succeeded: 1,
        conditions: [{ type: 'Complete', status: 'True' }],
      },
    },
    ['a', 'Complete', '1/1', '5s', '60m', 'web', 'web:1', '<none>'],
  ],
  [
    'autoscaling/v2',
    'HorizontalPodAutoscaler',
    { spec: { scaleTargetRef: { kind: 'Deployment', name: 'web' }, maxReplicas: 5 } },
    ['a', 'Deployment/web', 'cpu: <unknown>/80%', '1', 5, 0, '60m'],
  ],
  [
    'rbac.authorization.k8s.io/v1',
    'RoleBinding',
    {
      roleRef: { kind: 'Role', name: 'r' },
      subjects: [
        { kind: 'User', name: 'u' },
        { kind: 'ServiceAccount', name: 's', namespace: 'n' },
      ],
    },
    ['a', 'Role/r', '60m', 'u', '', 'n/s'],
  ],
  [
    'v1',
    'PersistentVolume',
    { spec: { capacity: { storage: '1Gi' }, accessModes: ['ReadWriteOnce'], hostPath: { path: '/x' } } },
    ['a', '1Gi', 'RWO', 'Retain', '', '', '', '<unset>', '', '60m', 'Filesystem'],
  ],
])('%s %s %j shows %j', (apiVersion, kind, content, expected) => {
  expect(cells(apiVersion, kind, content)).toEqual(expected);
});
