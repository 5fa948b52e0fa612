/**
 * A day in a test cluster, in a process of its own, `virtual-day-process NODES`: so many CronJobs, each with a run every hour that
 * ends by itself, on simulated nodes with their leases, all controllers and the scheduler at work.
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
import type { Floor } from './row.ts';
import { writesInMemory } from './write-floors.ts';

const CRON_JOBS = 100;
const HOURS = 24;
/** Kinds of nearly all that is written. */
const WRITTEN = [CronJob, Job, Pod, Event, Lease] as const;

export interface Day {
  /** On the machine's clock. */
  ms: number;
  cpuMs: number;
  runs: number;
  floor: Floor;
}

async function day(nodes: number): Promise<Day> {
  await using cluster = await startCluster({
    controllers: controllersFor({ rootCa: 'PEM' }),
    scheduler: true,
    simulatedNodes: nodes,
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
  const ms = performance.now() - began;
  const { user, system } = process.cpuUsage(usage);
  watching.abort();
  const runs = succeeded.size;
  if (runs !== CRON_JOBS * HOURS) throw new Error(`${runs} runs succeeded instead of ${CRON_JOBS * HOURS}`);
  const objects = WRITTEN.flatMap((kind) => cluster.list(kind as Kind));
  const floor = writesInMemory(objects, (await revisionOf(cluster)) - before);
  return { ms, cpuMs: (user + system) / 1_000, runs, floor };
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

const measured = await day(Number(process.argv[2]));
process.stdout.write(JSON.stringify(measured), () => process.exit(0));
