import { expect, test } from 'vitest';
import { Heap } from './heap.ts';
import { seededRandom, wholeBelow } from './random.ts';

test('items come out in order, whatever was taken out in between', () => {
  const random = seededRandom(3);
  const heap = new Heap<{ value: number }>((a, b) => a.value - b.value);
  const inside = new Set<{ value: number }>();
  for (let step = 0; step < 2_000; step++) {
    const item = { value: wholeBelow(random, 100) };
    heap.push(item);
    inside.add(item);
    if (step % 3 === 0) {
      const any = [...inside][wholeBelow(random, inside.size)]!;
      expect(heap.remove(any)).toBe(true);
      inside.delete(any);
    }
    if (step % 5 === 0 && inside.size > 0) {
      const least = heap.pop()!;
      expect(least.value).toBe(Math.min(...[...inside].map(({ value }) => value)));
      inside.delete(least);
    }
  }
  expect(heap.size).toBe(inside.size);
  const rest = Array.from({ length: heap.size }, () => heap.pop()!.value);
  expect(rest).toEqual([...rest].sort((a, b) => a - b));
});
