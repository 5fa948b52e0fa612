import { expect, test } from 'vitest';
import { CronJob } from '#api/batch/v1/cron-job.ts';
import { Job } from '#api/batch/v1/job.ts';
import { cronJobController } from '#control-plane/controllers/job/cron-job.ts';
import { startCluster } from './cluster.ts';
import { millisecondsOf } from './test-clock.ts';

for (const [duration, ms] of [
  ['24h', 86_400_000],
  ['1h30m', 5_400_000],
  ['500ms', 500],
  ['1.5s', 1500],
  ['2d', 172_800_000],
  [42, 42],
] as const)
  test(`${duration} is ${ms} ms`, () => expect(millisecondsOf(duration)).toBe(ms));

for (const wrong of ['', 'h', '5', '5 s', '1h-', '-1h'])
  test(`${JSON.stringify(wrong)} is no duration`, () => expect(() => millisecondsOf(wrong)).toThrow(RangeError));

test('what is due in the time that passes happens in its order', async () => {
  await using cluster = await startCluster();
  const { clock } = cluster;
  const seen: string[] = [];
  const note = (text: string) => () => seen.push(`${text} at ${clock.now() - startMs}`);
  const startMs = clock.now();
  clock.timer(2000, note('second'));
  clock.timer(1000, () => {
    note('first')();
    clock.timer(500, note('between'));
  });
  clock.timer(5000, note('never'));
  await clock.advance('3s');
  expect(seen).toEqual(['first at 1000', 'between at 1500', 'second at 2000']);
  expect(clock.now() - startMs).toBe(3000);
});

test('a day of a CronJob passes at once', async () => {
  await using cluster = await startCluster({ controllers: [cronJobController] });
  const template = {
    spec: { restartPolicy: 'Never' as const, containers: [{ name: 'main', image: 'example/main:1' }] },
  };
  await cluster.create(CronJob, {
    metadata: { name: 'hourly', namespace: 'default' },
    spec: { schedule: '30 * * * *', jobTemplate: { spec: { template } } },
  });
  await cluster.clock.advance('24h');
  expect(cluster.list(Job).map(({ metadata }) => metadata.creationTimestamp?.slice(11, 16))).toEqual(
    Array.from({ length: 24 }, (_, hour) => `${String(hour).padStart(2, '0')}:30`),
  );
});

test('on the machine’s clock time passes by itself', async () => {
  await using cluster = await startCluster({ clock: 'real' });
  const due = new Promise<void>((resolve) => cluster.clock.timer(1, resolve));
  const before = cluster.clock.now();
  await due;
  await cluster.clock.advance('2ms');
  expect(cluster.clock.now()).toBeGreaterThan(before);
  await cluster.settles();
});
