import { expect, test } from 'vitest';
import type { KubeObject } from '#api/machinery/object.ts';
import { isSameJson, isSameState } from './same-json.ts';

for (const [a, b, same] of [
  [{ a: 1, b: 2 }, { b: 2, a: 1 }, true],
  [{ a: 1, b: undefined }, { a: 1 }, true],
  [{ a: [] }, {}, false],
  [{ a: null }, {}, false],
  [{ a: [1, 2] }, { a: [2, 1] }, false],
  [{ a: 1 }, { a: 1, b: 2 }, false],
  [{ a: undefined, b: 1 }, { a: 1, b: undefined }, false],
  [[], {}, false],
] as const) {
  test(`${JSON.stringify(a)} and ${JSON.stringify(b)} are ${same ? '' : 'not '}stored alike`, () => {
    expect(isSameJson(a, b)).toBe(same);
    expect(isSameJson(b, a)).toBe(same);
  });
}

test('two states differ by more than their versions', () => {
  const state = (metadata: object, more: object = {}) =>
    ({ apiVersion: 'v1', kind: 'Thing', metadata: { name: 'a', ...metadata }, ...more }) as unknown as KubeObject;
  const one = state({ resourceVersion: '1', labels: { a: 'b' } }, { spec: { resourceVersion: '1' } });
  for (const same of [
    state({ labels: { a: 'b' } }, { spec: { resourceVersion: '1' } }),
    state({ resourceVersion: '2', labels: { a: 'b' } }, { spec: { resourceVersion: '1' }, status: undefined }),
  ]) {
    expect(isSameState(one, same)).toBe(true);
    expect(isSameState(same, one)).toBe(true);
  }
  for (const other of [
    state({ resourceVersion: '1' }, { spec: { resourceVersion: '1' } }),
    state({ resourceVersion: '1', labels: { a: 'c' } }, { spec: { resourceVersion: '1' } }),
    state({ resourceVersion: '1', labels: { a: 'b' } }, { spec: { resourceVersion: '2' } }),
    state({ resourceVersion: '1', labels: { a: 'b' } }, { spec: { resourceVersion: '1' }, status: {} }),
  ]) {
    expect(isSameState(one, other)).toBe(false);
    expect(isSameState(other, one)).toBe(false);
  }
});
