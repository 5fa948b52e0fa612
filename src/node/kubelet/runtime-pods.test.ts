import { expect, test } from 'vitest';
import { ManualClock } from '#base/manual-clock.ts';
import type { ContainerRuntime, ListFilter } from '#node/runtime/runtime.ts';
import { CONTAINER_NAME, POD_NAME, POD_UID } from './runtime-labels.ts';
import { RuntimePods } from './runtime-pods.ts';

/** A runtime with one sandbox for each pod; `lists` counts how often it is asked for sandboxes. */
function runtimeWith(uids: string[]) {
  const counted = { lists: 0, isDown: false };
  const sandboxOf = (uid: string) => ({
    id: `sandbox-${uid}`,
    labels: { [POD_UID]: uid, [POD_NAME]: uid },
    metadata: { attempt: 0 },
  });
  const runtime = {
    async listPodSandboxes({ labelSelector }: ListFilter = {}) {
      counted.lists++;
      if (counted.isDown) throw new Error('down');
      return uids.filter((uid) => !labelSelector || labelSelector[POD_UID] === uid).map(sandboxOf);
    },
    listContainers: async () => [],
    podSandboxStatus: async (id: string) => sandboxOf(id.slice('sandbox-'.length)),
  } as unknown as ContainerRuntime;
  return { pods: new RuntimePods(runtime, new ManualClock()), uids, counted };
}

test('what an earlier run has left is found', async () => {
  const { pods } = runtimeWith(['a']);
  expect((await pods.read('a')).sandboxes.map(({ id }) => id)).toEqual(['sandbox-a']);
});

test('the runtime is not asked for a pod that is new', async () => {
  const { pods, counted } = runtimeWith(['a']);
  await pods.read('a');
  const { lists } = counted;
  expect(await pods.read('b')).toMatchObject({ uid: 'b', sandboxes: [], containers: [] });
  expect(counted.lists).toBe(lists);
});

test('what is about to be made, and what is found, is read', async () => {
  const { pods, uids } = runtimeWith([]);
  expect((await pods.read('a')).sandboxes).toEqual([]);
  pods.present(['a']);
  uids.push('a');
  expect((await pods.read('a')).name).toBe('a');
  pods.absent('a');
  expect((await pods.read('a')).name).toBe('');
  pods.present(new Set(['a']));
  expect((await pods.read('a')).name).toBe('a');
});

test('a runtime that does not answer at first is asked again', async () => {
  const { pods, counted } = runtimeWith(['a']);
  counted.isDown = true;
  await expect(pods.read('a')).rejects.toThrow('down');
  counted.isDown = false;
  expect((await pods.read('a')).name).toBe('a');
});

test('what goes on as it was is remembered, until something happens to it or it was believed for too long', async () => {
  const clock = new ManualClock();
  const labels = { [POD_UID]: 'a', [CONTAINER_NAME]: 'c' };
  const sandbox = { id: 's', state: 'SANDBOX_READY', labels, metadata: { attempt: 0 } };
  const container = { id: 'c', state: 'CONTAINER_RUNNING', labels, metadata: { attempt: 0 }, finishedAt: 0 };
  let held: Promise<void> | undefined;
  const runtime = {
    listPodSandboxes: async () => [sandbox],
    listContainers: async () => [container],
    podSandboxStatus: async () => sandbox,
    async containerStatus() {
      const status = { ...container };
      await held;
      return status;
    },
  } as unknown as ContainerRuntime;
  const pods = new RuntimePods(runtime, clock);
  expect(pods.remembered('a')).toBeUndefined();
  const read = await pods.read('a');
  expect(pods.remembered('a')).toBe(read);
  await clock.advance(301_000);
  expect(pods.remembered('a')).toBeUndefined();

  for (const happens of [() => pods.changed('a'), () => pods.made('a', 'new', 'container'), () => pods.forget('c')]) {
    await pods.read('a');
    expect(pods.remembered('a')).toBeDefined();
    happens();
    expect(pods.remembered('a')).toBeUndefined();
  }

  // News that comes while it is being read: what was read may be older.
  let release = (): void => undefined;
  held = new Promise((resolve) => {
    release = resolve;
  });
  const reading = pods.read('a');
  await Promise.resolve();
  for (let turns = 0; turns < 10; turns++) await Promise.resolve();
  pods.changed('a');
  release();
  await reading;
  expect(pods.remembered('a')).toBeUndefined();

  container.state = 'CONTAINER_EXITED'; // just now: why may still be learnt
  container.finishedAt = clock.now();
  await pods.read('a');
  expect(pods.remembered('a')).toBeUndefined();
});

test('a sandbox that was just made is looked at once for itself and the next read, unless something happens to it', async () => {
  const labels = { [POD_UID]: 'a' };
  const sandbox = { id: 's', state: 'SANDBOX_READY', labels, metadata: { attempt: 0 } };
  const counted = { looks: 0 };
  let meanwhile = (): void => undefined;
  const runtime = {
    async podSandboxStatus() {
      counted.looks++;
      const status = { ...sandbox };
      meanwhile();
      return status;
    },
    containerStatus: async () => undefined,
  } as unknown as ContainerRuntime;
  const pods = new RuntimePods(runtime, new ManualClock());
  const looksOf = async (act: () => Promise<unknown>) => {
    const before = counted.looks;
    await act();
    return counted.looks - before;
  };
  const states = async () => (await pods.readKnown('a')).sandboxes.map(({ state }) => state);

  expect(await looksOf(() => pods.madeSandbox('a', 's'))).toBe(1);
  pods.made('a', 'c', 'container'); // which is no news of the sandbox
  expect(await looksOf(states)).toBe(0);
  expect(await looksOf(states)).toBe(1);

  await pods.madeSandbox('a', 's');
  sandbox.state = 'SANDBOX_NOTREADY';
  pods.changed('a');
  expect(await states()).toEqual(['SANDBOX_NOTREADY']);

  sandbox.state = 'SANDBOX_READY';
  meanwhile = () => pods.changed('a'); // what was answered may be older
  await pods.madeSandbox('a', 's');
  sandbox.state = 'SANDBOX_NOTREADY';
  expect(await states()).toEqual(['SANDBOX_NOTREADY']);
});
