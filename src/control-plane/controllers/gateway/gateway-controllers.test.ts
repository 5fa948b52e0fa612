import { afterEach, beforeEach, expect, test } from 'vitest';
import { Namespace } from '#api/core/v1/namespace.ts';
import { Secret } from '#api/core/v1/secret.ts';
import { Service } from '#api/core/v1/service.ts';
import { gatewayDefinitions } from '#api/gateway/v1/definitions.ts';
import { Gateway, type Listener } from '#api/gateway/v1/gateway.ts';
import { GatewayClass } from '#api/gateway/v1/gateway-class.ts';
import { GRPCRoute } from '#api/gateway/v1/grpc-route.ts';
import { HTTPRoute } from '#api/gateway/v1/http-route.ts';
import { ReferenceGrant } from '#api/gateway/v1/reference-grant.ts';
import type { Condition } from '#api/generated/schema.ts';
import { kindsFromDefinition } from '#api/machinery/kind-from-definition.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { startCluster, type TestCluster } from '#testing/cluster.ts';
import { gatewayControllers } from './gateway-controllers.ts';

const CONTROLLER = 'example.com/gateway';
let cluster: TestCluster;

const clusterOf = async (definitions: typeof gatewayDefinitions) => {
  const controllers = gatewayControllers({ controllerName: CONTROLLER, addresses: ['192.0.2.1'] });
  const kinds = definitions.flatMap((definition) => kindsFromDefinition(definition));
  cluster = await startCluster({ controllers, scheduler: false, kinds });
  for (const name of ['ours', 'theirs']) {
    const controllerName = name === 'ours' ? CONTROLLER : 'example.com/other';
    await cluster.create(GatewayClass, { metadata: { name }, spec: { controllerName } } as never);
  }
};
beforeEach(() => clusterOf(gatewayDefinitions));
afterEach(() => cluster[Symbol.asyncDispose]());

const http: Listener = { name: 'http', port: 80, protocol: 'HTTP' };
const gateway = (listeners: Listener[], gatewayClassName = 'ours', more = {}) =>
  namedGateway('web', { gatewayClassName, listeners, ...more });
const namedGateway = (name: string, spec: object) =>
  cluster.create(Gateway, { metadata: { name, namespace: 'default' }, spec } as never);
const route = (name: string, spec: object, namespace = 'default') =>
  cluster.create(HTTPRoute, {
    metadata: { name, namespace },
    spec: { parentRefs: [{ name: 'web', namespace: 'default' }], ...spec },
  } as never);
const to = (name: string, more = {}) => ({ rules: [{ backendRefs: [{ name, port: 80, ...more }] }] });
const service = (name: string, namespace = 'default') =>
  cluster.create(Service, { metadata: { name, namespace }, spec: { ports: [{ port: 80 }] } } as never);

const brief = (conditions: readonly Condition[] = []) =>
  Object.fromEntries(conditions.map(({ type, status, reason }) => [type, `${status} ${reason}`]));
const statusOf = (kind: 'Gateway' | 'HTTPRoute', key: string) => {
  const found = kind === 'Gateway' ? cluster.get(Gateway, key) : cluster.get(HTTPRoute, key);
  return (found as KubeObject & { status?: unknown })?.status as {
    conditions?: Condition[];
    addresses?: unknown;
    listeners?: { name: string; attachedRoutes: number; supportedKinds: { kind: string }[]; conditions: Condition[] }[];
    parents?: { controllerName: string; conditions: Condition[] }[];
  };
};
const ofRoute = async (key: string) => {
  await cluster.settles();
  return brief(statusOf('HTTPRoute', key)?.parents?.[0]?.conditions);
};

test('a class of ours is accepted with its features, and one of another is left alone', async () => {
  await cluster.settles();
  expect(brief(cluster.get(GatewayClass, 'ours')?.status?.conditions)).toEqual({
    Accepted: 'True Accepted',
    SupportedVersion: 'True SupportedVersion',
  });
  expect(cluster.get(GatewayClass, 'ours')?.status?.supportedFeatures).toContainEqual({ name: 'HTTPRoute' });
  expect(cluster.get(GatewayClass, 'theirs')?.status?.supportedFeatures).toBeUndefined();
});

test('a Gateway says where it is reached and what hangs on each of its listeners', async () => {
  await gateway([http]);
  await service('shop');
  await route('shop', to('shop'));
  await cluster.settles();
  const status = statusOf('Gateway', 'default/web');
  expect(status.addresses).toEqual([{ type: 'IPAddress', value: '192.0.2.1' }]);
  expect(brief(status.conditions)).toEqual({ Accepted: 'True Accepted', Programmed: 'True Programmed' });
  expect(status.conditions?.every(({ observedGeneration }) => observedGeneration === 1)).toBe(true);
  const [listener] = status.listeners ?? [];
  expect(listener).toMatchObject({ name: 'http', attachedRoutes: 1 });
  expect(listener?.supportedKinds.map(({ kind }) => kind)).toEqual(['HTTPRoute', 'GRPCRoute']);
  expect(brief(listener?.conditions)).toEqual({
    Accepted: 'True Accepted',
    Programmed: 'True Programmed',
    ResolvedRefs: 'True ResolvedRefs',
    Conflicted: 'False NoConflicts',
  });
  expect(await ofRoute('default/shop')).toEqual({ Accepted: 'True Accepted', ResolvedRefs: 'True ResolvedRefs' });
});

test.each<[string, Listener[], string, Record<string, string>, string]>([
  [
    'a protocol that nobody knows',
    [{ name: 'x', port: 80, protocol: 'example.com/quic' }],
    'x',
    { Accepted: 'False UnsupportedProtocol', Programmed: 'False Invalid' },
    'False ListenersNotValid',
  ],
  [
    'a Secret that is not there',
    [{ name: 'x', port: 443, protocol: 'HTTPS', tls: { certificateRefs: [{ name: 'none' }] } }],
    'x',
    { ResolvedRefs: 'False InvalidCertificateRef', Programmed: 'False Invalid' },
    'True Accepted',
  ],
  [
    'a Secret of another namespace',
    [{ name: 'x', port: 443, protocol: 'HTTPS', tls: { certificateRefs: [{ name: 'cert', namespace: 'safe' }] } }],
    'x',
    { ResolvedRefs: 'False RefNotPermitted' },
    'True Accepted',
  ],
  [
    'a kind of route that does not fit',
    [{ ...http, name: 'x', allowedRoutes: { kinds: [{ kind: 'TCPRoute' }, { kind: 'HTTPRoute' }] } }],
    'x',
    { ResolvedRefs: 'False InvalidRouteKinds', Programmed: 'True Programmed' },
    'True Accepted',
  ],
  [
    'two protocols at one port',
    [
      { ...http, port: 8080 },
      { name: 'x', port: 8080, protocol: 'TLS', tls: { mode: 'Passthrough' } },
    ],
    'x',
    { Conflicted: 'True ProtocolConflict', Accepted: 'False ProtocolConflict' },
    'False ListenersNotValid',
  ],
  [
    'a protocol of that name that every object has',
    [http, { name: 'x', port: 81, protocol: 'constructor' }],
    'x',
    { Accepted: 'False UnsupportedProtocol', Programmed: 'False Invalid' },
    'True ListenersNotValid',
  ],
  [
    'a port that Ingresses have for something else',
    [{ ...http, name: 'x', port: 443 }],
    'x',
    { Accepted: 'False PortUnavailable', Conflicted: 'False NoConflicts', Programmed: 'False Invalid' },
    'False ListenersNotValid',
  ],
  [
    'TLS that ends here, without a certificate',
    [{ name: 'x', port: 8443, protocol: 'TLS', tls: { mode: 'Terminate', certificateRefs: [{ name: 'none' }] } }],
    'x',
    { Accepted: 'True Accepted', ResolvedRefs: 'False InvalidCertificateRef', Programmed: 'False Invalid' },
    'True Accepted',
  ],
])('a listener with %s says so', async (_, listeners, name, wanted, accepted) => {
  await gateway(listeners);
  await cluster.settles();
  const status = statusOf('Gateway', 'default/web');
  const listener = status.listeners?.find((one) => one.name === name);
  expect(brief(listener?.conditions)).toMatchObject(wanted);
  expect(brief(status.conditions)['Accepted']).toBe(accepted);
});

test('of two Gateways that speak differently at one port the older has it, and the younger as soon as it is free', async () => {
  await namedGateway('web', { gatewayClassName: 'ours', listeners: [{ ...http, port: 8080 }] });
  await cluster.settles();
  await cluster.clock.advance(1_000);
  const secure = (name: string, more: object) => ({
    name,
    hostname: 'a.example.com',
    port: 8443,
    ...more,
  });
  const passed = secure('db', { protocol: 'TLS', tls: { mode: 'Passthrough' } });
  await namedGateway('young', {
    gatewayClassName: 'ours',
    listeners: [{ ...passed, name: 'other', port: 8080 }, passed],
  });
  await cluster.settles();
  await cluster.clock.advance(1_000);
  const ended = secure('web', { protocol: 'HTTPS', tls: { certificateRefs: [{ name: 'none' }] } });
  await namedGateway('youngest', { gatewayClassName: 'ours', listeners: [ended] });
  const verdictsOf = async (name: string, at = 0) => {
    await cluster.settles();
    const { Accepted, Conflicted } = brief(statusOf('Gateway', `default/${name}`).listeners?.[at]?.conditions);
    return [Accepted, Conflicted];
  };
  const free = ['True Accepted', 'False NoConflicts'];
  expect(await verdictsOf('web')).toEqual(free);
  expect(await verdictsOf('young')).toEqual(['False ProtocolConflict', 'True ProtocolConflict']);
  expect(await verdictsOf('young', 1)).toEqual(free);
  expect(await verdictsOf('youngest')).toEqual(['False HostnameConflict', 'True HostnameConflict']);
  await cluster.delete(Gateway, 'default/web');
  expect(await verdictsOf('young')).toEqual(free);
});

test('a certificate counts when it is there, and of another namespace when that permits it', async () => {
  await cluster.create(Namespace, { metadata: { name: 'safe' } } as never);
  await gateway([
    { name: 'x', port: 443, protocol: 'HTTPS', tls: { certificateRefs: [{ name: 'cert', namespace: 'safe' }] } },
  ]);
  await cluster.create(Secret, {
    metadata: { name: 'cert', namespace: 'safe' },
    type: 'kubernetes.io/tls',
    stringData: { 'tls.crt': '-----BEGIN CERTIFICATE-----', 'tls.key': '-----BEGIN PRIVATE KEY-----' },
  } as never);
  const refs = async () => {
    await cluster.settles();
    return brief(statusOf('Gateway', 'default/web').listeners?.[0]?.conditions)['ResolvedRefs'];
  };
  expect(await refs()).toBe('False RefNotPermitted');
  await cluster.create(ReferenceGrant, {
    metadata: { name: 'gateways', namespace: 'safe' },
    spec: {
      from: [{ group: 'gateway.networking.k8s.io', kind: 'Gateway', namespace: 'default' }],
      to: [{ group: '', kind: 'Secret' }],
    },
  } as never);
  expect(await refs()).toBe('True ResolvedRefs');
});

test.each([
  ['a section that is not there', { parentRefs: [{ name: 'web', sectionName: 'other' }] }, 'False NoMatchingParent'],
  ['a port that is not there', { parentRefs: [{ name: 'web', port: 81 }] }, 'False NoMatchingParent'],
  ['another host', { hostnames: ['www.example.org'] }, 'False NoMatchingListenerHostname'],
  ['a host below the listener', { hostnames: ['a.b.example.com'] }, 'True Accepted'],
  ['a host above the listener', { hostnames: ['*.com'] }, 'True Accepted'],
])('a route with %s is told', async (_, spec, accepted) => {
  await gateway([{ ...http, hostname: '*.example.com' }]);
  await service('shop');
  await route('shop', { ...to('shop'), ...spec });
  expect((await ofRoute('default/shop'))['Accepted']).toBe(accepted);
});

test('routes of other namespaces hang on a listener that wants them', async () => {
  await cluster.create(Namespace, { metadata: { name: 'other', labels: { team: 'a' } } } as never);
  const selector = { matchLabels: { team: 'a' } };
  await gateway([{ ...http, allowedRoutes: { namespaces: { from: 'Selector', selector } } }]);
  await service('shop', 'other');
  await route('shop', to('shop'), 'other');
  await route('own', to('none'));
  expect(await ofRoute('other/shop')).toEqual({ Accepted: 'True Accepted', ResolvedRefs: 'True ResolvedRefs' });
  expect(await ofRoute('default/own')).toEqual({
    Accepted: 'False NotAllowedByListeners',
    ResolvedRefs: 'False BackendNotFound',
  });
  await cluster.patch(Namespace, 'other', { metadata: { labels: { team: 'b' } } });
  expect((await ofRoute('other/shop'))['Accepted']).toBe('False NotAllowedByListeners');
});

test('a backend of another namespace needs its permission', async () => {
  await cluster.create(Namespace, { metadata: { name: 'other' } } as never);
  await gateway([http]);
  await service('shop', 'other');
  await route('shop', to('shop', { namespace: 'other' }));
  expect((await ofRoute('default/shop'))['ResolvedRefs']).toBe('False RefNotPermitted');
  await cluster.create(ReferenceGrant, {
    metadata: { name: 'routes', namespace: 'other' },
    spec: {
      from: [{ group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', namespace: 'default' }],
      to: [{ group: '', kind: 'Service', name: 'shop' }],
    },
  } as never);
  expect((await ofRoute('default/shop'))['ResolvedRefs']).toBe('True ResolvedRefs');
});

test('what others say of a route stays, and ours goes with its Gateway', async () => {
  await gateway([http]);
  await service('shop');
  await route('shop', to('shop'));
  await cluster.settles();
  const others = { parentRef: { name: 'elsewhere' }, controllerName: 'example.com/other', conditions: [condition] };
  const own = statusOf('HTTPRoute', 'default/shop').parents ?? [];
  const at = { name: 'shop', namespace: 'default', subresource: 'status' };
  await cluster.patch(HTTPRoute, at, { status: { parents: [others, ...own] } });
  await cluster.settles();
  expect(statusOf('HTTPRoute', 'default/shop').parents?.map(({ controllerName }) => controllerName)).toEqual([
    'example.com/other',
    CONTROLLER,
  ]);
  await cluster.delete(Gateway, 'default/web');
  await cluster.settles();
  expect(statusOf('HTTPRoute', 'default/shop').parents?.map(({ controllerName }) => controllerName)).toEqual([
    'example.com/other',
  ]);
});
const condition = {
  type: 'Accepted',
  status: 'True',
  reason: 'Accepted',
  message: '',
  lastTransitionTime: '2026-01-01T00:00:00Z',
};

test('an address that is not ours cannot be had', async () => {
  await gateway([http], 'ours', { addresses: [{ type: 'IPAddress', value: '203.0.113.1' }] });
  await cluster.settles();
  expect(brief(statusOf('Gateway', 'default/web').conditions)['Programmed']).toBe('False AddressNotUsable');
});

test('a Gateway of another class is left alone', async () => {
  await gateway([http], 'theirs');
  await cluster.settles();
  expect(statusOf('Gateway', 'default/web')?.addresses).toBeUndefined();
});

test.each([
  [
    'a prefix rewrite with an exact path',
    { matches: [{ path: { type: 'Exact', value: '/a' } }], filters: [rewrite()] },
    'exactly one PathPrefix match must be specified',
  ],
  ['a path with a double slash', { matches: [{ path: { value: '/a//b' } }] }, "must not contain '//'"],
  ['a filter without its part', { filters: [{ type: 'URLRewrite' }] }, 'filter.urlRewrite must be specified'],
  [
    'a redirect and a backend',
    { filters: [{ type: 'RequestRedirect', requestRedirect: {} }], ...to('a').rules[0] },
    'must not be used together with backendRefs',
  ],
  [
    'a longer wait inside a shorter one',
    { timeouts: { request: '1s', backendRequest: '2s' } },
    'cannot be longer than request timeout',
  ],
])('the definitions refuse %s', async (_, rule, text) => {
  await expect(route('bad', { rules: [rule] })).rejects.toThrow(text);
});
function rewrite() {
  return { type: 'URLRewrite', urlRewrite: { path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/b' } } };
}

test('a bundle without GRPCRoute, TLSRoute and ReferenceGrant serves the others', async () => {
  await cluster[Symbol.asyncDispose]();
  const missing = ['GRPCRoute', 'TLSRoute', 'ReferenceGrant'];
  await clusterOf(gatewayDefinitions.filter(({ spec }) => !missing.includes(spec.names.kind)));
  await gateway([http]);
  await service('shop');
  await route('shop', to('shop'));
  expect(await ofRoute('default/shop')).toEqual({ Accepted: 'True Accepted', ResolvedRefs: 'True ResolvedRefs' });
  expect(statusOf('Gateway', 'default/web').listeners?.[0]).toMatchObject({ attachedRoutes: 1 });
});

test('of an HTTPRoute and a GRPCRoute with a common hostname the older is accepted, and the younger when it is gone', async () => {
  await gateway([http]);
  await service('shop');
  const grpc = (name: string, hostnames: string[]) =>
    cluster.create(GRPCRoute, {
      metadata: { name, namespace: 'default' },
      spec: { parentRefs: [{ name: 'web' }], hostnames, ...to('shop') },
    } as never);
  await route('oldest', { ...to('shop'), hostnames: ['*.example.com'] });
  await cluster.clock.advance(1_000);
  await grpc('calls', ['a.example.com']);
  await grpc('apart', ['example.org']);
  await cluster.clock.advance(1_000);
  await route('youngest', { ...to('shop'), hostnames: ['a.example.com'] });
  const accepted = async () => {
    await cluster.settles();
    const of = (found: KubeObject & { status?: { parents?: { conditions: Condition[] }[] } }) =>
      brief(found.status?.parents?.[0]?.conditions)['Accepted'];
    const routes = ['oldest', 'youngest'].map((name) => cluster.get(HTTPRoute, `default/${name}`));
    const calls = ['calls', 'apart'].map((name) => cluster.get(GRPCRoute, `default/${name}`));
    const all = [...routes, ...calls].flatMap((found) => (found ? [[found.metadata.name, of(found as never)]] : []));
    return { ...Object.fromEntries(all), attached: statusOf('Gateway', 'default/web').listeners?.[0]?.attachedRoutes };
  };
  // The youngest shares its hostname with the oldest, which is of its kind; the GRPCRoute that is between them has nothing.
  expect(await accepted()).toEqual({
    oldest: 'True Accepted',
    calls: 'False HostnameConflict',
    apart: 'True Accepted',
    youngest: 'True Accepted',
    attached: 3,
  });
  await cluster.delete(HTTPRoute, 'default/oldest');
  expect(await accepted()).toEqual({
    calls: 'True Accepted',
    apart: 'True Accepted',
    youngest: 'False HostnameConflict',
    attached: 2,
  });
});
