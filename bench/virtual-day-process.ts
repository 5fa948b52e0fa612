/**
 * A day in a test cluster, in a process of its own: so many CronJobs, each with a run every hour that ends by itself, on ten
 * simulated nodes with their leases, all controllers and the scheduler at work. How long it takes on the machine's clock.
 */
import { CronJob } from '#api/batch/v1/cron-job.ts';
import { Job } from '#api/batch/v1/job.ts';
import { SharedInformers } from '#client/informers.ts';
import { controllersFor } from '#control-plane/controllers/index.ts';
import { RUN_SECONDS } from '#node/simulated/pod-behaviour.ts';
import { startCluster } from '#testing/cluster.ts';
import { rateRow, sizeRow } from './row.ts';

const CRON_JOBS = 100;
const NODES = 10;
const HOURS = 24;
const TARGET_SECONDS = 10;
const LIMIT =
  '3,300 writes an hour, of which 1,200 are leases: each goes the whole way of a request, no part of which takes a tenth; the bookmark that each of 120 watches gets a minute takes 1 to 2 %';

async function day(): Promise<{ seconds: number; runs: number }> {
  await using cluster = await startCluster({
    controllers: controllersFor({ rootCa: 'PEM' }),
    scheduler: true,
    simulatedNodes: NODES,
  });
  for (let number = 1; number <= CRON_JOBS; number++) await cluster.create(CronJob, hourly(`job${number}`));
  const succeeded = new Set<string>();
  const watching = new AbortController();
  const { client, services } = cluster;
  const jobs = new SharedInformers({ client, ...services, signal: watching.signal }).for(Job);
  jobs.onChange(({ now }) => {
    if ((now?.status?.succeeded ?? 0) > 0) succeeded.add(now!.metadata.uid);
  });
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

const { seconds, runs } = await day();
const wanted = CRON_JOBS * HOURS;
if (runs !== wanted) throw new Error(`${runs} runs succeeded instead of ${wanted}`);
const { user, system } = process.cpuUsage();
process.stderr.write(
  `virtual-day: ${runs} runs in ${seconds.toFixed(1)} s, ${((user + system) / 1e6).toFixed(1)} s of CPU\n`,
);
const rows = [
  { ...sizeRow('virtual-day', 'ms', { value: seconds * 1000 }), target: TARGET_SECONDS * 1000, limit: LIMIT },
  rateRow('virtual-day/runs', { perSecond: runs / seconds }),
];
process.stdout.write(JSON.stringify(rows), () => process.exit(0));
