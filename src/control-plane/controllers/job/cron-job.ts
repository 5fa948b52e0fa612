/** Makes a Job at each time of a CronJob's schedule, and keeps as many finished ones as it is told. */
import { CronJob } from '#api/batch/v1/cron-job.ts';
import { type CronSchedule, readSchedule } from '#api/batch/v1/cron-schedule.ts';
import { Job } from '#api/batch/v1/job.ts';
import type { CronJobStatus, ObjectReference } from '#api/generated/schema.ts';
import type { Kind } from '#api/machinery/kind.ts';
import type { ObjectKey } from '#api/machinery/object.ts';
import { hasReason, StatusError } from '#api/machinery/status.ts';
import { millisOf, timestampOf } from '#api/machinery/timestamp.ts';
import type { Draft } from '#client/client.ts';
import { referenceTo } from '#client/event-recorder.ts';
import { controllerOf, controllerReferenceTo } from '../claim.ts';
import { again, defineController, type Outcome, type ReconcileContext, settled } from '../define-controller.ts';
import { isNamespaceGoing } from '../pod-writes.ts';
import { inZone, rfc1123 } from './times.ts';
import { conditionOf, isFinished } from './verdict.ts';

const writes = { create: [Job], delete: [Job], status: [CronJob] } as const;
type Context = ReconcileContext<Kind<Job>, Kind<CronJob> | Kind<Job>, typeof writes>;

const SCHEDULED_AT = 'batch.kubernetes.io/cronjob-scheduled-timestamp';
/** Behind the time, so that a clock that is a little slow still finds it due. Source: cronjob_controllerv2. */
const MARGIN_MS = 100;
/** After a longer pause the schedule is not gone through time by time. */
const MOST_MISSED = 100;

/** A schedule, and since when it is that one: undefined where it was found so. */
interface KnownSchedule {
  text: string;
  sinceMs: number | undefined;
}

export const cronJobController = defineController(() => {
  const schedules = new Map<ObjectKey, KnownSchedule>();
  return {
    name: 'cronjob-controller',
    reconciles: CronJob,
    owns: [Job],
    // While it runs its status changes some times, which is its own affair.
    whenOwned: (now, before) =>
      isFinished(now) || isFinished(before) || now.metadata.deletionTimestamp !== before.metadata.deletionTimestamp,
    writes,
    reckonsWith: ['create', 'status'],

    async reconcile(cronJob: CronJob, context) {
      const jobs = context.owned(Job);
      const text = scheduleText(cronJob);
      const known = schedules.get(context.key);
      const isChanged = known !== undefined && known.text !== text;
      const sinceMs = isChanged ? context.clock.now() : known?.sinceMs;
      schedules.set(context.key, { text, sinceMs });
      const step = new Step(cronJob, { jobs, sinceMs }, context);
      const kept = await step.dropOldJobs();
      step.followJobs(kept);
      let outcome: Outcome = settled;
      try {
        outcome = await step.start();
      } finally {
        await context.api.updateStatus(cronJob, step.status);
      }
      return outcome;
    },

    async gone({ key }) {
      schedules.delete(key);
      return settled;
    },
  };
});

const scheduleText = ({ spec }: CronJob): string => JSON.stringify([spec.schedule, spec.timeZone]);

class Step {
  readonly #cronJob: CronJob;
  readonly #jobs: readonly Job[];
  readonly #context: Context;
  readonly #nowMs: number;
  /** Times before it were those of another schedule. */
  readonly #sinceMs: number;
  #active: ObjectReference[];
  #lastScheduleTime: string | undefined;
  #lastSuccessfulTime: string | undefined;

  constructor(
    cronJob: CronJob,
    { jobs, sinceMs }: { jobs: readonly Job[]; sinceMs: number | undefined },
    context: Context,
  ) {
    this.#cronJob = cronJob;
    this.#jobs = jobs;
    this.#sinceMs = sinceMs ?? 0;
    this.#context = context;
    this.#nowMs = context.clock.now();
    this.#active = cronJob.status?.active ?? [];
    this.#lastScheduleTime = cronJob.status?.lastScheduleTime;
    this.#lastSuccessfulTime = cronJob.status?.lastSuccessfulTime;
  }

  get status(): CronJobStatus {
    return {
      ...(this.#active.length > 0 && { active: this.#active }),
      ...(this.#lastScheduleTime && { lastScheduleTime: this.#lastScheduleTime }),
      ...(this.#lastSuccessfulTime && { lastSuccessfulTime: this.#lastSuccessfulTime }),
    };
  }

  /** @returns those that stay. */
  async dropOldJobs(): Promise<Job[]> {
    const { successfulJobsHistoryLimit, failedJobsHistoryLimit } = this.#cronJob.spec;
    const surplus = new Set<Job>();
    for (const [type, limit] of [
      ['Complete', successfulJobsHistoryLimit],
      ['Failed', failedJobsHistoryLimit],
    ] as const) {
      const finished = this.#jobs.filter((job) => conditionOf(job, type)?.status === 'True');
      if (finished.length <= limit) continue;
      for (const job of finished.sort(byStartTime).slice(0, finished.length - limit)) surplus.add(job);
    }
    for (const job of surplus) {
      try {
        await this.#delete(job);
      } catch (error) {
        // Its Event tells of it. The next Job is not held up by an old one.
        if (!(error instanceof StatusError)) throw error;
        surplus.delete(job);
      }
    }
    return this.#jobs.filter((job) => !surplus.has(job));
  }

  /** What the status lists as active are exactly the Jobs that run. */
  followJobs(jobs: readonly Job[]): void {
    const { events } = this.#context;
    for (const job of jobs) {
      const { name, uid } = job.metadata;
      const isListed = this.#active.some((each) => each.uid === uid);
      if (!isListed && !isFinished(job)) {
        const text = `Saw a job that the controller did not create or forgot: ${name}`;
        events.warning(this.#cronJob, 'UnexpectedJob', text);
        // Upstream leaves it out, and lets the next one run beside it whatever the concurrency policy says.
        if (!job.metadata.deletionTimestamp) this.#active = [...this.#active, referenceTo(job)];
      } else if (isListed && isFinished(job)) {
        const end = conditionOf(job, 'Complete')?.status === 'True' ? 'Complete' : 'Failed';
        this.#active = this.#active.filter((each) => each.uid !== uid);
        events.normal(this.#cronJob, 'SawCompletedJob', `Saw completed job: ${name}, condition: ${end}`);
      }
      const { completionTime } = job.status ?? {};
      if (completionTime && (millisOf(completionTime) ?? 0) > (millisOf(this.#lastSuccessfulTime) ?? 0))
        this.#lastSuccessfulTime = completionTime;
    }
    for (const { name, uid } of this.#active) {
      if (jobs.some(({ metadata }) => metadata.uid === uid)) continue;
      this.#active = this.#active.filter((each) => each.uid !== uid);
      events.normal(this.#cronJob, 'MissingJob', `Active job went missing: ${name}`);
    }
  }

  /** Makes the Job whose time has come, if one may be made. */
  async start(): Promise<Outcome> {
    const { spec, metadata } = this.#cronJob;
    if (metadata.deletionTimestamp || spec.suspend) return settled;
    const schedule = this.#schedule();
    if (!schedule) return settled;
    if (schedule.next(this.#nowMs) === undefined) return this.#complainOfNever();
    const dueMs = this.#due(schedule);
    const next = (): Outcome => {
      const nextMs = schedule.next(this.#nowMs);
      return nextMs === undefined ? settled : again({ afterMs: nextMs + MARGIN_MS - this.#nowMs });
    };
    if (dueMs === undefined) return next();
    if (this.#isTooLate(dueMs)) {
      const text = `Missed scheduled time to start a job: ${rfc1123(dueMs)}`;
      this.#context.events.warning(this.#cronJob, 'MissSchedule', text);
      return next();
    }
    if (millisOf(this.#lastScheduleTime) === dueMs) return next();
    if (this.#jobs.some(({ metadata }) => metadata.name === jobName(this.#cronJob, dueMs))) {
      this.#lastScheduleTime = timestampOf(dueMs); // it was made, and a crash came before that was noted
      return next();
    }
    if (!(await this.#makeRoom())) return next();
    await this.#create(dueMs);
    return next();
  }

  #schedule(): CronSchedule | undefined {
    const { schedule, timeZone } = this.#cronJob.spec;
    const read = readSchedule(schedule, timeZone);
    if ('schedule' in read) return read.schedule;
    const text = `unparseable schedule: ${JSON.stringify(schedule)} : ${read.complaint}`;
    this.#context.events.warning(this.#cronJob, 'UnparseableSchedule', text);
    return undefined;
  }

  /** The last time that has come since the last Job; those before it are passed over. */
  #due(schedule: CronSchedule): number | undefined {
    const { startingDeadlineSeconds } = this.#cronJob.spec;
    const sinceMs = millisOf(this.#lastScheduleTime) ?? millisOf(this.#cronJob.metadata.creationTimestamp) ?? 0;
    const earliestMs = startingDeadlineSeconds === undefined ? 0 : this.#nowMs - startingDeadlineSeconds * 1000;
    let dueMs: number | undefined;
    let missed = 0;
    for (
      let ms = schedule.next(Math.max(sinceMs, earliestMs, this.#sinceMs));
      ms !== undefined && ms <= this.#nowMs;
      missed++
    ) {
      dueMs = ms;
      if (missed === MOST_MISSED) {
        this.#complainOfMissed();
        return lastBefore(schedule, { fromMs: ms, nowMs: this.#nowMs });
      }
      ms = schedule.next(ms);
    }
    return dueMs;
  }

  /** It can be written, and no day is like that: `59 23 31 2 *`. */
  #complainOfNever(): Outcome {
    const cause = 'time difference between two schedules is less than 1 second';
    const text = `invalid schedule: ${this.#cronJob.spec.schedule} : ${cause}`;
    this.#context.events.warning(this.#cronJob, 'InvalidSchedule', text);
    return settled;
  }

  #complainOfMissed(): void {
    const text = 'too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew';
    this.#context.events.warning(this.#cronJob, 'TooManyMissedTimes', text);
  }

  #isTooLate(dueMs: number): boolean {
    const { startingDeadlineSeconds } = this.#cronJob.spec;
    return startingDeadlineSeconds !== undefined && dueMs + startingDeadlineSeconds * 1000 < this.#nowMs;
  }

  /** By the concurrency policy. @returns whether a Job may begin. */
  async #makeRoom(): Promise<boolean> {
    const { concurrencyPolicy } = this.#cronJob.spec;
    if (this.#active.length === 0 || concurrencyPolicy === 'Allow') return true;
    if (concurrencyPolicy === 'Forbid') {
      const text = 'Not starting job because prior execution is running and concurrency policy is Forbid';
      this.#context.events.normal(this.#cronJob, 'JobAlreadyActive', text);
      return false;
    }
    for (const job of this.#jobs) if (this.#active.some(({ uid }) => uid === job.metadata.uid)) await this.#delete(job);
    return true;
  }

  async #delete(job: Job): Promise<void> {
    const { api, events } = this.#context;
    const { name, uid } = job.metadata;
    try {
      await api.delete(Job, job, { propagationPolicy: 'Background' });
    } catch (error) {
      if (error instanceof StatusError) events.warning(this.#cronJob, 'FailedDelete', `Deleted job: ${error.message}`);
      throw error;
    }
    this.#active = this.#active.filter((each) => each.uid !== uid);
    events.normal(this.#cronJob, 'SuccessfulDelete', `Deleted job ${name}`);
  }

  async #create(dueMs: number): Promise<void> {
    const { events } = this.#context;
    let job: Job;
    try {
      job = await this.#createOrFind(dueMs);
    } catch (error) {
      if (isNamespaceGoing(error)) return;
      if (error instanceof StatusError)
        events.warning(this.#cronJob, 'FailedCreate', `Error creating job: ${error.message}`);
      throw error;
    }
    if (!isFinished(job) && !this.#active.some(({ uid }) => uid === job.metadata.uid))
      this.#active = [...this.#active, referenceTo(job)];
    this.#lastScheduleTime = timestampOf(dueMs);
  }

  /** One of that name may be ours already: a step that was broken off has made it. */
  async #createOrFind(dueMs: number): Promise<Job> {
    const { api, events } = this.#context;
    const draft = jobAt(this.#cronJob, dueMs);
    try {
      const job = await api.create(Job, draft);
      events.normal(this.#cronJob, 'SuccessfulCreate', `Created job ${job.metadata.name}`);
      return job;
    } catch (error) {
      if (!hasReason(error, 'AlreadyExists')) throw error;
      const found = await api.get(Job, { name: draft.metadata.name ?? '', namespace: draft.metadata.namespace ?? '' });
      if (controllerOf(found)?.uid !== this.#cronJob.metadata.uid) throw error;
      return found;
    }
  }
}

/** In steps that grow while there are times left before now. */
function lastBefore(schedule: CronSchedule, { fromMs, nowMs }: { fromMs: number; nowMs: number }): number {
  let low = fromMs;
  let high = nowMs;
  // The last time is the greatest `t` with next(t - 1) = t <= now: the schedule after `middle` tells which half it is in.
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    const next = schedule.next(middle);
    if (next !== undefined && next <= nowMs) low = next;
    else high = middle;
  }
  return low;
}

/** Those without a start last. */
function byStartTime(a: Job, b: Job): number {
  const [first, second] = [a, b].map(({ status }) => millisOf(status?.startTime) ?? Number.MAX_SAFE_INTEGER);
  return (first as number) - (second as number) || (a.metadata.name < b.metadata.name ? -1 : 1);
}

/** It holds the minute, so that one time makes one Job. */
const jobName = ({ metadata }: CronJob, dueMs: number): string => `${metadata.name}-${Math.floor(dueMs / 60_000)}`;

function jobAt(cronJob: CronJob, dueMs: number): Draft<Job> {
  const { jobTemplate, timeZone } = cronJob.spec;
  const { labels, annotations } = jobTemplate.metadata ?? {};
  const { namespace } = cronJob.metadata;
  return {
    metadata: {
      name: jobName(cronJob, dueMs),
      ...(namespace && { namespace }),
      ...(labels && { labels }),
      annotations: { ...annotations, [SCHEDULED_AT]: inZone(dueMs, timeZone) },
      ownerReferences: [controllerReferenceTo(cronJob)],
    },
    spec: jobTemplate.spec,
  };
}
