import { describe, expect, test } from 'vitest';
import { createKindRegistry } from '#api/machinery/kind-registry.ts';
import type { Kind } from '#api/machinery/kind.ts';
import { createDiscovery } from './discovery.ts';
import { compareVersions } from '#api/machinery/version-order.ts';

const ALL = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'];
const kind = (group: string, version: string, name: string, more: Partial<Kind> = {}): Kind =>
  ({
    group,
    version,
    kind: name,
    plural: `${name.toLowerCase()}s`,
    singular: name.toLowerCase(),
    scope: 'Namespaced',
    verbs: ALL,
    shortNames: [],
    categories: [],
    subresources: [],
    ...more,
  }) as Kind;

const registry = () =>
  createKindRegistry([
    kind('', 'v1', 'Pod', {
      shortNames: ['po'],
      categories: ['all'],
      subresources: [
        { name: 'log', verbs: ['get'] },
        { name: 'eviction', verbs: ['create'], serves: { group: 'policy', version: 'v1', kind: 'Eviction' } },
      ],
    }),
    kind('', 'v1', 'Namespace', { scope: 'Cluster' }),
    kind('example.com', 'v1beta1', 'Thing'),
    kind('example.com', 'v1', 'Thing'),
    kind('autoscaling', 'v1', 'HorizontalPodAutoscaler'),
    kind('autoscaling', 'v2', 'HorizontalPodAutoscaler'),
    kind('apps', 'v1', 'Deployment'),
    kind('apiregistration.k8s.io', 'v1', 'APIService', { scope: 'Cluster' }),
    kind('policy', 'v1', 'Eviction', { verbs: [] }),
  ]);
const json = (document: { body: Buffer } | undefined) => document && JSON.parse(document.body.toString());

describe('groups', () => {
  test('stand in upstream order, custom ones last; kinds that are only bodies make no group', () => {
    const groups = json(createDiscovery(registry()).groups());
    expect(groups.groups.map(({ name }: { name: string }) => name)).toEqual([
      'apiregistration.k8s.io',
      'apps',
      'autoscaling',
      'example.com',
    ]);
  });

  test('prefer their best version', () => {
    const discovery = createDiscovery(registry());
    expect(json(discovery.group('autoscaling')).preferredVersion).toEqual({
      groupVersion: 'autoscaling/v2',
      version: 'v2',
    });
    expect(json(discovery.group('example.com')).versions.map(({ version }: { version: string }) => version)).toEqual([
      'v1',
      'v1beta1',
    ]);
    expect(discovery.group('nothing.example.com')).toBeUndefined();
  });
});

test('resources of a version with their subresources, by name', () => {
  expect(json(createDiscovery(registry()).resources('', 'v1'))).toEqual({
    kind: 'APIResourceList',
    groupVersion: 'v1',
    resources: [
      {
        name: 'namespaces',
        singularName: 'namespace',
        namespaced: false,
        kind: 'Namespace',
        verbs: ALL,
        storageVersionHash: 'Q3oi5N2YM8M=',
      },
      {
        name: 'pods',
        singularName: 'pod',
        namespaced: true,
        kind: 'Pod',
        verbs: ALL,
        shortNames: ['po'],
        categories: ['all'],
        storageVersionHash: 'xPOwRZ+Yhw8=',
      },
      {
        name: 'pods/eviction',
        singularName: '',
        namespaced: true,
        group: 'policy',
        version: 'v1',
        kind: 'Eviction',
        verbs: ['create'],
      },
      { name: 'pods/log', singularName: '', namespaced: true, kind: 'Pod', verbs: ['get'] },
    ],
  });
});

test('a version that nothing is served in is unknown', () => {
  expect(createDiscovery(registry()).resources('apps', 'v2')).toBeUndefined();
});

test('the aggregated documents hold the legacy group apart from the others', () => {
  const discovery = createDiscovery(registry());
  expect(json(discovery.aggregated('api')).items).toMatchObject([
    { metadata: {}, versions: [{ version: 'v1', freshness: 'Current' }] },
  ]);
  const [pods] = json(discovery.aggregated('api')).items[0].versions[0].resources.slice(-1);
  expect(pods).toEqual({
    resource: 'pods',
    responseKind: { group: '', version: 'v1', kind: 'Pod' },
    scope: 'Namespaced',
    singularResource: 'pod',
    verbs: ALL,
    shortNames: ['po'],
    categories: ['all'],
    subresources: [
      {
        subresource: 'eviction',
        responseKind: { group: 'policy', version: 'v1', kind: 'Eviction' },
        verbs: ['create'],
      },
      { subresource: 'log', responseKind: { group: '', version: 'v1', kind: 'Pod' }, verbs: ['get'] },
    ],
  });
  expect(
    json(discovery.aggregated('apis')).items.map(({ metadata }: { metadata: { name: string } }) => metadata.name),
  ).toEqual(['apiregistration.k8s.io', 'apps', 'autoscaling', 'example.com']);
});

test('a document keeps its bytes and ETag until the kinds change', () => {
  const kinds = registry();
  const discovery = createDiscovery(kinds);
  const before = discovery.aggregated('apis');
  expect(discovery.aggregated('apis')).toBe(before);
  kinds.add(kind('other.example.com', 'v1', 'Gadget'));
  expect(discovery.aggregated('apis').etag).not.toBe(before.etag);
});

test('versions sort as Kubernetes versions do', () => {
  const versions = ['foo10', 'v3beta1', 'v1', 'v12alpha1', 'foo1', 'v10', 'v11beta2', 'v2', 'v11alpha2', 'v10beta3'];
  expect(versions.sort(compareVersions)).toEqual([
    ...['v10', 'v2', 'v1', 'v11beta2', 'v10beta3', 'v3beta1', 'v12alpha1', 'v11alpha2', 'foo1', 'foo10'],
  ]);
});

describe('groups of other API servers', () => {
  const remote = (group: string, version: string, more: object = {}) => ({
    group,
    version,
    groupPriority: 2000,
    versionPriority: 15,
    resources: [],
    isStale: false,
    ...more,
  });
  const of = (...described: ReturnType<typeof remote>[]) => ({
    generation: 1,
    registered: () => [...described, remote('unknown.example.com', 'v1')],
    described: () => described,
  });
  const names = (document: { body: Buffer }) =>
    json(document).items.map(({ metadata }: { metadata: { name: string } }) => metadata.name);

  test('stand where their priorities put them, among versions too', () => {
    const discovery = createDiscovery(
      registry(),
      of(
        remote('a.example.com', 'v1', { groupPriority: 100 }),
        remote('z.example.com', 'v1', { groupPriority: 17_600 }),
        remote('example.com', 'v2alpha1', { versionPriority: 500 }),
      ),
    );
    expect(names(discovery.aggregated('apis'))).toEqual([
      'apiregistration.k8s.io',
      'apps',
      'z.example.com',
      'autoscaling',
      'example.com',
      'a.example.com',
    ]);
    expect(json(discovery.group('example.com')).preferredVersion.version).toBe('v2alpha1');
  });

  test('have no resources when they are stale, and are listed at once by APIService', () => {
    const flunders = { resource: 'flunders', scope: 'Namespaced', verbs: ['get'] } as never;
    const discovery = createDiscovery(
      registry(),
      of(
        remote('w.example.com', 'v1', { resources: [flunders], isStale: true }),
        remote('x.example.com', 'v1', { isStale: true }),
      ),
    );
    const items = json(discovery.aggregated('apis')).items.slice(-3);
    const stale = [{ version: 'v1', freshness: 'Stale' }];
    expect(items.slice(0, 2)).toEqual([
      { metadata: { name: 'w.example.com' }, versions: stale },
      { metadata: { name: 'x.example.com' }, versions: stale },
    ]);
    const legacy = json(discovery.groups()).groups.map(({ name }: { name: string }) => name);
    expect(legacy).toContain('unknown.example.com');
    expect(discovery.resources('w.example.com', 'v1')).toBeUndefined(); // its server answers for itself
  });
});
