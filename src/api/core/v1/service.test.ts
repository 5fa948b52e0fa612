import { expect, test } from 'vitest';
import type * as schema from '#api/generated/schema.ts';
import { invalid } from '#api/machinery/status.ts';
import { Service } from './service.ts';

const service = (name: string, spec: object = {}): schema.Service =>
  Service.defaults({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'default' },
    spec: { selector: { app: 'MyApp' }, ports: [{ port: 80, targetPort: 8080 }], ...spec },
  } as unknown as schema.Service);

const messages = (object: schema.Service) =>
  Service.validate(object).map(({ field, message }) => `${field}: ${message}`);

test('a name in capitals is refused with the rule for a label', () => {
  const object = service('myApp-service', { type: 'NodePort' });
  expect(invalid(Service, object.metadata.name, Service.validate(object)).message).toBe(
    `Service "myApp-service" is invalid: metadata.name: Invalid value: "myApp-service": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')`,
  );
});

test('a Service that says little gets the defaults of its type', () => {
  expect(service('web').spec).toEqual({
    selector: { app: 'MyApp' },
    type: 'ClusterIP',
    sessionAffinity: 'None',
    internalTrafficPolicy: 'Cluster',
    ports: [{ port: 80, targetPort: 8080, protocol: 'TCP' }],
  });
  expect(service('web', { type: 'NodePort' }).spec.externalTrafficPolicy).toBe('Cluster');
  expect(service('web', { ports: [{ port: 80 }] }).spec.ports?.[0]?.targetPort).toBe(80);
});

test.each([
  [{}, []],
  [{ ports: [] }, ['spec.ports: Required value']],
  [{ ports: [], clusterIP: 'None', clusterIPs: ['None'] }, []],
  [
    { ports: [{ port: 80 }, { port: 81 }] },
    ['spec.ports[0].name: Required value', 'spec.ports[1].name: Required value'],
  ],
  [
    { ports: [{ port: 0, targetPort: 1 }] },
    ['spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive'],
  ],
  [
    {
      ports: [
        { name: 'a', port: 80 },
        { name: 'b', port: 80 },
      ],
    },
    [
      'spec.ports[1]: Duplicate value: {"Name":"","Protocol":"TCP","AppProtocol":null,"Port":80,"TargetPort":0,"NodePort":0}',
    ],
  ],
  [
    { ports: [{ port: 80, nodePort: 30080 }] },
    ["spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"],
  ],
  [
    { type: 'Sometimes' },
    [
      'spec.type: Unsupported value: "Sometimes": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"',
    ],
  ],
  [{ type: 'ExternalName', ports: [] }, ['spec.externalName: Required value']],
])('%j is answered with %j', (spec, expected) => {
  expect(messages(service('web', spec))).toEqual(expected);
});

test('an update keeps what was given out, and the first address for good', () => {
  const given = service('web', { type: 'NodePort', clusterIP: '10.96.0.7', clusterIPs: ['10.96.0.7'] });
  const current = { ...given, spec: { ...given.spec, ports: [{ ...given.spec.ports![0]!, nodePort: 30080 }] } };
  const kept = Service.prepareForUpdate(service('web', { type: 'NodePort' }), current, '');
  expect(kept.spec.clusterIPs).toEqual(['10.96.0.7']);
  expect(kept.spec.ports?.[0]?.nodePort).toBe(30080);

  const moved = { ...current, spec: { ...current.spec, clusterIP: '10.96.0.8', clusterIPs: ['10.96.0.8'] } };
  expect(
    Service.validateUpdate({ ...moved, metadata: { ...moved.metadata, resourceVersion: '1' } }, current, ''),
  ).toEqual([
    {
      reason: 'FieldValueInvalid',
      field: 'spec.clusterIPs[0]',
      message: 'Invalid value: ["10.96.0.8"]: may not change once set',
    },
  ]);
});

test('going back to ClusterIP drops the node ports that were given out', () => {
  const current = service('web', { type: 'NodePort', ports: [{ port: 80, nodePort: 30080 }] });
  const next = { ...current, spec: { ...current.spec, type: 'ClusterIP' as const } };
  const prepared = Service.prepareForUpdate(next, current, '');
  expect(prepared.spec.ports).toEqual([{ port: 80, targetPort: 80, protocol: 'TCP' }]);
  expect(prepared.spec.externalTrafficPolicy).toBeUndefined();
});
