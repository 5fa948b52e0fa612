/** Single kinds against what upstream answers: what is refused, in creates and in updates. Pods and Services have tests of their own. */
import { describe, expect, test } from 'vitest';
import { submitted } from '#testing/submitted-object.ts';
import type * as schema from './generated/schema.ts';
import { cellsOf } from './machinery/table.ts';

const NOW = Date.parse('2026-01-01T01:00:00Z');

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
