import { describe, expect, test } from 'vitest';
import { facts } from '#api/generated/facts.ts';
import { applyJsonPatch } from './json-patch.ts';
import { readJsonPatchStrictly } from './json-patch-operations.ts';
import type { Json, JsonObject } from './json-value.ts';
import { applyMergePatch } from './merge-patch.ts';
import { StatusError } from './status.ts';
import { applyStrategicMergePatch } from './strategic-merge-patch.ts';

describe('a JSON patch', () => {
  test.each<[Json, Json, Json]>([
    [{ a: 1 }, [{ op: 'add', path: '/b', value: 2 }], { a: 1, b: 2 }],
    [{ a: [1, 3] }, [{ op: 'add', path: '/a/1', value: 2 }], { a: [1, 2, 3] }],
    [{ a: [1] }, [{ op: 'add', path: '/a/-', value: 2 }], { a: [1, 2] }],
    [{ a: { b: 1 } }, [{ op: 'remove', path: '/a/b' }], { a: {} }],
    [{ a: 1 }, [{ op: 'replace', path: '/a', value: null }], { a: null }],
    [{ a: 1 }, [{ op: 'move', from: '/a', path: '/b' }], { b: 1 }],
    [{ a: { c: 1 } }, [{ op: 'copy', from: '/a', path: '/b' }], { a: { c: 1 }, b: { c: 1 } }],
    [{}, [{ op: 'copy', from: '/a', path: '/b' }], { b: null }],
    [{}, [{ op: 'replace', path: '/a', value: 1 }], { a: 1 }],
    [{ a: 1 }, [{ op: 'replace', path: '', value: { b: 1 } }], { b: 1 }],
    [{ a: 1 }, [{ op: 'add', path: '/b' }], { a: 1, b: null }],
    [{ a: 1 }, [{ op: 'add', path: 'x/b', value: 2 }], { a: 1, b: 2 }],
    [{ a: [1] }, [{ op: 'add', path: '/a/-2', value: 2 }], { a: [2, 1] }],
    [{ a: [1] }, [{ op: 'remove', path: '/a/+0' }], { a: [] }],
    [{ a: { b: 1 } }, [{ op: 'move', from: '/a', path: '/a' }], { a: { b: 1 } }],
    [
      { a: [7] },
      [
        { op: 'test', path: '/b', value: null },
        { op: 'test', path: '/a/-1', value: 7 },
      ],
      { a: [7] },
    ],
    [{ a: 1 }, null, { a: 1 }],
    [
      { a: { c: [1] } },
      [
        { op: 'add', path: '/a/c/-', value: 2 },
        { op: 'copy', from: '/a', path: '/b' },
        { op: 'add', path: '/a/c/-', value: 3 },
        { op: 'move', from: '/a', path: '/z' },
      ],
      { b: { c: [1, 2] }, z: { c: [1, 2, 3] } },
    ],
    [{ 'x/y': { '~': 1 } }, [{ op: 'test', path: '/x~1y/~0', value: 1 }], { 'x/y': { '~': 1 } }],
  ])('turns %j by %j into %j', (document, patch, expected) => {
    expect(applyJsonPatch(document, patch)).toEqual(expected);
  });

  test('the document, the patch and what is shared of them stay as they are', () => {
    const document = JSON.parse('{"a":{"b":[{"c":1}]},"same":{}}') as JsonObject;
    const patch = [
      { op: 'add', path: '/d', value: { e: [] } },
      { op: 'add', path: '/d/e/-', value: 1 },
      { op: 'replace', path: '/a/b/0/c', value: 2 },
    ];
    const before = JSON.stringify([document, patch]);
    const patched = applyJsonPatch(document, patch) as JsonObject;
    expect(patched).toEqual({ a: { b: [{ c: 2 }] }, same: {}, d: { e: [1] } });
    expect(patched['same']).toBe(document['same']);
    expect(JSON.stringify([document, patch])).toBe(before);
  });

  /** As evanphx/json-patch 4.13 says it: what webhooks, policies and `patch --local` show. */
  test.each<[Json, Json, string]>([
    [
      {},
      { op: 'remove', path: '/a' },
      "error in remove for path: '/a': Unable to remove nonexistent key: a: missing value",
    ],
    [{}, { op: 'remove', path: '/b/c' }, 'remove operation does not apply: doc is missing path: "/b/c": missing value'],
    [{}, { op: 'remove', path: '' }, 'remove operation does not apply: doc is missing path: "": missing value'],
    [{ a: [1] }, { op: 'remove', path: '/a/3' }, `error in remove for path: '/a/3': ${beyond(3)}`],
    [{ a: [1] }, { op: 'remove', path: '/a/-3' }, `error in remove for path: '/a/-3': ${beyond(-3)}`],
    [{ a: [1] }, { op: 'remove', path: '/a/-' }, `error in remove for path: '/a/-': ${noIndex('-')}`],
    [
      { a: [1] },
      { op: 'remove', path: '/a/99999999999999999999' },
      'error in remove for path: \'/a/99999999999999999999\': strconv.Atoi: parsing "99999999999999999999": value out of range',
    ],
    [
      { a: 1 },
      { op: 'add', path: '', value: {} },
      'add operation does not apply: doc is missing path: "": missing value',
    ],
    [
      { a: 1 },
      { op: 'add', path: 'x', value: 2 },
      'add operation does not apply: doc is missing path: "x": missing value',
    ],
    [
      { a: null },
      { op: 'add', path: '/a/b', value: 2 },
      'add operation does not apply: doc is missing path: "/a/b": missing value',
    ],
    [{ a: [1] }, { op: 'add', path: '/a/3', value: 2 }, `error in add for path: '/a/3': ${beyond(3)}`],
    [
      { a: [1] },
      { op: 'add', path: '/a/x', value: 2 },
      `error in add for path: '/a/x': value was not a proper array index: 'x': ${noIndex('x')}`,
    ],
    [{}, { op: 'add', value: 2 }, 'add operation failed to decode path: missing value'],
    [
      { a: [1] },
      { op: 'replace', path: '/a/4', value: 1 },
      'replace operation does not apply: doc is missing key: /a/4: missing value',
    ],
    [
      { a: [1] },
      { op: 'replace', path: '/b/x', value: 1 },
      'replace operation does not apply: doc is missing path: /b/x: missing value',
    ],
    [{}, { op: 'replace', path: '', value: 3 }, 'replace operation value must be object or array: %!w(<nil>)'],
    [
      {},
      { op: 'replace', value: 3 },
      'replace operation failed to decode path: operation missing path field: missing value',
    ],
    [
      {},
      { op: 'replace', path: 3, value: 3 },
      'replace operation failed to decode path: json: cannot unmarshal number into Go value of type string',
    ],
    [
      {},
      { op: 'move', from: '/b', path: '/c' },
      "error in move for path: 'b': Unable to remove nonexistent key: b: missing value",
    ],
    [
      {},
      { op: 'move', from: '/b/c', path: '/c' },
      'move operation does not apply: doc is missing from path: /b/c: missing value',
    ],
    [
      {},
      { op: 'move', path: '/c' },
      'move operation failed to decode from: operation, missing from field: missing value',
    ],
    [
      { a: {} },
      { op: 'move', from: '/a', path: '/a/c' },
      'move operation does not apply: doc is missing destination path: /a/c: missing value',
    ],
    [{ a: [1], b: 2 }, { op: 'move', from: '/a/3', path: '/c' }, `error in move for path: '3': ${beyond(3)}`],
    [{ a: [1], b: 2 }, { op: 'move', from: '/b', path: '/a/9' }, `error in move for path: '/a/9': ${beyond(9)}`],
    [
      {},
      { op: 'copy', from: '', path: '/c' },
      'copy operation does not apply: doc is missing from path: : missing value',
    ],
    [{ a: [1] }, { op: 'copy', from: '/a/4', path: '/c' }, `error in copy for from: '/a/4': ${beyond(4)}`],
    [
      { b: 1 },
      { op: 'copy', from: '/b', path: '/c/d' },
      'copy operation does not apply: doc is missing destination path: /c/d: missing value',
    ],
    [{ a: [1], b: 1 }, { op: 'copy', from: '/b', path: '/a/7' }, `error while adding value during copy: ${beyond(7)}`],
    [{ a: 1 }, { op: 'copy', from: '/a' }, 'copy operation failed to decode path: missing value'],
    [{ a: 1 }, { op: 'test', path: '/a', value: 2 }, 'testing value /a failed: test failed'],
    [{ a: 1 }, { op: 'test', path: '/a' }, 'testing value /a failed: test failed'],
    [{ a: 1 }, { op: 'test', path: '', value: { a: 2 } }, 'testing value  failed: test failed'],
    [{ a: [] }, { op: 'test', path: '/a', value: {} }, 'testing value /a failed: test failed'],
    [{ a: 1 }, { op: 'test', path: '/b/c' }, 'test operation does not apply: is missing path: /b/c: missing value'],
    [{ a: [1] }, { op: 'test', path: '/a/c', value: 1 }, `error in test for path: '/a/c': ${noIndex('c')}`],
    [{}, { op: 'dance', path: '/a' }, 'Unexpected kind: dance'],
    [{}, { path: '/a' }, 'Unexpected kind: unknown'],
    [{}, { op: 3, path: '/a' }, 'Unexpected kind: unknown'],
    [{}, null, 'Unexpected kind: unknown'],
  ])("on %j refuses %j with 422 and the library's reason", (document, operation, cause) => {
    const error = thrownBy(() => applyJsonPatch(document, [operation]));
    expect(error).toMatchObject({ code: 422, cause });
    expect(error.message).toBe('the server rejected our request due to an error in our request');
  });

  test.each<[Json, string]>([
    [{ op: 'add' }, 'json: cannot unmarshal object into Go value of type jsonpatch.Patch'],
    ['x', 'json: cannot unmarshal string into Go value of type jsonpatch.Patch'],
    [[3], 'json: cannot unmarshal number into Go value of type jsonpatch.Operation'],
    [[[]], 'json: cannot unmarshal array into Go value of type jsonpatch.Operation'],
  ])('that is none is refused: %j', (patch, message) => {
    expect(thrownBy(() => applyJsonPatch({}, patch))).toMatchObject({ code: 400, message });
  });

  test.each<[Json, ReturnType<typeof readJsonPatchStrictly>]>([
    [
      { op: 'add' },
      { problem: 'json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp', unknown: [] },
    ],
    [[true], { problem: 'json: cannot unmarshal bool into Go value of type handlers.jsonPatchOp', unknown: [] }],
    [
      [{ op: 'add', path: 3 }],
      { problem: 'json: cannot unmarshal number into Go struct field jsonPatchOp.path of type string', unknown: [] },
    ],
    [[null, { op: 'add', path: '/a', value: { c: 1 }, OP: '', foo: 2 }], { unknown: ['[1].OP', '[1].foo'] }],
    [null, { unknown: [] }],
  ])('%j is read strictly as %j', (patch, expected) => {
    expect(readJsonPatchStrictly(patch)).toEqual(expected);
  });

  test('with too many operations is refused whole', () => {
    const patch = Array.from({ length: 10_001 }, () => ({ op: 'test', path: '', value: {} }));
    expect(thrownBy(() => applyJsonPatch({}, patch)).code).toBe(413);
  });

  test('does not change what objects are made of', () => {
    const patched = applyJsonPatch({ data: {} }, [{ op: 'add', path: '/data/__proto__', value: { polluted: true } }]);
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
    expect(JSON.stringify(patched)).toBe('{"data":{"__proto__":{"polluted":true}}}');
  });
});

test.each<[Json, Json, Json]>([
  [
    { a: 1, b: 2 },
    { a: null, c: 3 },
    { b: 2, c: 3 },
  ],
  [{ a: { b: 1, c: 2 } }, { a: { b: null } }, { a: { c: 2 } }],
  [{ a: [1, 2] }, { a: [3] }, { a: [3] }],
  [{ a: 'x' }, { a: { b: { c: null, d: 1 } } }, { a: { b: { d: 1 } } }],
])('a merge patch turns %j by %j into %j', (document, patch, expected) => {
  expect(applyMergePatch(document, patch)).toEqual(expected);
});

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
    expect(thrownBy(() => patched(document as unknown as JsonObject, patch))).toMatchObject({ code: 400, message });
  });
});

const beyond = (index: number) => `Unable to access invalid index: ${index}: invalid index referenced`;
const noIndex = (token: string) => `strconv.Atoi: parsing "${token}": invalid syntax`;

function thrownBy(run: () => unknown): StatusError {
  try {
    run();
  } catch (error) {
    if (error instanceof StatusError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}
