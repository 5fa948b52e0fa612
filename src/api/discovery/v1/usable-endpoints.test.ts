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
