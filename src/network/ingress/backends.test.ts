import { expect, test } from 'vitest';
import type { EndpointSlice, Service } from '#api/generated/schema.ts';
import { endpointsOf } from './backends.ts';

const service = { metadata: { name: 'web' }, spec: { ports: [{ port: 80 }] } } as Service;
const slice = {
  addressType: 'IPv4',
  ports: [{ port: 8080 }],
  endpoints: ['a', 'b'].map((zone, i) => ({
    addresses: [`10.244.1.${i + 1}`],
    conditions: { ready: true },
    hints: { forZones: [{ name: zone }] },
  })),
} as EndpointSlice;

test('traffic goes to the endpoints that are for its zone, and anywhere where nobody says where it comes from', () => {
  const addresses = (zone?: string) =>
    endpointsOf(service, '80', [slice], zone === undefined ? undefined : { nodeName: 'node1', zone }).map(
      ({ address }) => address,
    );
  expect(addresses('b')).toEqual(['10.244.1.2']);
  expect(addresses('c')).toEqual(['10.244.1.1', '10.244.1.2']);
  expect(addresses()).toEqual(['10.244.1.1', '10.244.1.2']);
});
