import { describe, expect, it, test } from 'vitest';
import { seededRandom } from '#base/random.ts';
import { share } from '../shared-parts.ts';
import { compareObjects } from './compare.ts';
import type { Shape } from './field-shape.ts';

const LEAF: Shape = { form: 'leaf' };
const field = (name: string, shape: Shape) => ({ name, element: `f:${name}`, shape, zero: undefined });
const structOf = (...fields: ReturnType<typeof field>[]): Shape => ({
  form: 'struct',
  fields,
  byName: new Map(fields.map((one) => [one.name, one])),
});
const port = structOf(field('name', LEAF), field('number', LEAF), field('protocol', LEAF));
const ports: Shape = { form: 'items', keys: ['number', 'protocol'], keyDefaults: { protocol: 'TCP' }, item: port };
const shape = structOf(field('ports', ports));

const compare = (before: unknown[], after: unknown[]) =>
  compareObjects({ ports: before }, { ports: after }, shape, () => true);

describe('items of a keyed list', () => {
  it('that change at their places are named by their keys, in order', () => {
    const before = [{ number: 9, name: 'a' }, { number: 80, protocol: 'UDP' }, { number: 443 }];
    const after = [
      { number: 9, name: 'b' },
      { number: 80, protocol: 'UDP' },
      { number: 443, name: 'c' },
    ];
    const { touched, removed } = compare(before, after);
    expect(removed).toBeUndefined();
    expect(Object.entries(touched!['f:ports']!)).toEqual([
      ['k:{"number":443,"protocol":"TCP"}', { 'f:name': {} }],
      ['k:{"number":9,"protocol":"TCP"}', { 'f:name': {} }],
    ]);
  });

  it('are told apart by their places as by their elements, whichever come twice, move or have no keys', () => {
    const random = seededRandom(7);
    const pick = <T>(...choices: T[]): T => choices[Math.floor(random.next() * choices.length)]!;
    const item = () =>
      pick<unknown>(
        { number: pick(1, 2, 3), protocol: pick('TCP', 'UDP', undefined), name: pick('a', 'b', undefined) },
        { number: pick(1, 2, 3), name: pick('a', 'b') },
        { name: pick('a', 'b') },
        pick<unknown>(null, 'text', 7),
      );
    // With these a list is too long to be looked at place by place; they change nothing.
    const others = Array.from({ length: 9 }, (_, index) => Object.freeze({ number: 100 + index }));
    let inPlace = 0;
    for (let round = 0; round < 3_000; round++) {
      const before = Array.from({ length: pick(1, 2, 3, 4) }, item);
      const after = before.map((one) => (random.next() < 0.6 ? one : changed(one, item(), random.next())));
      const found = compare(before, after);
      expect(found).toEqual(compare([...before, ...others], [...after, ...others]));
      if (found.touched && !found.removed) inPlace++;
    }
    expect(inPlace).toBeGreaterThan(100);
  });
});

/** Mostly the same item with another name. */
const changed = (one: unknown, other: unknown, dice: number): unknown =>
  dice < 0.7 && typeof one === 'object' && one !== null ? { ...one, name: 'new' } : other;

test.each([
  ['a type', structOf(field('constructor', LEAF), field('__proto__', LEAF), field('name', LEAF))],
  ['a map', { form: 'map', known: new Map(), others: LEAF, isStruct: false } as const],
])('fields of %s may be called as what every object inherits', (_, of) => {
  const named = (value: unknown) => JSON.parse(`{"constructor":${value},"__proto__":${value},"name":1}`) as object;
  const below = (touched: object | undefined) => Object.keys(touched ?? {}).sort();
  const both = ['f:__proto__', 'f:constructor'];
  const added = compareObjects({ name: 1 }, named('{"a":1}'), of, () => true);
  expect([below(added.touched), added.removed]).toEqual([both, undefined]);
  const changed = compareObjects(named('{"a":1}'), named('{"a":2}'), of, () => true);
  expect([below(changed.touched), changed.removed]).toEqual([both, undefined]);
  const removed = compareObjects(named('{"a":1}'), { name: 1 }, of, () => true);
  expect([removed.touched, below(removed.removed)]).toEqual([undefined, both]);
});

test('of a part that many objects have the places are found once, and are those of any other', () => {
  const part = { ports: [{ number: 80, name: 'a' }] };
  const whole = structOf(field('spec', shape), field('other', LEAF));
  const isWatched = () => true;
  const placesOf = (spec: object) => compareObjects({}, { spec, other: 1 }, whole, isWatched);
  const shared = share(structuredClone(part));
  const [first, second] = [placesOf(shared), placesOf(shared)];
  expect(first).toEqual(placesOf(part));
  expect(second).toEqual(first);
  expect(second.touched!['f:spec']).toBe(first.touched!['f:spec']);
  expect(compareObjects({ spec: { ports: [] } }, { spec: shared }, structOf(field('spec', LEAF)), isWatched)).toEqual({
    touched: { 'f:spec': {} },
    removed: undefined,
  });
  expect(compareObjects({}, { spec: shared }, structOf(field('spec', LEAF)), isWatched).touched).toEqual({
    'f:spec': {},
  });
});
