import { expect, test } from 'vitest';
import { endpointStateOf, usableOf } from './usable-endpoints.ts';

test.each([
  ['ready ones', [{ ready: true }, { ready: false, serving: true }, { ready: false }], [0]],
  ['serving ones where none is ready', [{ ready: false, serving: true }, { ready: false }], [0]],
  ['nobody where none serves', [{ ready: false, serving: false }], []],
  ['those of which nothing is known', [undefined, {}], [0, 1]],
])('traffic goes to %s', (_, conditions, wanted) => {
  const endpoints = conditions.map((each, at) => ({ at, ...endpointStateOf(each) }));
  expect(usableOf(endpoints).map(({ at }) => at)).toEqual(wanted);
});

const forNode = (name: string, zone?: string) => ({
  forNodes: [{ name }],
  ...(zone && { forZones: [{ name: zone }] }),
});
const forZone = (name: string) => ({ forZones: [{ name }] });

test.each([
  ['its zone', [forZone('a'), forZone('b'), forZone('a')], [0, 2]],
  ['all where none is for its zone', [forZone('b'), forZone('c')], [0, 1]],
  ['all where one says nothing', [forZone('a'), undefined], [0, 1]],
  ['its node', [forNode('node1', 'a'), forNode('node2', 'a'), forNode('node1', 'b')], [0, 2]],
  ['its zone where none is for its node', [forNode('node2', 'a'), forNode('node3', 'b')], [0]],
  ['its zone where not all are for a node', [forNode('node1', 'a'), forZone('a'), forZone('b')], [0, 1]],
])('with hints traffic goes to %s', (_, hints, wanted) => {
  const endpoints = hints.map((each, at) => ({ at, isReady: true, isServing: true, hints: each }));
  expect(usableOf(endpoints, { nodeName: 'node1', zone: 'a' }).map(({ at }) => at)).toEqual(wanted);
  expect(usableOf(endpoints)).toHaveLength(hints.length);
});

test('a node without a zone takes no notice of zones, and hints of those that are not ready say nothing', () => {
  const state = { isReady: true, isServing: true };
  const place = { nodeName: 'node1', zone: undefined };
  expect(
    usableOf(
      [
        { ...state, hints: forZone('a') },
        { ...state, hints: forZone('b') },
      ],
      place,
    ),
  ).toHaveLength(2);
  const unready = { isReady: false, isServing: true, hints: undefined };
  const near = { ...state, hints: forZone('a') };
  expect(usableOf([unready, near, { ...state, hints: forZone('b') }], { ...place, zone: 'a' })).toEqual([near]);
});
