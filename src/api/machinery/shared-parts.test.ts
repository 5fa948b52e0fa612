import { expect, test } from 'vitest';
import { findingOnce, isShared, share } from './shared-parts.ts';

test('of a shared part something is found once, of any other each time', () => {
  const asked: object[] = [];
  const sizeOf = findingOnce((part: object) => {
    asked.push(part);
    return Object.keys(part).length;
  });
  const [shared, own] = [share({ a: 1 }), { a: 1, b: 2 }];
  expect([sizeOf(shared), sizeOf(own), sizeOf(shared), sizeOf(own)]).toEqual([1, 2, 1, 2]);
  expect(asked).toEqual([shared, own, own]);
});

test('what a shared part is made of is shared, and nobody can change any of it', () => {
  const part = share({ list: [{ name: 'x' }], text: 'x', nothing: null });
  expect([isShared(part), isShared(part.list), isShared(part.text), isShared(part.nothing)]).toEqual([
    true,
    true,
    false,
    false,
  ]);
  expect(() => {
    part.list[0]!.name = 'y';
  }).toThrow(TypeError);
});
