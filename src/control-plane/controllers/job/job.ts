/** Runs a Job's pods until as many have succeeded as it asks for, or it has failed. */
import { Job } from '#api/batch/v1/job.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { isActive, isReady } from '#api/core/v1/pod-conditions.ts';
import type { JobStatus } from '#api/generated/schema.ts';
import { isEqual } from '#api/machinery/equal.ts';
import type { Kind } from '#api/machinery/kind.ts';
import { hasReason } from '#api/machinery/status.ts';
import { timestampOf } from '#api/machinery/timestamp.ts';
import { inParallel } from '#base/concurrency.ts';
import { controllerOf } from '../claim.ts';
import { withoutZeros } from '../counts.ts';
import {
  again,
  defineController,
  type Outcome,
  type ReconcileContext,
  settled,
  watching,
} from '../define-controller.ts';
import { createPods, deletePods, isNamespaceGoing } from '../pod-writes.ts';
import { type FailureRecord, FailureRecords } from './back-off.ts';
import { isTerminating, isTracked, JOB_NAME_LABEL, podOf, TRACKING_FINALIZER } from './job-pods.ts';
import { type Wanted, wantedPods } from './job-step.ts';
import { type Tally, tallyOf } from './tally.ts';
import { conditionOf, deadlineMs, isFinished, type Verdict, verdictOn, withCondition } from './verdict.ts';
import { writtenTally } from './written-tally.ts';

const writes = { create: [Pod], delete: [Pod], patch: [Pod], status: [Job] } as const;
type Context = ReconcileContext<Kind<Pod>, Kind<Job> | Kind<Pod>, typeof writes>;

const TOO_MANY = 'Too many succeeded pods running after completion count reached';
/** Of a Job that this controller is for. Source: KEP-4368. */
const OWN_NAME = 'kubernetes.io/job-controller';

export const jobController = defineController(() => {
  const records = new FailureRecords();
  return {
    name: 'job-controller',
    reconciles: Job,
    owns: [Pod],
    whenOwned: saysMore,
    watches: [
      // A pod that was let go, or whose Job is gone, has lost its owner, not its finalizer.
      watching(Pod, (pod) => [jobKeyOf(pod)].filter((key) => key !== undefined), saysMore),
    ],
    writes,
    // What it says to be counted is followed by the pods' change; what it says at the end, by nothing.
    reckonsWith: ['status'],
    also: [{ verbs: ['update'], apiGroups: ['batch'], resources: ['jobs/finalizers'] }],
    selectorOf: (job: Job) => job.spec.selector,
    // What ends counts only with it.
    adoptedGet: [TRACKING_FINALIZER],

    async reconcile(job, context) {
      if (job.spec.managedBy !== undefined && job.spec.managedBy !== OWN_NAME) return settled;
      const pods = await context.claim(Pod);
      context.weighs(pods.length);
      // One that was taken on just now looks like nobody's still, as far as the cache has come.
      const strays = strayPods(context, job.metadata.uid).filter((pod) => !isAmong(pods, pod));
      await release(strays, context);
      if (isFinished(job)) {
        records.forget(context.key);
        await release(pods.filter(isTracked), context);
        return settled;
      }
      return new Step(job, { pods, records, context }).run();
    },

    async gone(context) {
      records.forget(context.key);
      await release(strayPods(context, undefined), context);
      return settled;
    },
  };
});

/** That a pod which waits is given a node changes nothing for its Job, nor does what is said about why it waits. */
function saysMore(now: Pod, before: Pod): boolean {
  if (!isPending(now) || !isPending(before)) return true;
  return isReady(now) !== isReady(before) || !isEqual(toItsJob(now), toItsJob(before));
}

/** Whose it is, and which; whether it is to go; how often its containers began. */
function toItsJob({ metadata, status }: Pod): unknown[] {
  const { labels, annotations, finalizers, ownerReferences, deletionTimestamp } = metadata;
  const { initContainerStatuses, containerStatuses } = status ?? {};
  return [
    labels,
    annotations,
    finalizers,
    ownerReferences,
    deletionTimestamp,
    initContainerStatuses,
    containerStatuses,
  ];
}

const isPending = ({ status }: Pod): boolean => (status?.phase ?? 'Pending') === 'Pending';

/** The Job that a pod was made for, by its label. */
const jobKeyOf = ({ metadata }: Pod): string | undefined => {
  const name = metadata.labels?.[JOB_NAME_LABEL];
  return name && metadata.finalizers?.includes(TRACKING_FINALIZER) ? `${metadata.namespace}/${name}` : undefined;
};

/** Pods made for a Job of this name that no Job counts any more. */
function strayPods({ key, cached }: Context, uid: string | undefined): Pod[] {
  const name = key.slice(key.indexOf('/') + 1);
  return cached(Pod)
    .by(jobKeyOf, key)
    .filter((pod) => {
      const owner = controllerOf(pod);
      return (
        !owner || (owner.kind === 'Job' && owner.apiVersion === 'batch/v1' && owner.name === name && owner.uid !== uid)
      );
    });
}

const isAmong = (pods: readonly Pod[], { metadata }: Pod): boolean =>
  pods.some((pod) => pod.metadata.uid === metadata.uid);

/** Takes away what keeps them from going. */
async function release(pods: readonly Pod[], { api }: Context): Promise<void> {
  await inParallel(pods, async ({ metadata }) => {
    const patch = { metadata: { uid: metadata.uid, '$deleteFromPrimitiveList/finalizers': [TRACKING_FINALIZER] } };
    try {
      await api.patch(Pod, metadata, { type: 'strategic', patch });
    } catch (error) {
      if (!hasReason(error, 'NotFound') && !hasReason(error, 'Conflict')) throw error;
    }
  });
}

interface Seen {
  active: readonly Pod[];
  tally: Tally;
  record: FailureRecord;
}
interface Change {
  removed: ReadonlySet<Pod>;
  created: number;
  failure: unknown;
  waitMs: number | undefined;
}

interface Parts {
  pods: readonly Pod[];
  records: FailureRecords;
  context: Context;
}

class Step {
  readonly #job: Job;
  readonly #pods: readonly Pod[];
  readonly #records: FailureRecords;
  readonly #context: Context;
  readonly #nowMs: number;

  constructor(job: Job, { pods, records, context }: Parts) {
    this.#job = job;
    this.#pods = pods;
    this.#records = records;
    this.#context = context;
    this.#nowMs = context.clock.now();
  }

  async run(): Promise<Outcome> {
    const { uid, deletionTimestamp } = this.#job.metadata;
    const identity = { key: this.#context.key, uid };
    const active = this.#pods.filter(isActive);
    const tally = tallyOf(this.#job, this.#pods);
    const record = this.#records.after(identity, tally);
    const verdict = verdictOn(this.#job, { tally, pods: this.#pods, active, nowMs: this.#nowMs });

    const change = await this.#change(verdict, { active, tally, record });
    const ending = verdict?.final ?? (deletionTimestamp ? 'deleted' : undefined);
    const written = writtenTally(this.#job, { pods: this.#pods, tally, ending });
    const terminating = this.#pods.filter(isTerminating).length + change.removed.size;
    const isOver = verdict !== undefined && written.isComplete && active.length === 0 && terminating === 0;
    const status: JobStatus = {
      ready: active.filter((pod) => isReady(pod) && !change.removed.has(pod)).length,
      terminating,
      ...this.#times(verdict, isOver),
      ...withoutZeros({ active: active.length - change.removed.size + change.created }),
      ...written.status,
      ...this.#conditions(verdict, isOver),
    };
    const now = await this.#context.api.updateStatus(this.#job, status);
    if (isOver) this.#records.forget(identity.key);
    else this.#records.keep(identity, record);
    this.#tell(now, verdict, isOver);
    await release(written.toRelease, this.#context);
    if (change.failure && !isNamespaceGoing(change.failure)) throw change.failure;
    return isOver ? settled : this.#next(now, change.waitMs);
  }

  async #change(verdict: Verdict | undefined, { active, tally, record }: Seen): Promise<Change> {
    const none = { created: 0, failure: undefined, waitMs: undefined };
    if (verdict) return { removed: await this.#delete(active, { mayCount: true }), ...none };
    if (this.#job.metadata.deletionTimestamp) return { removed: new Set(), ...none };
    if (this.#job.spec.suspend) return { removed: await this.#delete(active, { mayCount: false }), ...none };
    const wanted = wantedPods(this.#job, { pods: this.#pods, active, tally, record, nowMs: this.#nowMs });
    const removed = await this.#delete(wanted.surplus, { mayCount: false });
    const { succeeded: created, error: failure } = await this.#create(wanted.missing);
    return { removed, created, failure, waitMs: wanted.waitMs };
  }

  /** By the Job as it was written: it may have started with this step, and nobody asks for another. */
  #next(written: Job, waitMs = Number.POSITIVE_INFINITY): Outcome {
    const untilDeadlineMs = (deadlineMs(written) ?? Number.POSITIVE_INFINITY) - this.#nowMs;
    const afterMs = Math.min(waitMs, untilDeadlineMs);
    return !Number.isFinite(afterMs) || afterMs <= 0 ? settled : again({ afterMs });
  }

  /** @returns those that are gone or going. Those that the Job no longer wants are let go uncounted. */
  async #delete(pods: readonly Pod[], { mayCount }: { mayCount: boolean }): Promise<ReadonlySet<Pod>> {
    if (!mayCount) await release(pods.filter(isTracked), this.#context);
    const { error } = await deletePods(this.#job, pods, this.#context);
    if (error) throw error;
    return new Set(pods);
  }

  #create(missing: Wanted['missing']): Promise<{ succeeded: number; error: unknown }> {
    const drafts = missing.map(({ index, failures }) => podOf(this.#job, index, failures));
    return createPods(this.#job, drafts, this.#context);
  }

  /** A suspended Job has no start; resumed, it starts anew. */
  #times(verdict: Verdict | undefined, isOver: boolean): Pick<JobStatus, 'startTime' | 'completionTime'> {
    const { spec, status } = this.#job;
    const now = timestampOf(this.#nowMs);
    const startTime = spec.suspend && !verdict ? undefined : (status?.startTime ?? now);
    const isComplete = isOver && verdict?.final === 'Complete';
    return Object.assign({}, startTime && { startTime }, isComplete && { completionTime: now });
  }

  #conditions(verdict: Verdict | undefined, isOver: boolean): Pick<JobStatus, 'conditions'> {
    const { spec, status } = this.#job;
    let conditions = [...(status?.conditions ?? [])];
    const say = (type: string, is: 'True' | 'False', reason: string, message: string) => {
      conditions = withCondition(conditions, { type, status: is, reason, message }, this.#nowMs);
    };
    if (verdict) {
      say(verdict.coming, 'True', verdict.reason, verdict.message);
      if (isOver) say(verdict.final, 'True', verdict.reason, verdict.message);
    } else if (spec.suspend) {
      say('Suspended', 'True', 'JobSuspended', 'Job suspended');
    } else if (conditionOf(this.#job, 'Suspended')?.status === 'True') {
      say('Suspended', 'False', 'JobResumed', 'Job resumed');
    }
    return conditions.length > 0 ? { conditions } : {};
  }

  /** Events of what became true with this step. */
  #tell(written: Job, verdict: Verdict | undefined, isOver: boolean): void {
    const { events } = this.#context;
    const suspended = (job: Job) => conditionOf(job, 'Suspended')?.status;
    if (isOver && verdict?.final === 'Complete') {
      const { completions } = this.#job.spec;
      if (completions !== undefined && (written.status?.succeeded ?? 0) > completions)
        events.warning(this.#job, 'TooManySucceededPods', TOO_MANY);
      events.normal(this.#job, 'Completed', 'Job completed');
    }
    if (isOver && verdict?.final === 'Failed') events.warning(this.#job, verdict.reason, verdict.message);
    if (suspended(written) === suspended(this.#job)) return;
    if (suspended(written) === 'True') events.normal(this.#job, 'Suspended', 'Job suspended');
    else events.normal(this.#job, 'Resumed', 'Job resumed');
  }
}
