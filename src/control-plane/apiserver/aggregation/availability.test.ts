import { expect, test } from 'vitest';
import type { Service } from '#api/core/v1/service.ts';
import type { EndpointSlice } from '#api/discovery/v1/endpoint-slice.ts';
import { problemOfService } from './availability.ts';

const remote = { service: { namespace: 'wardle', name: 'api', port: 443 } };
const service = (spec: object = {}) =>
  ({ spec: { type: 'ClusterIP', ports: [{ name: 'https', port: 443 }], ...spec } }) as unknown as Service;
const slice = (endpoints: object[] | undefined, ports: object[] = [{ name: 'https', port: 8443 }]) =>
  ({ endpoints, ports }) as unknown as EndpointSlice;
const ready = { conditions: { ready: true } };

test.each([
  ['no Service', undefined, [], 'ServiceNotFound', 'service/api in "wardle" is not present'],
  [
    'another port',
    service({ ports: [{ port: 80 }] }),
    [],
    'ServicePortError',
    'service/api in "wardle" is not listening on port 443',
  ],
  ['no slice', service(), [], 'EndpointsNotFound', 'cannot find endpointslices for service/api in "wardle"'],
  [
    'nobody ready',
    service(),
    [slice([{ conditions: { ready: false } }]), slice(undefined)],
    'MissingEndpoints',
    'endpointslices for service/api in "wardle" have no addresses with port name "https"',
  ],
  [
    'a port of another name',
    service(),
    [slice([ready], [{ name: 'other', port: 1 }])],
    'MissingEndpoints',
    'endpointslices for service/api in "wardle" have no addresses with port name "https"',
  ],
])('%s is a problem', (_, found, slices, reason, message) => {
  expect(problemOfService(remote, found, slices)).toEqual({ status: 'False', reason, message });
});

test('somebody ready behind the port is none, nor is a Service that is resolved elsewhere', () => {
  expect(problemOfService(remote, service(), [slice([{}])])).toBeUndefined();
  expect(problemOfService(remote, service({ type: 'ExternalName' }), [])).toBeUndefined();
});
