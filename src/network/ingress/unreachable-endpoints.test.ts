import { expect, test } from 'vitest';
import { UnreachableEndpoints } from './unreachable-endpoints.ts';

const [a, b, c] = ['10.244.1.1', '10.244.2.1', 'fd00::1'].map((address) => ({ address, port: 80 }));
const all = [a!, b!, c!];

test('who could not be reached is asked last, and is not left out', () => {
  const unreachable = new UnreachableEndpoints();
  expect(unreachable.isEmpty).toBe(true);
  unreachable.failed(a!, 0);
  expect(unreachable.isEmpty).toBe(false);
  expect(unreachable.order(all, 1)).toEqual([b, c, a]);
  expect(unreachable.order([b!, a!], 1)).toEqual([b, a]);
  expect(unreachable.order([a!], 1)).toEqual([a]);
  expect(unreachable.order([], 1)).toEqual([]);
});

test('after ten seconds one request tries again, and others go elsewhere until that is decided', () => {
  const unreachable = new UnreachableEndpoints();
  unreachable.failed(c!, 0);
  expect(unreachable.order([c!, a!], 9_999)).toEqual([a, c]);
  expect(unreachable.order([c!, a!], 10_000)).toEqual([c, a]);
  expect(unreachable.order([c!, a!], 10_001)).toEqual([a, c]);
  unreachable.answered(c!);
  expect(unreachable.order([c!, a!], 10_002)).toEqual([c, a]);
  expect(unreachable.isEmpty).toBe(true);
});

test('one is not tried again by a request that has another before it', () => {
  const unreachable = new UnreachableEndpoints();
  unreachable.failed(b!, 0);
  expect(unreachable.order(all, 10_000)).toEqual([a, c, b]);
  expect(unreachable.order([b!, a!], 10_000)).toEqual([b, a]);
  expect(unreachable.order([b!, a!], 10_000)).toEqual([a, b]);
});

test('the request that tries one again goes to none of the others that are in doubt before those that are not', () => {
  const unreachable = new UnreachableEndpoints();
  unreachable.failed(a!, 0);
  unreachable.failed(b!, 5_000);
  expect(unreachable.order(all, 10_000)).toEqual([a, c, b]);
  expect(unreachable.order([b!, a!, c!], 15_000)).toEqual([b, c, a]);
});

test('where all are in doubt, all are asked in the order that they had', () => {
  const unreachable = new UnreachableEndpoints();
  for (const each of all) unreachable.failed(each, 0);
  for (const nowMs of [1, 10_000, 10_001]) expect(unreachable.order(all, nowMs)).toEqual(all);
});

test('of many no more are given than are asked', () => {
  const unreachable = new UnreachableEndpoints();
  unreachable.failed(a!, 0);
  expect(unreachable.order(all, 1, 1)).toEqual([b]);
  expect(unreachable.order(all, 1, 2)).toEqual([b, c]);
  expect(unreachable.order([a!, b!], 1, 2)).toEqual([b, a]);
});

test('who is no endpoint any more is forgotten', () => {
  const unreachable = new UnreachableEndpoints();
  unreachable.failed(a!, 0);
  unreachable.failed(c!, 0);
  unreachable.forget((key) => key === '[fd00::1]:80');
  expect(unreachable.order([c!, b!, a!], 1)).toEqual([b, a, c]);
});
