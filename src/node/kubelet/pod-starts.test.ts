import { expect, test } from 'vitest';
import type { Pod } from '#api/generated/schema.ts';
import { ManualClock } from '#base/manual-clock.ts';
import { PodStarts } from './pod-starts.ts';
import { podStartMetrics } from './server/duration-metrics.ts';

const pod = (uid: string, phase?: string) => ({ metadata: { uid }, ...(phase && { status: { phase } }) }) as Pod;

test('a start lasts from the first look at a pod until it is said to run', async () => {
  const clock = new ManualClock();
  const starts = new PodStarts(clock);
  starts.seen(pod('web', 'Pending'));
  await clock.advance(300);
  starts.reported('web', 'Pending');
  await clock.advance(100);
  starts.reported('web', 'Running');
  starts.reported('web', 'Running');
  const text = podStartMetrics(starts);
  expect(text).toContain('kubelet_pod_start_duration_seconds_bucket{le="0.5"} 1\n');
  expect(text).toContain('kubelet_pod_start_duration_seconds_sum 0.4\nkubelet_pod_start_duration_seconds_count 1\n');
});

test.each<[string, string | undefined, (starts: PodStarts) => void]>([
  ['ran already when this kubelet began', 'Running', () => undefined],
  ['failed before it ran', undefined, (starts) => starts.reported('web', 'Failed')],
  ['went before it ran', undefined, (starts) => starts.forget('web')],
])('no start is counted of a pod that %s', (_, phase, before) => {
  const starts = new PodStarts(new ManualClock());
  starts.seen(pod('web', phase));
  before(starts);
  starts.reported('web', 'Running');
  expect(podStartMetrics(starts)).toContain('kubelet_pod_start_duration_seconds_count 0\n');
});
