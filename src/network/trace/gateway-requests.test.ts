import { describe, expect, test } from 'vitest';
import { type Any, broken, shown, World } from '../../../test/network/traced-shop.ts';

describe('through a Gateway', () => {
  const gatewayWith = (listener: Any) => ({
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'Gateway',
    metadata: { namespace: 'shop', name: 'gate', generation: 1, creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: {
      gatewayClassName: 'kedge',
      listeners: [
        { name: 'one', hostname: '*.gate.example', allowedRoutes: { namespaces: { from: 'Same' } }, ...listener },
      ],
    },
    status: { addresses: [{ type: 'IPAddress', value: '172.29.0.1' }] },
  });
  const route = (...backendRefs: Any[]) => ({
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: { namespace: 'shop', name: 'ways', generation: 1, creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: {
      parentRefs: [{ group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'gate' }],
      hostnames: ['www.gate.example'],
      rules: [{ matches: [{ path: { type: 'PathPrefix', value: '/in' } }], backendRefs }],
    },
  });
  const backend = (name: string, weight = 1) => ({ group: '', kind: 'Service', name, port: 80, weight });
  const worldOf = (listener: Any, ...backends: Any[]) => {
    const world = new World();
    const gatewayClasses = [{ metadata: { name: 'kedge' }, spec: { controllerName: 'kedge.dev/gateway' } }];
    Object.assign(world.lists, { gateways: [gatewayWith(listener)], gatewayClasses, routes: [route(...backends)] });
    Object.assign(world.names, { 'www.gate.example': ['172.29.0.1'], 'other.example': ['172.29.0.1'] });
    return world;
  };
  const HTTP = { port: 8000, protocol: 'HTTP' };

  test('the listener at its port and the rule of its route lead to the Service', () => {
    const trace = worldOf(HTTP, backend('web')).trace('http://www.gate.example:8000/in/side');
    expect(broken(trace)).toBe('nothing');
    expect(shown(trace)).toContain('passes ingress: HTTPRoute shop/ways, host www.gate.example, path /in (Prefix)');
    expect(shown(trace)).toContain('passes service: Service shop/web, port 80 (http) → targetPort 8080');
  });

  test('a share of its requests that goes to nobody breaks it', () => {
    const trace = worldOf(HTTP, backend('web', 9), backend('gone', 1)).trace('http://www.gate.example:8000/in');
    expect(trace.hops.find(({ at }) => at === 'ingress')?.details?.join()).toContain('shop/web:80 9');
    const none = worldOf(HTTP, backend('gone')).trace('http://www.gate.example:8000/in');
    expect(broken(none)).toContain('what its backendRefs mean is not there, or no ReferenceGrant allows it');
  });

  test('a host that no listener has, and a port that nobody listens at', () => {
    expect(broken(worldOf(HTTP, backend('web')).trace('http://other.example:8000/'))).toContain(
      'no Ingress and no Gateway takes the host other.example',
    );
    expect(broken(worldOf(HTTP, backend('web')).trace('http://www.gate.example:9000/'))).toContain(
      'no Gateway listens there',
    );
  });

  test('a Secret of a listener that is not there', () => {
    const tls = { mode: 'Terminate', certificateRefs: [{ group: '', kind: 'Secret', name: 'gate-tls' }] };
    const trace = worldOf({ port: 443, protocol: 'HTTPS', tls }, backend('web')).trace('https://www.gate.example/in');
    expect(broken(trace)).toContain('certificate: Secret shop/gate-tls | there is no such Secret');
  });
});
