import { expect, test } from 'vitest';
import type { Pod } from '#api/generated/schema.ts';
import { terminated } from './simulated-pod.ts';
import { UsageMeter } from './usage-meter.ts';

const BEGIN_MS = Date.parse('2026-01-01T00:00:00Z');
const at = (seconds: number): number => BEGIN_MS + seconds * 1000;
const timestamp = (seconds: number): string => new Date(at(seconds)).toISOString();

/** Of one container, that runs since `start` and uses so many cores; `end`: it has ended. */
function pod(name: string, { start, end, cpu = '2' }: { start: number; end?: number; cpu?: string }): Pod {
  const startedAt = timestamp(start);
  const state =
    end === undefined ? { running: { startedAt } } : terminated(0, { startedAt, finishedAt: timestamp(end) });
  return {
    metadata: {
      name,
      namespace: 'default',
      uid: name,
      annotations: { 'kedge.dev/simulated-cpu': cpu, 'kedge.dev/simulated-memory': '1M' },
    },
    spec: { containers: [{ name: 'main' }] },
    status: { containerStatuses: [{ name: 'main', state }] },
  } as unknown as Pod;
}

const steady = pod('steady', { start: 0 });

function read(meter: UsageMeter, seconds: number, ...pods: Pod[]) {
  const { node, containers } = meter.read(pods, [], at(seconds));
  const of = Object.fromEntries(containers.map(({ pod: name, cpuSeconds }) => [name, cpuSeconds]));
  return { node: node.cpuSeconds, memory: node.memoryBytes, ...of };
}

test('a node has used what its pods have, and one that comes or goes changes nothing of what was', () => {
  const meter = new UsageMeter();
  expect(read(meter, 100, steady)).toEqual({ node: 200, memory: 1e6, steady: 200 });
  const late = pod('late', { start: 100, cpu: '1' });
  expect(read(meter, 100, steady, late)).toEqual({ node: 200, memory: 2e6, steady: 200, late: 0 });
  expect(read(meter, 110, steady, late)).toEqual({ node: 230, memory: 2e6, steady: 220, late: 10 });
  expect(read(meter, 110, late)).toEqual({ node: 230, memory: 1e6, late: 10 });
  expect(read(meter, 120, late)).toEqual({ node: 240, memory: 1e6, late: 20 });
  expect(read(meter, 120)).toEqual({ node: 240, memory: 0 });
});

test('a pod that ends has used what it did until then, also one that nobody saw running', () => {
  const meter = new UsageMeter();
  expect(read(meter, 10, steady)).toMatchObject({ node: 20 });
  expect(read(meter, 30, pod('steady', { start: 0, end: 15 }))).toEqual({ node: 30, memory: 0 });
  expect(read(meter, 40, pod('short', { start: 31, end: 33 }))).toEqual({ node: 34, memory: 0 });
  expect(read(meter, 50)).toEqual({ node: 34, memory: 0 });
});

test('a container that starts again counts from nothing, its node goes on', () => {
  const meter = new UsageMeter();
  read(meter, 10, steady);
  expect(read(meter, 20, pod('steady', { start: 10 }))).toEqual({ node: 40, memory: 1e6, steady: 20 });
});

test('who is to use less from now on keeps what it has used', () => {
  const meter = new UsageMeter();
  read(meter, 10, steady);
  const calmer = pod('steady', { start: 0, cpu: '1' });
  expect(read(meter, 20, calmer)).toEqual({ node: 30, memory: 1e6, steady: 30 });
  expect(read(meter, 30, calmer)).toEqual({ node: 40, memory: 1e6, steady: 40 });
});
