/**
 * A day in a test cluster, in a process of its own: so many CronJobs, each with a run every hour that ends by itself, on ten
 * simulated nodes with their leases, all controllers and the scheduler at work. How long it takes on the machine's clock.
 */
import { CronJob } from '#api/batch/v1/cron-job.ts';
import { Job } from '#api/batch/v1/job.ts';
import { Lease } from '#api/coordination/v1/lease.ts';
import { Event } from '#api/core/v1/event.ts';
import { Pod } from '#api/core/v1/pod.ts';
import type { Kind } from '#api/machinery/kind.ts';
import { SharedInformers } from '#client/informers.ts';
import { controllersFor } from '#control-plane/controllers/index.ts';
import { RUN_SECONDS } from '#node/simulated/pod-behaviour.ts';
import { startCluster, type TestCluster } from '#testing/cluster.ts';
import { type Floor, rateRow, sizeRow } from './row.ts';
import { writesInMemory } from './write-floors.ts';

const CRON_JOBS = 100;
const NODES = 10;
const HOURS = 24;
/** Kinds of nearly all that is written. */
const WRITTEN = [CronJob, Job, Pod, Event, Lease] as const;
const TARGET_SECONDS = 10;
const LIMIT =
  '3,100 writes an hour, of which 1,000 are leases: each goes the whole way of a request, no part of which takes a tenth';

interface Day {
  seconds: number;
  cpuSeconds: number;
  runs: number;
  floor: Floor;
}

async function day(): Promise<Day> {
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
  const before = await revisionOf(cluster);
  const [began, usage] = [performance.now(), process.cpuUsage()];
  await cluster.clock.advance(`${HOURS}h`);
  const seconds = (performance.now() - began) / 1000;
  const { user, system } = process.cpuUsage(usage);
  watching.abort();
  const objects = WRITTEN.flatMap((kind) => cluster.list(kind as Kind));
  const floor = writesInMemory(objects, (await revisionOf(cluster)) - before);
  return { seconds, cpuSeconds: (user + system) / 1e6, runs: succeeded.size, floor };
}

/** It grows by one with each write. */
const revisionOf = async ({ client }: TestCluster): Promise<number> =>
  Number((await client.list(CronJob, {})).metadata.resourceVersion);

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

const { seconds, cpuSeconds, runs, floor } = await day();
const wanted = CRON_JOBS * HOURS;
if (runs !== wanted) throw new Error(`${runs} runs succeeded instead of ${wanted}`);
process.stderr.write(`virtual-day: ${runs} runs in ${seconds.toFixed(1)} s, ${cpuSeconds.toFixed(1)} s of CPU\n`);
const rows = [
  { ...sizeRow('virtual-day', 'ms', { value: seconds * 1000, floor }), target: TARGET_SECONDS * 1000, limit: LIMIT },
  sizeRow('virtual-day: CPU', 'ms', { value: cpuSeconds * 1000 }),
  rateRow('virtual-day/runs', { perSecond: runs / seconds }),
];
process.stdout.write(JSON.stringify(rows), () => process.exit(0));
