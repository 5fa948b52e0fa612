/** Single kinds against what upstream answers: defaults, refusals, columns. Pods and Services have tests of their own. */
import { describe, expect, test } from 'vitest';
import { catalog } from './catalog.ts';
import { facts } from './generated/facts.ts';
import type * as schema from './generated/schema.ts';
import { apiVersionOf, type Kind } from './machinery/kind.ts';
import { normalise } from './machinery/normalise.ts';
import type { KubeObject } from './machinery/object.ts';
import { cellsOf } from './machinery/table.ts';

const NOW = Date.parse('2026-01-01T01:00:00Z');

const kindOf = (apiVersion: string, name: string): Kind =>
  catalog.find((kind) => apiVersionOf(kind) === apiVersion && kind.kind === name)!;

/** As the API server sees it: shaped, defaulted, with identity. */
function submitted<T extends KubeObject>(apiVersion: string, name: string, content: object): { kind: Kind; object: T } {
  const kind = kindOf(apiVersion, name);
  const { metadata, ...rest } = content as { metadata?: object };
  const input = {
    apiVersion,
    kind: name,
    metadata: {
      name: 'a',
      ...(kind.scope === 'Namespaced' && { namespace: 'default' }),
      uid: 'u',
      resourceVersion: '1',
      creationTimestamp: '2026-01-01T00:00:00Z',
      ...metadata,
    },
    ...rest,
  };
  const shaped = normalise(facts, kind.facts!, input);
  if ('problem' in shaped) throw new Error(shaped.problem);
  return { kind, object: kind.defaults(shaped.object as unknown as KubeObject) as T };
}

const lines = (errors: { field: string; message: string }[]) =>
  errors.map(({ field, message }) => `${field}: ${message}`);

function refusals(apiVersion: string, name: string, content: object): string[] {
  const { kind, object } = submitted(apiVersion, name, content);
  return lines(kind.validate(kind.prepareForCreate(object)));
}

function updateRefusals(apiVersion: string, name: string, before: object, after: object): string[] {
  const { kind, object } = submitted(apiVersion, name, before);
  const current = kind.prepareForCreate(object);
  const next = kind.prepareForUpdate(submitted(apiVersion, name, after).object, current, '');
  return lines(kind.validateUpdate(next, current, ''));
}

const cells = (apiVersion: string, name: string, content: object) => {
  const { kind, object } = submitted(apiVersion, name, content);
  return cellsOf(kind, object, NOW);
};

const template = (labels: object = { app: 'web' }, spec: object = {}) => ({
  metadata: { labels },
  spec: { containers: [{ name: 'web', image: 'web:1' }], ...spec },
});
const selector = { matchLabels: { app: 'web' } };

describe('a Deployment', () => {
  test('that says little gets what upstream gives it', () => {
    const { kind, object } = submitted<schema.Deployment>('apps/v1', 'Deployment', {
      spec: { selector, template: template() },
    });
    expect(kind.validate(object)).toEqual([]);
    expect(object.spec).toMatchObject({
      replicas: 1,
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: '25%', maxUnavailable: '25%' } },
      revisionHistoryLimit: 10,
      progressDeadlineSeconds: 600,
      template: { spec: { restartPolicy: 'Always', containers: [{ imagePullPolicy: 'IfNotPresent' }] } },
    });
    expect(object.spec.template.spec.enableServiceLinks).toBeUndefined();
    expect(cellsOf(kind, object, NOW)).toEqual(['a', '0/1', 0, 0, '60m', 'web', 'web:1', 'app=web']);
  });

  test.each<[object, string[]]>([
    [
      { template: template() },
      [
        'spec.selector: Required value',
        'spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`',
      ],
    ],
    [
      { selector: {}, template: template() },
      ['spec.selector: Invalid value: {}: empty selector is invalid for deployment'],
    ],
    [
      { selector, template: template({ app: 'other' }) },
      ['spec.template.metadata.labels: Invalid value: {"app":"other"}: `selector` does not match template `labels`'],
    ],
    [
      { selector, template: template({ app: 'web' }, { restartPolicy: 'Never' }) },
      ['spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"'],
    ],
    [
      { selector, template: template(), strategy: { rollingUpdate: { maxSurge: 0, maxUnavailable: 0 } } },
      ['spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0'],
    ],
    [
      { selector, template: template(), replicas: -1 },
      ['spec.replicas: Invalid value: -1: must be greater than or equal to 0'],
    ],
    [
      { selector, template: template(), minReadySeconds: 600 },
      ['spec.progressDeadlineSeconds: Invalid value: 600: must be greater than minReadySeconds'],
    ],
  ])('%j is answered with %j', (spec, expected) => {
    expect(refusals('apps/v1', 'Deployment', { spec })).toEqual(expected);
  });

  test('keeps its selector', () => {
    const other = { matchLabels: { app: 'web', tier: 'x' } };
    expect(
      updateRefusals(
        'apps/v1',
        'Deployment',
        { spec: { selector, template: template() } },
        { spec: { selector: other, template: template({ app: 'web', tier: 'x' }) } },
      ),
    ).toEqual([`spec.selector: Invalid value: ${JSON.stringify(other)}: field is immutable`]);
  });
});

test.each<[string, string, object, string[]]>([
  [
    'v1',
    'ConfigMap',
    { data: { a: 'x' }, binaryData: { a: 'eA==' } },
    ['data[a]: Invalid value: "a": duplicate of key present in binaryData'],
  ],
  [
    'certificates.k8s.io/v1',
    'CertificateSigningRequest',
    { spec: { request: 'bm9wZQ==', signerName: 'example.com/signer', usages: ['client auth'] } },
    ['spec.request: Invalid value: "bm9wZQ==": PEM block type must be CERTIFICATE REQUEST'],
  ],
  ['v1', 'ConfigMap', { data: { '..': 'x' } }, ['data[..]: Invalid value: "..": must not be \'..\'']],
  ['v1', 'ConfigMap', { data: { a: 'x'.repeat(1_048_577) } }, ['[]: Too long: may not be more than 1048576 bytes']],
  ['v1', 'Secret', { type: 'kubernetes.io/tls' }, ['data[tls.crt]: Required value', 'data[tls.key]: Required value']],
  ['v1', 'Secret', { stringData: { a: 'b' } }, []],
  ['v1', 'Namespace', { metadata: { name: 'a.b' } }, ['metadata.name: Invalid value: "a.b": must not contain dots']],
  [
    'v1',
    'Endpoints',
    { subsets: [{ ports: [{ port: 0 }] }] },
    [
      'subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`',
      'subsets[0].ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive',
    ],
  ],
  [
    'discovery.k8s.io/v1',
    'EndpointSlice',
    { addressType: 'IPv4', endpoints: [{ addresses: ['::1'] }], ports: [{ port: 80 }, { port: 81 }] },
    [
      'ports[1].name: Duplicate value: ""',
      'endpoints[0].addresses: Invalid value: "::1": must be an IPv4 address',
      'endpoints[0].addresses[0]: Invalid value: "::1": may not be in the loopback range (127.0.0.0/8, ::1/128)',
    ],
  ],
  [
    'coordination.k8s.io/v1',
    'Lease',
    { spec: { leaseDurationSeconds: 0 } },
    ['spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0'],
  ],
  [
    'rbac.authorization.k8s.io/v1',
    'Role',
    { rules: [{ verbs: [], apiGroups: [''], resources: ['pods'] }] },
    ['rules[0].verbs: Required value: verbs must contain at least one value'],
  ],
  [
    'rbac.authorization.k8s.io/v1',
    'Role',
    { rules: [{ verbs: ['get'], nonResourceURLs: ['/x'] }] },
    ['rules[0].nonResourceURLs: Invalid value: ["/x"]: namespaced rules cannot apply to non-resource URLs'],
  ],
  [
    'rbac.authorization.k8s.io/v1',
    'ClusterRoleBinding',
    { roleRef: { kind: 'Role', name: 'r' }, subjects: [{ kind: 'ServiceAccount', name: 's' }] },
    [
      'roleRef.kind: Unsupported value: "Role": supported values: "ClusterRole"',
      'subjects[0].namespace: Required value',
    ],
  ],
  [
    'scheduling.k8s.io/v1',
    'PriorityClass',
    { value: 1_000_000_001 },
    ['value: Forbidden: maximum allowed value of a user defined priority is 1000000000'],
  ],
  ['scheduling.k8s.io/v1', 'PriorityClass', { metadata: { name: 'system-node-critical' }, value: 2_000_001_000 }, []],
  [
    'batch/v1',
    'Job',
    { spec: { template: template() } },
    ['spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"'],
  ],
  ['batch/v1', 'Job', { spec: { template: template({}, { restartPolicy: 'Never' }) } }, []],
  [
    'batch/v1',
    'CronJob',
    { spec: { schedule: '61 * * * *', jobTemplate: { spec: { template: template({}, { restartPolicy: 'Never' }) } } } },
    ['spec.schedule: Invalid value: "61 * * * *": end of range (61) above maximum (59): 61'],
  ],
  [
    'policy/v1',
    'PodDisruptionBudget',
    { spec: { minAvailable: 1, maxUnavailable: 1 } },
    [
      'spec: Invalid value: {"MinAvailable":1,"Selector":null,"MaxUnavailable":1,"UnhealthyPodEvictionPolicy":null}: minAvailable and maxUnavailable cannot be both set',
    ],
  ],
  [
    'networking.k8s.io/v1',
    'Ingress',
    { spec: {} },
    ['spec: Invalid value: null: either `defaultBackend` or `rules` must be specified'],
  ],
  [
    'storage.k8s.io/v1',
    'StorageClass',
    { provisioner: 'example.com/x', reclaimPolicy: 'Recycle' },
    ['reclaimPolicy: Unsupported value: "Recycle": supported values: "Delete", "Retain"'],
  ],
  [
    'v1',
    'PersistentVolumeClaim',
    { spec: { accessModes: ['ReadWriteOnce'] } },
    ['spec.resources[storage]: Required value'],
  ],
  [
    'v1',
    'Event',
    { involvedObject: { namespace: 'other' } },
    ['involvedObject.namespace: Invalid value: "other": does not match event.namespace'],
  ],
  [
    'events.k8s.io/v1',
    'Event',
    {
      regarding: { namespace: 'default' },
      eventTime: '2026-01-01T00:00:00.000000Z',
      reason: 'r',
      action: 'a',
      type: 'Normal',
      reportingController: 'example.com/c',
    },
    ['reportingInstance: Required value'],
  ],
])('%s %s %j is answered with %j', (apiVersion, kind, content, expected) => {
  expect(refusals(apiVersion, kind, content)).toEqual(expected);
});

test.each<[string, string, object, object, string[]]>([
  [
    'v1',
    'ConfigMap',
    { data: { a: '1' }, immutable: true },
    { data: { a: '2' }, immutable: true },
    ['data: Forbidden: field is immutable when `immutable` is set'],
  ],
  ['v1', 'Secret', { type: 'x' }, { type: 'y' }, ['type: Invalid value: "y": field is immutable']],
  [
    'rbac.authorization.k8s.io/v1',
    'RoleBinding',
    { roleRef: { kind: 'Role', name: 'r' } },
    { roleRef: { kind: 'Role', name: 's' } },
    [
      'roleRef: Invalid value: {"apiGroup":"rbac.authorization.k8s.io","kind":"Role","name":"s"}: cannot change roleRef',
    ],
  ],
  [
    'apps/v1',
    'StatefulSet',
    { spec: { selector, serviceName: 'a', template: template() } },
    { spec: { selector, serviceName: 'b', template: template() } },
    [
      "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
    ],
  ],
  ['v1', 'Node', { spec: { podCIDR: '10.0.0.0/24' } }, { spec: { podCIDR: '10.0.0.0/24', unschedulable: true } }, []],
])('%s %s: from %j to %j is answered with %j', (apiVersion, kind, before, after, expected) => {
  expect(updateRefusals(apiVersion, kind, before, after)).toEqual(expected);
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

test('what is written as text in a Secret is stored as data', () => {
  const { kind, object } = submitted<schema.Secret>('v1', 'Secret', {
    data: { a: 'eA==', b: 'eQ==' },
    stringData: { b: 'ü' },
  });
  expect(kind.defaults(object)).toMatchObject({ type: 'Opaque', data: { a: 'eA==', b: 'w7w=' } });
  expect(Object.keys(kind.defaults(object))).not.toContain('stringData');
});

test('a Namespace begins with its label, its finalizer and its phase', () => {
  const { kind, object } = submitted<schema.Namespace>('v1', 'Namespace', {});
  const created = kind.prepareForCreate(object);
  expect(created).toMatchObject({
    metadata: { labels: { 'kubernetes.io/metadata.name': 'a' } },
    spec: { finalizers: ['kubernetes'] },
    status: { phase: 'Active' },
  });
  const emptied = kind.prepareForUpdate({ ...object, spec: { finalizers: [] } } as KubeObject, created, '');
  expect(emptied).toMatchObject({ spec: { finalizers: ['kubernetes'] } });
  const finalized = kind.prepareForUpdate({ ...object, spec: { finalizers: [] } } as KubeObject, created, 'finalize');
  expect(finalized).toMatchObject({ spec: { finalizers: [] } });
});

test('a Job finds its pods by its uid', () => {
  const { kind, object } = submitted<schema.Job>('batch/v1', 'Job', {
    spec: { template: template({}, { restartPolicy: 'Never' }) },
  });
  const { spec } = kind.prepareForCreate(object) as schema.Job;
  expect(spec).toMatchObject({ completions: 1, parallelism: 1, backoffLimit: 6, completionMode: 'NonIndexed' });
  expect(spec.selector).toEqual({ matchLabels: { 'batch.kubernetes.io/controller-uid': 'u' } });
  expect(spec.template.metadata?.labels).toEqual({
    'batch.kubernetes.io/controller-uid': 'u',
    'controller-uid': 'u',
    'batch.kubernetes.io/job-name': 'a',
    'job-name': 'a',
  });
});

describe('two versions of one thing', () => {
  test('an event is stored in one form and comes back in the form of its group', () => {
    const { kind, object } = submitted<schema.EventsV1Event>('events.k8s.io/v1', 'Event', {
      regarding: { kind: 'Pod', name: 'web', namespace: 'default' },
      note: 'hello',
      reportingController: 'example.com/c',
      deprecatedCount: 2,
      eventTime: '2026-01-01T00:00:00.000000Z',
    });
    const stored = kind.hub!.toHub(object);
    expect(stored).toMatchObject({
      apiVersion: 'v1',
      involvedObject: { name: 'web' },
      message: 'hello',
      reportingComponent: 'example.com/c',
      count: 2,
    });
    expect(kind.hub!.fromHub(stored)).toEqual(object);
  });

  test('an autoscaler of v1 loses nothing on the way to v2 and back', () => {
    const { kind, object } = submitted<schema.HorizontalPodAutoscalerV1>('autoscaling/v1', 'HorizontalPodAutoscaler', {
      metadata: { annotations: { a: 'b' } },
      spec: { scaleTargetRef: { kind: 'Deployment', name: 'web' }, maxReplicas: 5, targetCPUUtilizationPercentage: 70 },
    });
    const { hub } = kind;
    const stored = hub!.toHub(object) as schema.HorizontalPodAutoscaler;
    expect(stored.spec.metrics).toEqual([
      { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 70 } } },
    ]);
    expect(hub!.fromHub(stored)).toMatchObject({ spec: object.spec, metadata: { annotations: { a: 'b' } } });

    const pods = { type: 'Pods', pods: { metric: { name: 'm' }, target: { type: 'AverageValue', averageValue: '1' } } };
    const rich = { ...stored, spec: { ...stored.spec, metrics: [...stored.spec.metrics, pods], behavior: {} } };
    expect(hub!.toHub(hub!.fromHub(rich))).toEqual(rich);
  });
});
