import { expect, test } from 'vitest';
import { ManualClock } from '#base/manual-clock.ts';
import type { ContainerRuntime } from '#node/runtime/runtime.ts';
import { RuntimeError } from '#node/runtime/runtime-error.ts';
import { measuredRuntime } from './measured-runtime.ts';
import { runtimeOperationMetrics } from './server/duration-metrics.ts';

/** Every method is there, and does nothing. */
const idle = new Proxy({}, { get: () => () => undefined });

test('what the runtime is asked for is counted by its type, with what it took and how often it failed', async () => {
  const clock = new ManualClock();
  const slow = Object.assign(Object.create(idle), {
    isClosed: false,
    async createContainer(sandboxId: string) {
      await clock.advance(20);
      return `in ${sandboxId}`;
    },
    async startContainer() {
      await clock.advance(6);
      throw new RuntimeError('Unknown', 'no such file');
    },
    close() {
      this.isClosed = true;
    },
  });
  const { runtime, operations } = measuredRuntime(slow, clock);
  for (const id of ['a', 'b']) expect(await runtime.createContainer(id, {} as never, {} as never)).toBe(`in ${id}`);
  await expect(runtime.startContainer('a')).rejects.toThrow('no such file');
  runtime.close();
  expect(slow.isClosed).toBe(true);
  const text = runtimeOperationMetrics(operations).split('\n');
  expect(text).toEqual(
    expect.arrayContaining([
      '# TYPE kubelet_runtime_operations_duration_seconds histogram',
      'kubelet_runtime_operations_duration_seconds_bucket{operation_type="create_container",le="0.0125"} 0',
      'kubelet_runtime_operations_duration_seconds_bucket{operation_type="create_container",le="0.03125"} 2',
      'kubelet_runtime_operations_duration_seconds_bucket{operation_type="create_container",le="+Inf"} 2',
      'kubelet_runtime_operations_duration_seconds_sum{operation_type="create_container"} 0.04',
      'kubelet_runtime_operations_duration_seconds_count{operation_type="create_container"} 2',
      'kubelet_runtime_operations_total{operation_type="create_container"} 2',
      'kubelet_runtime_operations_total{operation_type="start_container"} 1',
      'kubelet_runtime_operations_errors_total{operation_type="start_container"} 1',
    ]),
  );
  expect(text.filter((line) => line.startsWith('kubelet_runtime_operations_errors_total'))).toHaveLength(1);
});

test('nothing is told of a runtime that was not asked', () => {
  const { operations } = measuredRuntime(idle as ContainerRuntime, new ManualClock());
  expect(runtimeOperationMetrics(operations)).toBe('');
});
