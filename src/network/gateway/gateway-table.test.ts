import { expect, test } from 'vitest';
import type { Gateway } from '#api/gateway/v1/gateway.ts';
import type { AnyRoute } from '#api/gateway/v1/route.ts';
import { gatewayTableOf } from './gateway-table.ts';

const gateway = {
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'Gateway',
  metadata: { name: 'web', namespace: 'default' },
  spec: { gatewayClassName: 'ours', listeners: [{ name: 'http', port: 80, protocol: 'HTTP' }] },
} as unknown as Gateway;
const route = (name: string, spec: object) =>
  ({
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: { name, namespace: 'default' },
    spec: { parentRefs: [{ name: 'web' }], ...spec },
  }) as unknown as AnyRoute;

test('a route or a Gateway that nothing can be made of is named, and the others are served', () => {
  const blamed: string[] = [];
  const strange = { ...gateway, metadata: { ...gateway.metadata, name: 'strange' }, spec: {} } as unknown as Gateway;
  const { ports } = gatewayTableOf({
    gateways: [gateway, strange],
    routes: [
      route('bad', { rules: [7], hostnames: ['a.example.com'] }),
      route('good', { rules: [{}], hostnames: ['b.example.com'] }),
    ],
    grants: [],
    labelsOf: () => ({}),
    service: () => undefined,
    secret: () => undefined,
    blame: ({ metadata }) => blamed.push(metadata.name),
  });
  expect([...(ports.get(80)?.listeners.get('')?.hosts.keys() ?? [])]).toEqual(['b.example.com']);
  expect(blamed).toEqual(['strange', 'bad']);
});
