import { expect, test } from 'vitest';
import { ConfigMap } from '#api/core/v1/config-map.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { listOptionsOf, selectionOf, watchOptionsOf } from './list-options.ts';

const at = (query: string, namespace = '') => ({ query: new URLSearchParams(query), namespace });
const freshness = (query: string) => listOptionsOf(Pod, at(query)).freshness;

for (const [query, expected] of [
  ['', 'newest'],
  ['resourceVersion=0', 'any'],
  ['resourceVersion=0&limit=5', 'any'],
  ['resourceVersion=7', { notOlderThan: 7 }],
  ['resourceVersion=7&resourceVersionMatch=NotOlderThan&limit=5', { notOlderThan: 7 }],
  ['resourceVersion=7&resourceVersionMatch=Exact', { exact: 7 }],
  ['resourceVersion=7&limit=5', { exact: 7 }],
] as const) {
  test(`how new a list must be: ${query || 'nothing said'}`, () => expect(freshness(query)).toEqual(expected));
}

for (const [query, text] of [
  ['resourceVersionMatch=Exact', 'resourceVersionMatch is forbidden unless resourceVersion is provided'],
  ['resourceVersionMatch=Exact&resourceVersion=0', 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'],
  ['resourceVersionMatch=Some&resourceVersion=1', 'Unsupported value: "Some"'],
  ['sendInitialEvents=true', 'sendInitialEvents is forbidden for list'],
  ['limit=x', 'strconv.ParseInt: parsing "x": invalid syntax'],
  ['resourceVersion=x', 'parsing "x": invalid syntax'],
  ['continue=abc&resourceVersion=7', 'specifying resource version is not allowed when using continue'],
  ['labelSelector=a%3D%3D%3Db', "found '=', expected: identifier"],
  ['fieldSelector=spec.foo%3Dx', 'field label not supported: spec.foo'],
] as const) {
  test(`a list is refused: ${query}`, () => expect(() => listOptionsOf(Pod, at(query))).toThrow(text));
}

test('a kind without fields of its own says which there are', () => {
  expect(() => listOptionsOf(ConfigMap, at('fieldSelector=data%3Dx'))).toThrow(
    '"data" is not a known field selector: only "metadata.name", "metadata.namespace"',
  );
});

for (const [query, expected] of [
  ['', { from: 'newest', initialEvents: true, initialEventsEnd: false }],
  ['resourceVersion=0', { from: 'any', initialEvents: true }],
  ['resourceVersion=7', { from: 7, initialEvents: false }],
  [
    'sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true',
    { from: 'newest', initialEvents: true, initialEventsEnd: true, bookmarks: true },
  ],
  ['sendInitialEvents=false&resourceVersionMatch=NotOlderThan', { from: 'newest', initialEvents: false }],
  ['timeoutSeconds=30', { timeoutSeconds: 30 }],
] as const) {
  test(`how a watch begins: ${query || 'nothing said'}`, () =>
    expect(watchOptionsOf(Pod, at(query))).toMatchObject(expected));
}

test('a watch that wants what it cannot have is refused with upstream’s words', () => {
  expect(() => watchOptionsOf(Pod, at('sendInitialEvents=true'))).toThrow(
    'sendInitialEvents requires setting resourceVersionMatch to NotOlderThan',
  );
  expect(() => watchOptionsOf(Pod, at('resourceVersionMatch=NotOlderThan'))).toThrow(
    'resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided',
  );
});

test('a selection uses names, namespaces and one index, and compares only the rest', () => {
  const selector = 'metadata.namespace%3Dns,spec.nodeName%3Dn1,status.phase!%3DFailed';
  const selection = selectionOf(Pod, at(`fieldSelector=${selector}&labelSelector=app`));
  expect(selection).toMatchObject({ namespace: 'ns', where: { field: 'spec.nodeName', equals: 'n1' } });
  const pod = (phase: string, labels: object) => ({
    object: () => ({ metadata: { labels }, spec: {}, status: { phase } }),
  });
  expect(selection.match?.(pod('Running', { app: '' }) as never)).toBe(true);
  expect(selection.match?.(pod('Failed', { app: '' }) as never)).toBe(false);
  expect(selection.match?.(pod('Running', {}) as never)).toBe(false);
  expect(selectionOf(Pod, at('fieldSelector=metadata.name%3Dp', 'ns'))).toEqual({ namespace: 'ns', name: 'p' });
  expect(selectionOf(Pod, at(''))).toEqual({});
});
