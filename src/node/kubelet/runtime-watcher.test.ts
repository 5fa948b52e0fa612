import { expect, test, vi } from 'vitest';
import { silentLog } from '#base/log.ts';
import { ManualClock } from '#base/manual-clock.ts';
import type { ContainerStatus } from '#node/runtime/container.ts';
import type { ContainerRuntime, RuntimeEvent } from '#node/runtime/runtime.ts';
import { RuntimeWatcher } from './runtime-watcher.ts';

/** Of one container, `known` of the pod `mine`; `shownAfter`: how often its status is asked for before it is shown as ended. */
async function watching(shownAfter = 0) {
  const clock = new ManualClock();
  let tell: (event: RuntimeEvent) => void = () => undefined;
  const containerStatus = vi.fn(
    async () =>
      ({
        state: containerStatus.mock.calls.length > shownAfter ? 'CONTAINER_EXITED' : 'CONTAINER_RUNNING',
      }) as ContainerStatus,
  );
  const listContainers = vi.fn(async () => []);
  const runtime = {
    listPodSandboxes: async () => [],
    listContainers,
    containerStatus,
    async *events(signal: AbortSignal) {
      while (!signal.aborted)
        yield await new Promise<RuntimeEvent>((resolve) => {
          tell = resolve;
        });
    },
  } as unknown as ContainerRuntime;
  const changed: string[] = [];
  const watcher = new RuntimeWatcher({
    runtime,
    clock,
    log: silentLog,
    onChange: (uid) => changed.push(uid),
    podOf: (id) => (id === 'known' ? 'mine' : undefined),
    onRelist: () => undefined,
  });
  await watcher.start();
  const settled = () => new Promise((resolve) => setImmediate(resolve));
  const happens = async (type: RuntimeEvent['type'], id: string) => {
    tell({ type, id });
    await settled();
  };
  const passes = async (ms: number) => {
    clock.advance(ms);
    await settled();
  };
  return { passes, watcher, changed, happens, lists: () => listContainers.mock.calls.length, containerStatus };
}

test('what nobody knows of is looked for when it has ended, and not once more when it goes for good', async () => {
  const { watcher, changed, happens, lists } = await watching();
  await happens('started', 'stranger');
  expect(lists()).toBe(1);
  await happens('exited', 'stranger');
  expect(lists()).toBe(2);
  await happens('deleted', 'stranger');
  expect(lists()).toBe(2);
  await happens('deleted', 'known');
  expect([changed, lists()]).toEqual([['mine'], 2]);
  watcher.close();
});

test('an exit is told on when the runtime shows it', async () => {
  const { passes, watcher, changed, happens, containerStatus } = await watching(2);
  await happens('exited', 'known');
  expect([changed, containerStatus.mock.calls.length]).toEqual([[], 1]);
  await passes(20);
  expect(changed).toEqual([]);
  await passes(10);
  expect([changed, containerStatus.mock.calls.length]).toEqual([['mine'], 3]);
  watcher.close();
});
