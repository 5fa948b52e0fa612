import { expect, test } from 'vitest';
import { refusalsOf } from '#testing/refusals-of.ts';

/** As kube-apiserver of this version answers: everything that is wrong, in its order. */
test.each([
  [
    'ConfigMap',
    'keys',
    { data: { k: '1' }, binaryData: { k: 'AA==', 'a b': 'AA==' } },
    [
      'data[k]: Invalid value: "k": duplicate of key present in binaryData',
      `binaryData[a b]: Invalid value: "a b": a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')`,
    ],
  ],
  [
    'LimitRange',
    'limits that contradict',
    {
      spec: {
        limits: [
          { type: 'Container', min: { cpu: '2' }, max: { cpu: '1' } },
          { type: 'Pod', default: { cpu: '1' } },
          { type: 'Container' },
        ],
      },
    },
    [
      'spec.limits[0].min[cpu]: Invalid value: "2": min value 2 is greater than max value 1',
      'spec.limits[0].defaultRequest[cpu]: Invalid value: "1": min value 2 is greater than default request value 1',
      'spec.limits[0].default[cpu]: Invalid value: "2": min value 2 is greater than default value 1',
      `spec.limits[1].default: Forbidden: may not be specified when \`type\` is 'Pod'`,
      'spec.limits[2].type: Duplicate value: "Container"',
    ],
  ],
  [
    'ResourceQuota',
    'names, amounts and scopes',
    { spec: { hard: { pods: '-1', foo: '1' }, scopes: ['Terminating', 'NotTerminating', 'Lost'] } },
    [
      'spec.hard[pods]: Invalid value: "-1": must be greater than or equal to 0',
      'spec.hard[foo]: Invalid value: "foo": must be a standard resource type or fully qualified',
      'spec.hard[foo]: Invalid value: "foo": must be a standard resource for quota',
      'spec.scopes: Invalid value: ["Terminating","NotTerminating","Lost"]: unsupported scope',
      'spec.scopes: Invalid value: ["Terminating","NotTerminating","Lost"]: conflicting scopes',
    ],
  ],
  [
    'ReplicationController',
    'nothing',
    { spec: {} },
    ['spec.selector: Required value', 'spec.template: Required value'],
  ],
  [
    'Node',
    'taints, amounts and features',
    {
      spec: {
        taints: [
          { key: 'a', effect: 'NoSchedule' },
          { key: 'a', effect: 'NoSchedule' },
          { key: 'b', effect: 'Never', value: 'x y' },
        ],
      },
      status: { capacity: { pods: '1500m' }, allocatable: { cpu: '-1' }, declaredFeatures: ['B', 'A', 'A'] },
    },
    [
      'metadata.taints[1]: Duplicate value: {"Key":"a","Value":"","Effect":"NoSchedule","TimeAdded":null}: taints must be unique by key and effect pair',
      `metadata.taints[2].value: Invalid value: "x y": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')`,
      'metadata.taints[2].effect: Unsupported value: "Never": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"',
      'status.capacity.pods: Invalid value: "1500m": must be an integer',
      'status.allocatable.cpu: Invalid value: "-1": must be greater than or equal to 0',
      'status.declaredFeatures[1]: Invalid value: "A": list must be sorted alphabetically',
      'status.declaredFeatures[2]: Duplicate value: "A"',
    ],
  ],
  [
    'Namespace',
    'finalizers',
    { spec: { finalizers: ['foregroundDeletion', 'mine', 'a b'] } },
    [
      'spec.finalizers: Invalid value: "mine": name is neither a standard finalizer name nor is it fully qualified',
      `spec.finalizers: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')`,
      'spec.finalizers: Invalid value: "a b": name is neither a standard finalizer name nor is it fully qualified',
    ],
  ],
])('%s: %s', (kind, _what, content, refusals) => {
  expect(refusalsOf('v1', kind, content)).toEqual(refusals);
});
