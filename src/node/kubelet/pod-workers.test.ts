import { expect, test, vi } from 'vitest';
import type { Pod } from '#api/generated/schema.ts';
import { silentLog } from '#base/log.ts';
import { ManualClock } from '#base/manual-clock.ts';
import type { PodEnd } from './pod-end.ts';
import { PodStarts } from './pod-starts.ts';
import { PodSync, type PodSyncOptions } from './pod-sync.ts';
import { PodWorkers } from './pod-workers.ts';
import { emptyRuntimePod, type RuntimePod } from './runtime-pods.ts';
import type { StatusWriter } from './status-writer.ts';

const pod = { metadata: { name: 'web', namespace: 'ns', uid: 'u' }, spec: { containers: [] } } as unknown as Pod;

/** Workers with a pod whose containers are being stopped. */
async function stopping() {
  const looks: ((now: RuntimePod) => void)[] = [];
  const report = vi.fn();
  const sync = new PodSync({
    allocations: { allocatedPod: (wanted: Pod) => wanted },
    runtimePods: { look: () => new Promise<RuntimePod>((resolve) => looks.push(resolve)) },
    reporter: { report },
  } as unknown as PodSyncOptions);
  vi.spyOn(sync, 'sync').mockResolvedValue({ finished: true, againAfterMs: undefined });
  let stopped: (isStopped: boolean) => void = () => undefined;
  const stop = vi.fn(() => new Promise<boolean>((resolve) => (stopped = resolve)));
  const clock = new ManualClock();
  const workers = new PodWorkers({
    sync,
    end: { stop, release: async () => undefined } as unknown as PodEnd,
    writer: {} as StatusWriter,
    podStarts: new PodStarts(clock),
    clock,
    random: { next: () => 0 },
    log: silentLog,
    onRoom: () => undefined,
    onForgotten: () => undefined,
  });
  workers.configure(pod);
  await vi.waitFor(() => expect(stop).toHaveBeenCalled());
  const answer = (at: number) => looks[at]?.(emptyRuntimePod('u'));
  return { workers, looks, report, answer, endStop: () => stopped(true) };
}

test('what happens while it is being said how a pod ends is said once, afterwards', async () => {
  const { workers, looks, report, answer, endStop } = await stopping();
  for (const _ of ['one', 'two', 'three']) workers.wake('u');
  expect(looks).toHaveLength(1);
  answer(0);
  await vi.waitFor(() => expect(looks).toHaveLength(2));
  answer(1);
  await vi.waitFor(() => expect(report).toHaveBeenCalledTimes(2));
  workers.wake('u');
  expect(looks).toHaveLength(3);
  answer(2);
  endStop();
});

test('how a pod was while it ended is not said any more when it has ended', async () => {
  const { workers, report, answer, endStop } = await stopping();
  workers.wake('u');
  endStop();
  await vi.waitFor(() => expect(workers.isReleased('u')).toBe(true));
  answer(0);
  await new Promise((resolve) => setImmediate(resolve));
  expect(report).not.toHaveBeenCalled();
  workers.close();
});
