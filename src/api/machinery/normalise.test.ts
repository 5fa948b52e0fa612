import { describe, expect, test } from 'vitest';
import { facts } from '#api/generated/facts.ts';
import { type Normalised, normalise, strictProblem, unknownFieldText } from './normalise.ts';

const of = (group: string, version: string, kind: string) => facts.typeOfKind(group, version, kind)!;
const deployment = (input: unknown): Normalised => normalise(facts, of('apps', 'v1', 'Deployment'), input);
const pod = (spec: unknown): Record<string, unknown> => {
  const result = normalise(facts, of('', 'v1', 'Pod'), { spec });
  if ('problem' in result) throw new Error(result.problem);
  return result.object['spec'] as Record<string, unknown>;
};
const container = (more: object) => ({ containers: [{ name: 'web', ...more }] });

describe('what does not fit is told as Go tells it', () => {
  const cases: [unknown, string][] = [
    [
      { spec: { replicas: '3' } },
      'json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32',
    ],
    [
      { spec: { replicas: 1.5 } },
      'json: cannot unmarshal number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32',
    ],
    [
      { spec: { replicas: 2 ** 31 } },
      'json: cannot unmarshal number 2147483648 into Go struct field DeploymentSpec.spec.replicas of type int32',
    ],
    [
      { spec: { template: { spec: container({ env: [{ name: 'A', value: 1 }] }) } } },
      'json: cannot unmarshal number into Go struct field EnvVar.spec.template.spec.containers.env.value of type string',
    ],
    [
      { spec: { template: { spec: { containers: {} } } } },
      'json: cannot unmarshal object into Go struct field PodSpec.spec.template.spec.containers of type []v1.Container',
    ],
    [
      { metadata: { labels: { a: true } } },
      'json: cannot unmarshal bool into Go struct field ObjectMeta.metadata.labels of type string',
    ],
    [[], 'json: cannot unmarshal array into Go value of type v1.Deployment'],
    [
      { metadata: { creationTimestamp: 'now' } },
      'parsing time "now" as "2006-01-02T15:04:05Z07:00": cannot parse "now" as "2006"',
    ],
    [
      { spec: { template: { spec: container({ resources: { limits: { cpu: 'lots' } } }) } } },
      "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
    ],
    [
      { spec: { template: { spec: container({ resources: { limits: { cpu: '1mm' } } }) } } },
      "unable to parse quantity's suffix",
    ],
  ];
  for (const [input, problem] of cases)
    test(problem, () => {
      expect(deployment(input)).toEqual({ problem });
    });

  test('a secret whose data is not base64', () => {
    expect(normalise(facts, of('', 'v1', 'Secret'), { data: { a: 'aGk=!' } })).toEqual({
      problem: 'illegal base64 data at input byte 4',
    });
  });
});

describe('fields that the type does not have', () => {
  test('are left out and told by path, each once', () => {
    const result = deployment({
      foo: 1,
      spec: { paused: true, bar: {}, template: { spec: container({ imagePull: 'x', resources: { limit: {} } }) } },
    });
    expect(result).toMatchObject({
      object: { spec: { paused: true } },
      unknownFields: [
        'foo',
        'spec.bar',
        'spec.template.spec.containers[0].imagePull',
        'spec.template.spec.containers[0].resources.limit',
      ],
    });
    expect(JSON.stringify(result)).not.toContain('imagePull":');
  });

  test('make the message of strict validation', () => {
    expect(strictProblem(['spec.foo', 'spec.bar'].map(unknownFieldText))).toBe(
      'strict decoding error: unknown field "spec.foo", unknown field "spec.bar"',
    );
  });

  test('are not looked for inside of raw values', () => {
    const result = normalise(facts, of('apps', 'v1', 'ControllerRevision'), { data: { anything: [1, { at: 'all' }] } });
    expect(result).toMatchObject({ unknownFields: [], object: { data: { anything: [1, { at: 'all' }] } } });
  });
});

describe('the shape that comes out', () => {
  test('nulls, and empty values of omitempty fields, are absent', () => {
    expect(
      pod({
        ...container({ args: [], image: '', stdin: false, env: null }),
        nodeSelector: {},
        priority: 0,
        hostname: '',
      }),
    ).toEqual({ containers: [{ name: 'web', resources: {} }], priority: 0 });
  });

  test('pointers keep their zero value, and marks their emptiness', () => {
    expect(pod({ ...container({}), terminationGracePeriodSeconds: 0, volumes: [{ name: 'a', emptyDir: {} }] })).toEqual(
      {
        containers: [{ name: 'web', resources: {} }],
        terminationGracePeriodSeconds: 0,
        volumes: [{ name: 'a', emptyDir: {} }],
      },
    );
  });

  test('what a Go struct always has is there', () => {
    expect(deployment({})).toEqual({
      object: { metadata: {}, spec: { strategy: {}, template: { metadata: {}, spec: { containers: [] } } } },
      unknownFields: [],
    });
    expect(
      normalise(facts, of('apps', 'v1', 'Deployment'), { spec: { template: { spec: { containers: [null] } } } }),
    ).toMatchObject({
      object: { spec: { template: { spec: { containers: [{ name: '' }] } } } },
    });
  });

  test('a port that Go has as zero is absent, an amount is zero', () => {
    const service = normalise(facts, of('', 'v1', 'Service'), {
      spec: {
        ports: [
          { port: 80, targetPort: 0 },
          { port: 81, targetPort: '' },
        ],
      },
    });
    expect(service).toMatchObject({ object: { spec: { ports: [{ port: 80 }, { port: 81 }] } } });
    expect(JSON.stringify(service)).not.toContain('targetPort');
    const env = [{ name: 'A', valueFrom: { resourceFieldRef: { resource: 'limits.cpu' } } }];
    expect(pod(container({ env }))).toMatchObject({
      containers: [{ env: [{ valueFrom: { resourceFieldRef: { resource: 'limits.cpu', divisor: '0' } } }] }],
    });
  });

  test('amounts and times have their one text', () => {
    expect(pod(container({ resources: { limits: { cpu: 0.5, memory: '1024Mi' } } }))).toMatchObject({
      containers: [{ resources: { limits: { cpu: '500m', memory: '1Gi' } } }],
    });
    const result = deployment({ metadata: { creationTimestamp: '2026-01-02T05:04:05.6+02:00' } });
    expect(result).toMatchObject({ object: { metadata: { creationTimestamp: '2026-01-02T03:04:05Z' } } });
  });

  test('it is frozen all the way down and shares nothing with the input', () => {
    const input = { spec: { template: { spec: container({ args: ['a'] }) } } };
    const result = deployment(input) as unknown as { object: typeof input };
    expect(Object.isFrozen(result.object.spec.template.spec.containers[0])).toBe(true);
    expect(Object.isFrozen(input.spec.template.spec.containers)).toBe(false);
  });
});

describe('what was in shape before', () => {
  const shapedBefore = () => {
    const template = { metadata: { labels: { app: 'web' } }, spec: container({ image: 'web:1' }) };
    const result = deployment({ metadata: { name: 'web' }, spec: { selector: {}, template } });
    if ('problem' in result) throw new Error(result.problem);
    return result.object as {
      metadata: object;
      spec: { template: { metadata: object; spec: { containers: object[] } } };
    };
  };
  const again = (input: object, settled: object) => {
    const result = normalise(facts, of('apps', 'v1', 'Deployment'), input, settled);
    if ('problem' in result) throw new Error(result.problem);
    return result;
  };

  test('is kept as it is where it stands in the input', () => {
    const settled = shapedBefore();
    const { object } = again({ ...settled, metadata: { name: 'web', labels: { a: 'b' } } }, settled);
    expect(object['spec']).toBe(settled.spec);
    expect(object['metadata']).toEqual({ name: 'web', labels: { a: 'b' } });
  });

  test('does not spare what is beside it', () => {
    const settled = shapedBefore();
    const template = { ...settled.spec.template, unknown: 1, spec: { ...container({ image: null }), nodeName: '' } };
    const { object, unknownFields } = again({ ...settled, spec: { ...settled.spec, template } }, settled);
    expect(unknownFields).toEqual(['spec.template.unknown']);
    const made = object['spec'] as ReturnType<typeof shapedBefore>['spec'];
    expect(made.template).toEqual({ metadata: settled.spec.template.metadata, spec: container({ resources: {} }) });
    expect(made.template.metadata).toBe(settled.spec.template.metadata);
  });

  test('is looked at like anything else where it stands at another place', () => {
    const settled = shapedBefore();
    const { labels } = settled.spec.template.metadata as { labels: object };
    const template = { metadata: { labels: { app: 'web' } }, spec: { containers: [], securityContext: labels } };
    const { object, unknownFields } = again({ ...settled, spec: { ...settled.spec, template } }, settled);
    expect(unknownFields).toEqual(['spec.template.spec.securityContext.app']);
    const made = object['spec'] as { template: { spec: { securityContext: object } } };
    expect(made.template.spec.securityContext).toEqual({});
  });
});

describe('hostile input', () => {
  test('a key __proto__ is a key like any other, and changes no prototype', () => {
    const input: unknown = JSON.parse(
      '{"metadata":{"labels":{"__proto__":"x","a":"b"}},"__proto__":{"polluted":true}}',
    );
    const { object } = deployment(input) as unknown as { object: { metadata: { labels: object } } };
    expect(Object.entries(object.metadata.labels)).toEqual([
      ['__proto__', 'x'],
      ['a', 'b'],
    ]);
    expect(Object.getPrototypeOf(object.metadata.labels)).toBe(Object.prototype);
    expect(Object.getPrototypeOf(object)).toBe(Object.prototype);
    expect('polluted' in object).toBe(false);
  });

  test('raw values nested without end are refused', () => {
    let data: unknown = {};
    for (let depth = 0; depth < 5000; depth++) data = { data };
    expect(normalise(facts, of('apps', 'v1', 'ControllerRevision'), { data })).toEqual({
      problem: 'exceeded max depth',
    });
  });

  test('schemas nested without end are refused', () => {
    let schema: unknown = {};
    for (let depth = 0; depth < 5000; depth++) schema = { not: schema };
    const input = { spec: { versions: [{ schema: { openAPIV3Schema: schema } }] } };
    expect(normalise(facts, of('apiextensions.k8s.io', 'v1', 'CustomResourceDefinition'), input)).toEqual({
      problem: 'exceeded max depth',
    });
  });
});

test('a schema may be a boolean or a list where upstream has a union', () => {
  const schema = { items: { type: 'string' }, additionalProperties: false, dependencies: { a: ['b'] } };
  const input = { spec: { versions: [{ schema: { openAPIV3Schema: schema } }] } };
  expect(normalise(facts, of('apiextensions.k8s.io', 'v1', 'CustomResourceDefinition'), input)).toMatchObject({
    object: { spec: { versions: [{ schema: { openAPIV3Schema: schema } }] } },
    unknownFields: [],
  });
});

describe('structs and times that Go always prints', () => {
  const shaped = (group: string, kind: string, input: unknown): Record<string, unknown> => {
    const result = normalise(facts, of(group, 'v1', kind), input);
    if ('problem' in result) throw new Error(result.problem);
    return result.object;
  };

  test('nulls in a map of texts or bytes are empty', () => {
    expect(shaped('', 'ConfigMap', { data: { a: null }, binaryData: { b: null } })).toMatchObject({
      data: { a: '' },
      binaryData: { b: '' },
    });
    expect(shaped('', 'Secret', { data: { 'tls.crt': null } })).toMatchObject({ data: { 'tls.crt': '' } });
  });

  test('an Event has its source, empty, and null times', () => {
    expect(shaped('', 'Event', {})).toMatchObject({
      source: {},
      firstTimestamp: null,
      lastTimestamp: null,
      eventTime: null,
    });
  });
  test('an endpoint has its conditions', () => {
    expect(shaped('discovery.k8s.io', 'EndpointSlice', { endpoints: [{ addresses: ['10.0.0.1'] }] })).toMatchObject({
      endpoints: [{ addresses: ['10.0.0.1'], conditions: {} }],
    });
  });
  test('a condition has null times', () => {
    const conditions = [{ type: 'Ready', status: 'True' }];
    expect(shaped('', 'Pod', { status: { conditions } })['status']).toEqual({
      conditions: [{ type: 'Ready', status: 'True', lastProbeTime: null, lastTransitionTime: null }],
    });
  });
  test('a container has its resources, a template its metadata', () => {
    const template = { spec: { containers: [{ name: 'web' }] } };
    expect(shaped('apps', 'Deployment', { spec: { template } })['spec']).toMatchObject({
      strategy: {},
      template: { metadata: {}, spec: { containers: [{ name: 'web', resources: {} }] } },
    });
  });
  test('a time of creation, whose tag says omitzero, is left out', () => {
    expect(shaped('', 'ConfigMap', { metadata: { creationTimestamp: null } })['metadata']).toEqual({});
  });
  test('a pointer to a time is left out', () => {
    expect(shaped('', 'Pod', { status: { phase: 'Running' } })['status']).toEqual({ phase: 'Running' });
  });
});
