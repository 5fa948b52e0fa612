import { expect, test, vi } from 'vitest';
import { silentLog } from '#base/log.ts';
import { ManualClock } from '#base/manual-clock.ts';
import { firstNode } from './first-node.ts';

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** Somebody who waits, and a record that changes. */
function waiting(simulate: readonly string[] = []) {
  const clock = new ManualClock();
  const stopping = new AbortController();
  const error = vi.fn();
  let read: () => object | undefined = () => undefined;
  const came = vi.fn();
  const parts = { clock, simulate, log: { ...silentLog, error }, signal: stopping.signal };
  const done = firstNode({ ...parts, read: async () => read() as never }).then(came);
  const passes = async (record: () => object | undefined) => {
    read = record;
    await turn();
    clock.advance(500);
    await turn();
  };
  return { came, done, error, passes, stop: () => stopping.abort(new Error('over')) };
}

test('the first node is there when the record names it; nodes that this machine cannot run are none', async () => {
  const { came, done, passes } = waiting(['node1']);
  await passes(() => ({ nodes: { node1: { index: 1 } } }));
  expect(came).not.toHaveBeenCalled();
  await passes(() => ({ nodes: { node1: { index: 1 }, real: { index: 2 } } }));
  await done;
  expect(came).toHaveBeenCalledWith(true);
});

test('a record that cannot be read is told once, and looked at again', async () => {
  const { done, error, passes } = waiting();
  const broken = () => {
    throw new Error('half');
  };
  await passes(broken);
  await passes(broken);
  expect(error).toHaveBeenCalledOnce();
  await passes(() => ({ nodes: { real: { index: 1 } } }));
  await done;
});

test('who stops is told so', async () => {
  const { came, done, stop } = waiting();
  stop();
  await done;
  expect(came).toHaveBeenCalledWith(false);
});
