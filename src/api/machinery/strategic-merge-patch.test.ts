import { describe, expect, test } from 'vitest';
import { facts } from '#api/generated/facts.ts';
import type { JsonObject } from './json-value.ts';
import { applyStrategicMergePatch } from './strategic-merge-patch.ts';

describe('a strategic merge patch', () => {
  const pod = facts.typeOfKind('', 'v1', 'Pod');
  const deployment = facts.typeOfKind('apps', 'v1', 'Deployment');
  const patched = (document: JsonObject, patch: JsonObject, type = pod) =>
    applyStrategicMergePatch(document, patch, { type, facts });
  const containers = (...names: string[]) => names.map((name) => ({ name, image: `${name}:1` }));
  const spec = (value: JsonObject): JsonObject => ({ spec: value });

  test('merges containers by their name', () => {
    expect(
      patched(
        spec({ containers: containers('a', 'b') }),
        spec({ containers: [{ name: 'b', image: 'b:2' }, { name: 'c' }] }),
      ),
    ).toEqual(spec({ containers: [{ name: 'a', image: 'a:1' }, { name: 'b', image: 'b:2' }, { name: 'c' }] }));
  });

  test('deletes one element by a directive', () => {
    expect(
      patched(spec({ containers: containers('a', 'b') }), spec({ containers: [{ name: 'a', $patch: 'delete' }] })),
    ).toEqual(spec({ containers: containers('b') }));
  });

  test('replaces a list or a map that says so', () => {
    expect(
      patched(spec({ containers: containers('a') }), spec({ containers: [{ name: 'z' }, { $patch: 'replace' }] })),
    ).toEqual(spec({ containers: [{ name: 'z' }] }));
    expect(
      patched({ metadata: { labels: { a: '1' } } }, { metadata: { labels: { $patch: 'replace', b: '2' } } }),
    ).toEqual({ metadata: { labels: { b: '2' } } });
  });

  test('puts what it names in its own order, each before what stood behind it', () => {
    expect(patched(spec({ containers: containers('b', 'd') }), spec({ containers: containers('c', 'b') }))).toEqual(
      spec({ containers: containers('c', 'b', 'd') }),
    );
    expect(patched(spec({ containers: containers('a', 'b') }), spec({ containers: containers('c') }))).toEqual(
      spec({ containers: containers('c', 'a', 'b') }),
    );
  });

  test('orders as it is told, others keep their place', () => {
    expect(
      patched(
        spec({ containers: containers('a', 'x', 'b') }),
        spec({
          containers: [{ name: 'c' }],
          '$setElementOrder/containers': [{ name: 'b' }, { name: 'c' }, { name: 'a' }],
        }),
      ),
    ).toEqual(spec({ containers: [...containers('x', 'b'), { name: 'c' }, ...containers('a')] }));
  });

  test('takes single values out of a list of them', () => {
    expect(
      patched(
        { metadata: { finalizers: ['a/b', 'c/d'] } },
        { metadata: { '$deleteFromPrimitiveList/finalizers': ['a/b'], finalizers: ['e/f'] } },
      ),
    ).toEqual({ metadata: { finalizers: ['e/f', 'c/d'] } });
  });

  test('keeps only the named fields of a union', () => {
    expect(
      patched(
        spec({ strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1 } } }),
        spec({ strategy: { $retainKeys: ['type'], type: 'Recreate' } }),
        deployment,
      ),
    ).toEqual(spec({ strategy: { type: 'Recreate' } }));
  });

  test('merges through fields that are inlined', () => {
    expect(
      patched(
        spec({ volumes: [{ name: 'v', secret: { secretName: 's', optional: true } }] }),
        spec({ volumes: [{ name: 'v', secret: { secretName: 't' } }] }),
      ),
    ).toEqual(spec({ volumes: [{ name: 'v', secret: { secretName: 't', optional: true } }] }));
  });

  test('replaces lists that have no key, removes what is null, drops nulls of what is new', () => {
    expect(
      patched(
        spec({ containers: [{ name: 'a', command: ['x', 'y'], image: 'i' }] }),
        spec({ containers: [{ name: 'a', command: ['z'], image: null }], nodeSelector: { a: null, b: '1' } }),
      ),
    ).toEqual(spec({ containers: [{ name: 'a', command: ['z'] }], nodeSelector: { b: '1' } }));
  });

  /** As apimachinery 0.36 merges them: a document of one field, a patch of it, what it becomes. */
  test.each<[string, JsonObject, JsonObject, JsonObject]>([
    [
      'Service: ports are merged by port',
      { ports: [{ port: 80, name: 'a' }, { port: 81 }] },
      {
        ports: [
          { port: 81, $patch: 'delete' },
          { port: 80, name: 'b' },
          { port: 82, sub: { $patch: 'x' } },
        ],
      },
      {
        ports: [
          { port: 80, name: 'b' },
          { port: 82, sub: { $patch: 'x' } },
        ],
      },
    ],
    [
      'Service: a list that is one value is taken as it is, directives and all',
      { externalIPs: ['1.2.3.4'], ports: [] },
      { externalIPs: ['5.6.7.8'], '$setElementOrder/externalIPs': ['5.6.7.8'], ports: null },
      { externalIPs: ['5.6.7.8'] },
    ],
    [
      'ServiceAccount: secrets by name, imagePullSecrets whole',
      { secrets: [{ name: 'a' }], imagePullSecrets: [{ name: 'a' }] },
      { secrets: [{ name: 'b' }, { $patch: 'replace' }], imagePullSecrets: [{ name: 'a', $patch: 'delete' }] },
      { secrets: [{ name: 'b' }], imagePullSecrets: [{ name: 'a', $patch: 'delete' }] },
    ],
    [
      'Deployment: what is new keeps nothing with a directive, nor what is null',
      {},
      {
        template: {
          spec: { nodeSelector: { $patch: 'replace', a: 'b' }, hostNetwork: null, volumes: [{ $patch: 'delete' }] },
        },
      },
      { template: { spec: { volumes: [] } } },
    ],
    ['Deployment: a map in the place of a value', { paused: true }, { paused: { $patch: 'replace' } }, {}],
    [
      'Deployment: $retainKeys of a strategy with more than it had',
      { strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1 } } },
      { strategy: { $retainKeys: ['type', 'rollingUpdate'], rollingUpdate: { maxUnavailable: 2 } } },
      { strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 2 } } },
    ],
    [
      'Pod: tolerations are one value, hostAliases are merged by ip, readinessGates are one value',
      {
        tolerations: [{ key: 'a' }],
        hostAliases: [{ ip: '1.2.3.4', hostnames: ['a'] }],
        readinessGates: [{ conditionType: 'a' }],
      },
      {
        tolerations: [{ key: 'b' }],
        hostAliases: [{ ip: '1.2.3.4', hostnames: ['b'] }],
        readinessGates: [{ conditionType: 'b' }],
      },
      {
        tolerations: [{ key: 'b' }],
        hostAliases: [{ ip: '1.2.3.4', hostnames: ['b'] }],
        readinessGates: [{ conditionType: 'b' }],
      },
    ],
    [
      'Pod: topologySpreadConstraints are merged by topologyKey',
      {
        topologySpreadConstraints: [
          { topologyKey: 'zone', maxSkew: 1 },
          { topologyKey: 'host', maxSkew: 1 },
        ],
      },
      {
        topologySpreadConstraints: [{ topologyKey: 'host', maxSkew: 2 }],
        '$setElementOrder/topologySpreadConstraints': [{ topologyKey: 'host' }, { topologyKey: 'zone' }],
      },
      {
        topologySpreadConstraints: [
          { topologyKey: 'host', maxSkew: 2 },
          { topologyKey: 'zone', maxSkew: 1 },
        ],
      },
    ],
    [
      'Namespace: finalizers are one value',
      { finalizers: ['kubernetes'] },
      { '$setElementOrder/finalizers': ['a/b'], finalizers: ['a/b'] },
      { finalizers: ['a/b'] },
    ],
    [
      'StatefulSet: a map that says delete is empty, one that is null goes',
      { persistentVolumeClaimRetentionPolicy: { whenScaled: 'Delete' }, ordinals: { start: 1 } },
      { persistentVolumeClaimRetentionPolicy: { $patch: 'delete' }, ordinals: null },
      { persistentVolumeClaimRetentionPolicy: {} },
    ],
  ])('of a %s', (title, document, patch, expected) => {
    const [kind = ''] = title.split(':');
    const group = ['Deployment', 'StatefulSet'].includes(kind) ? 'apps' : '';
    const type = facts.typeOfKind(group, 'v1', kind);
    const [before, change, after] =
      kind === 'ServiceAccount' ? [document, patch, expected] : [spec(document), spec(patch), spec(expected)];
    expect(patched(before, change, type)).toEqual(after);
  });

  test.each<[JsonObject, string]>([
    [{ $patch: 'dance' }, 'unknown patch type: dance in map: map[$patch:dance]'],
    [spec({ containers: [{ image: 'x' }] }), 'map: map[image:x] does not contain declared merge key: name'],
    [spec({ containers: [{ $patch: 'delete' }] }), 'map: map[$patch:delete] does not contain declared merge key: name'],
    [
      spec({ containers: [{ name: 'a', $patch: 'dance' }] }),
      'unknown patch type: dance in map: map[$patch:dance name:a]',
    ],
    [spec({ containers: [{ name: 'a', $patch: 'merge' }] }), 'merging lists cannot yet be specified in the patch'],
    [spec({ containers: ['a'] }), 'list element types are not identical: [[map[image:a:1 name:a]] [a]]'],
    [
      spec({ '$deleteFromPrimitiveList/containers': ['a'] }),
      'list element types are not identical: [[map[image:a:1 name:a]] [a]]',
    ],
    [{ metadata: { $retainKeys: 'name' } }, 'invalid patch format of retainKeys'],
    [{ metadata: { $retainKeys: ['name'], labels: {} } }, 'invalid patch format of retainKeys'],
    [
      { metadata: { finalizers: ['a/b'], '$setElementOrder/finalizers': ['c/d'] } },
      "The order in patch list:\n[a/b]\n doesn't match $setElementOrder list:\n[c/d]\n",
    ],
  ])('%j contradicts itself or the type', (patch, message) => {
    const document = { metadata: { name: 'p', finalizers: ['c/d'] }, ...spec({ containers: containers('a') }) };
    const patching = () => patched(document as unknown as JsonObject, patch);
    expect(patching).toThrow(expect.objectContaining({ code: 400, message }));
  });
});
