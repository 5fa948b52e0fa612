import { expect, test, vi } from 'vitest';
import { lastly, soon } from './soon.ts';

test('goes on at once with what is there', () => {
  expect(soon(2, (n) => n + 1)).toBe(3);
});

test('goes on later with what comes later', async () => {
  const later = soon(Promise.resolve(2), (n) => n + 1);
  expect(later).toBeInstanceOf(Promise);
  expect(await later).toBe(3);
});

const fails = () => {
  throw new Error('no');
};

test('a failure comes as its act did: thrown, or as a promise', async () => {
  expect(() => soon(2, fails)).toThrow('no');
  await expect(soon(Promise.resolve(2), fails)).rejects.toThrow('no');
});

test('what is to be done lastly is done once, after what is done at once', () => {
  const end = vi.fn();
  expect(lastly(() => 'done', end)).toBe('done');
  expect(() => lastly(fails, end)).toThrow('no');
  expect(end).toHaveBeenCalledTimes(2);
});

test('what is to be done lastly waits for what takes its time', async () => {
  const end = vi.fn();
  let finish: (text: string) => void = () => undefined;
  const act = new Promise<string>((resolve) => {
    finish = resolve;
  });
  const over = lastly(() => act, end);
  expect(end).not.toHaveBeenCalled();
  finish('done');
  expect(await over).toBe('done');
  await expect(lastly(() => Promise.reject(new Error('no')), end)).rejects.toThrow('no');
  expect(end).toHaveBeenCalledTimes(2);
});
