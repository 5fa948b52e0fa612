/**
 * A day in a test cluster: so many CronJobs, each with a run every hour that ends by itself, on ten simulated nodes with their
 * leases, all controllers and the scheduler at work. How long it takes on the machine's clock.
 */
import { CronJob } from '#api/batch/v1/cron-job.ts';
import { Job } from '#api/batch/v1/job.ts';
import { controllersFor } from '#control-plane/controllers/index.ts';
import { RUN_SECONDS } from '#node/simulated/pod-behaviour.ts';
import { startCluster } from '#testing/cluster.ts';
import type { Bench } from './bench.ts';
import { type Row, rateRow, sizeRow } from './row.ts';

const CRON_JOBS = 100;
const NODES = 10;
const HOURS = 24;
const TARGET_SECONDS = 10;

export async function run(bench: Bench): Promise<Row[]> {
  const { seconds, runs } = await day();
  const wanted = CRON_JOBS * HOURS;
  if (runs !== wanted) throw new Error(`${runs} runs succeeded instead of ${wanted}`);
  bench.say(`${runs} runs in ${seconds.toFixed(1)} s`);
  return [
    { ...sizeRow('virtual-day', 'ms', { value: seconds * 1000 }), target: TARGET_SECONDS * 1000 },
    rateRow('virtual-day/runs', { perSecond: runs / seconds }),
  ];
}

async function day(): Promise<{ seconds: number; runs: number }> {
  await using cluster = await startCluster({
    controllers: controllersFor({ rootCa: 'PEM' }),
    scheduler: true,
    simulatedNodes: NODES,
  });
  for (let number = 1; number <= CRON_JOBS; number++) await cluster.create(CronJob, hourly(`job${number}`));
  const succeeded = new Set<string>();
  const watching = new AbortController();
  void (async () => {
    for await (const { object } of cluster.client.watch(Job, { signal: watching.signal }))
      if ((object.status?.succeeded ?? 0) > 0) succeeded.add(object.metadata.uid);
  })();
  const began = performance.now();
  await cluster.clock.advance(`${HOURS}h`);
  const seconds = (performance.now() - began) / 1000;
  watching.abort();
  return { seconds, runs: succeeded.size };
}

const hourly = (name: string) => ({
  metadata: { name, namespace: 'default' },
  spec: {
    schedule: '30 * * * *',
    jobTemplate: {
      spec: {
        template: {
          metadata: { annotations: { [RUN_SECONDS]: '60' } },
          spec: { restartPolicy: 'Never' as const, containers: [{ name: 'main', image: 'example/main:1' }] },
        },
      },
    },
  },
});
