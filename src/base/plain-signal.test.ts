import { expect, test } from 'vitest';
import { firstOf, PlainSignal } from './plain-signal.ts';

test('listeners are told once, and those that went are not', () => {
  const signal = new PlainSignal();
  const told: string[] = [];
  const gone = () => told.push('gone');
  signal.addEventListener('abort', () => told.push('first'));
  signal.addEventListener('abort', gone);
  signal.addEventListener('abort', () => told.push('second'));
  signal.removeEventListener('abort', gone);
  signal.abort();
  signal.abort();
  expect([signal.aborted, told]).toEqual([true, ['first', 'second']]);
});

test('a listener that is taken away by an earlier one is not told', () => {
  const signal = new PlainSignal();
  const told: string[] = [];
  const second = () => told.push('second');
  signal.addEventListener('abort', () => {
    told.push('first');
    signal.removeEventListener('abort', second);
  });
  signal.addEventListener('abort', second);
  signal.abort();
  expect(told).toEqual(['first']);
});

test('a listener that throws keeps no other from being told, and what it throws is not lost', () => {
  const signal = new PlainSignal();
  const told: string[] = [];
  signal.addEventListener('abort', () => {
    throw new TypeError('a bug');
  });
  signal.addEventListener('abort', () => told.push('second'));
  expect(() => signal.abort()).toThrow('a bug');
  expect(told).toEqual(['second']);
});

test('who listens when it is over is told nothing', () => {
  const signal = new PlainSignal();
  signal.abort();
  const told: string[] = [];
  signal.addEventListener('abort', () => told.push('late'));
  expect(told).toEqual([]);
});

test('who says no reason has one all the same; who says one has that', () => {
  const [plain, told] = [new PlainSignal(), new PlainSignal()];
  plain.abort();
  told.abort('over');
  expect([plain.reason, told.reason]).toEqual([new Error('aborted'), 'over']);
});

test('of two signals the first ends it, with its reason, unless it was let go before', () => {
  const [a, b, other] = [new PlainSignal(), new AbortController(), new PlainSignal()];
  const first = firstOf(a, b.signal);
  const released = firstOf(other, b.signal);
  released.release();
  b.abort('b');
  a.abort('a');
  expect([first.signal.reason, released.signal.aborted]).toEqual(['b', false]);
  expect(firstOf(a, other).signal.aborted).toBe(true);
});
