import { expect, test } from 'vitest';
import { isSameJson } from './same-json.ts';

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
