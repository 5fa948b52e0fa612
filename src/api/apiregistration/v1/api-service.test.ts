import { expect, test } from 'vitest';
import type * as schema from '#api/generated/schema.ts';
import { APIService } from './api-service.ts';

const service = { namespace: 'wardle', name: 'api' };
const made = (spec: object, name = 'v1.wardle.example.com') =>
  APIService.defaults({
    apiVersion: 'apiregistration.k8s.io/v1',
    kind: 'APIService',
    metadata: { name },
    spec: { group: 'wardle.example.com', version: 'v1', groupPriorityMinimum: 1000, versionPriority: 15, ...spec },
  } as unknown as schema.APIService);
const said = (errors: readonly { field: string; message: string }[]) =>
  errors.map(({ field, message }) => `${field}: ${message}`);

test.each([
  [{ service }, []],
  [{}, []],
  [
    { groupPriorityMinimum: 20_001 },
    ['spec.groupPriorityMinimum: Invalid value: 20001: must be positive and less than 20000'],
  ],
  [{ versionPriority: 0 }, ['spec.versionPriority: Invalid value: 0: must be positive and less than 1000']],
  [{ caBundle: 'AAAA' }, ['spec.caBundle: Invalid value: "3 bytes": local APIServices may not have a caBundle']],
  [
    { insecureSkipTLSVerify: true },
    ['spec.insecureSkipTLSVerify: Invalid value: true: local APIServices may not have insecureSkipTLSVerify'],
  ],
  [{ service: {} }, ['spec.service.namespace: Required value', 'spec.service.name: Required value']],
  [
    { service: { ...service, port: 70_000 } },
    ['spec.service.port: Invalid value: 70000: port is not valid: must be between 1 and 65535, inclusive'],
  ],
  [
    { service, caBundle: 'AAAA', insecureSkipTLSVerify: true },
    ['spec.insecureSkipTLSVerify: Invalid value: true: may not be true if caBundle is present'],
  ],
])('a spec of %j', (spec, expected) => {
  expect(said(APIService.validate(made(spec)))).toEqual(expected);
});

test('the name is made of version and group, and only v1 has none', () => {
  expect(said(APIService.validate(made({}, 'other')))).toEqual([
    'metadata.name: Invalid value: "other": must be `spec.version+"."+spec.group`: "v1.wardle.example.com"',
  ]);
  expect(said(APIService.validate(made({ group: '' }, 'v1.')))).toEqual([]);
  expect(said(APIService.validate(made({ group: '', version: 'v2' }, 'v2.')))).toEqual([
    'spec.group: Required value: only v1 may have an empty group and it better be legacy kube',
  ]);
});

test('a Service has a port, and the condition of a status one of three values', () => {
  expect(made({ service }).spec.service?.port).toBe(443);
  const current = { ...made({ service }), metadata: { name: 'v1.wardle.example.com', resourceVersion: '1' } };
  const next = { ...current, status: { conditions: [{ type: 'Available', status: 'Maybe' }] } } as never;
  expect(said(APIService.validateUpdate(next, current as never, 'status'))).toEqual([
    'status.conditions[0].status: Unsupported value: "Maybe": supported values: "True", "False", "Unknown"',
  ]);
});
