import { expect, test } from 'vitest';
import { failuresAmong, forEachTarget } from './going-on.ts';

/** Fails for all that begin with a cross, some at once and some later. */
function act(done: string[]): (item: string) => unknown {
  return (item) => {
    if (item === 'x1') throw new Error(item);
    if (item.startsWith('x')) return Promise.reject(new Error(item));
    done.push(item);
    return undefined;
  };
}

test('what fails keeps nothing else from being done', async () => {
  const done: string[] = [];
  const failures = await failuresAmong(['a', 'x1', 'b', 'x2', 'c'], act(done));
  expect(done).toEqual(['a', 'b', 'c']);
  expect(failures.map(String)).toEqual(['Error: x1', 'Error: x2']);
});

test('one is done after the other', async () => {
  const order: string[] = [];
  await failuresAmong(['a', 'b'], async (item) => {
    order.push(`${item} begins`);
    await Promise.resolve();
    order.push(`${item} ends`);
  });
  expect(order).toEqual(['a begins', 'a ends', 'b begins', 'b ends']);
});

test('what went wrong before is told first, and one failure as itself', async () => {
  const done: string[] = [];
  const both = forEachTarget({ targets: ['x2', 'a'], errors: [new Error('before')] }, act(done));
  await expect(both).rejects.toThrow(/^before\nx2$/);
  await expect(forEachTarget({ targets: ['x1'], errors: [] }, act(done))).rejects.toThrow(/^x1$/);
  await expect(forEachTarget({ targets: ['b'], errors: [] }, act(done))).resolves.toBeUndefined();
  expect(done).toEqual(['a', 'b']);
});
