import { expect, test } from 'vitest';
import { PlainSignal } from './plain-signal.ts';

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

test('who listens when it is over is told nothing', () => {
  const signal = new PlainSignal();
  signal.abort();
  const told: string[] = [];
  signal.addEventListener('abort', () => told.push('late'));
  expect(told).toEqual([]);
});
