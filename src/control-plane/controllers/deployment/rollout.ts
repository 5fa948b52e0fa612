/** One step of one Deployment: the ReplicaSets are made, grown and shrunk; what it is at now is noted in its status. */
import { Deployment } from '#api/apps/v1/deployment.ts';
import { ReplicaSet } from '#api/apps/v1/replica-set.ts';
import type { Pod } from '#api/core/v1/pod.ts';
import { isTerminal } from '#api/core/v1/pod-conditions.ts';
import type { DeploymentStatus } from '#api/generated/schema.ts';
import { isEqual } from '#api/machinery/equal.ts';
import type { Kind } from '#api/machinery/kind.ts';
import { hasReason, StatusError } from '#api/machinery/status.ts';
import { controllerOf } from '../claim.ts';
import type { ReconcileContext } from '../define-controller.ts';
import {
  annotationsOf,
  desiredReplicasOf,
  draftOf,
  hasTemplate,
  newReplicaSetOf,
  nextRevision,
  REVISION,
  sizeAnnotations,
  tooOld,
} from './replica-sets.ts';
import { askedRevision, rollbackTo } from './rollback.ts';
import type { Resize } from './sizes.ts';
import {
  activeOrLatest,
  actualPods,
  isRolling,
  isSaturated,
  maxSurge,
  newSizeOf,
  oldSizes,
  proportionalSizes,
} from './sizes.ts';
import type { NewCondition, Sets } from './status.ts';
import {
  conditionOf,
  countedStatus,
  hasDeadline,
  isComplete,
  lateInMs,
  progressing,
  rolloutStatus,
  withCondition,
} from './status.ts';

export const deploymentWrites = {
  create: [ReplicaSet],
  update: [Deployment, ReplicaSet],
  patch: [ReplicaSet],
  delete: [ReplicaSet],
  status: [Deployment],
} as const;
type Context = ReconcileContext<Kind<ReplicaSet>, Kind<Deployment | ReplicaSet | Pod>, typeof deploymentWrites>;

export class Rollout {
  readonly #context: Context;
  #deployment: Deployment;
  #sets: Sets;

  constructor(deployment: Deployment, replicaSets: readonly ReplicaSet[], context: Context) {
    this.#deployment = deployment;
    this.#context = context;
    const newRs = newReplicaSetOf(deployment, replicaSets);
    this.#sets = { newRs, old: replicaSets.filter((rs) => rs !== newRs) };
  }

  /** When to look again although nothing changed, in ms; undefined: never. */
  async step(pods: () => readonly Pod[]): Promise<number | undefined> {
    if (this.#deployment.metadata.deletionTimestamp) return this.#noteCounts();
    await this.#notePause();
    if (this.#deployment.spec.paused) return this.#resize();
    const revision = askedRevision(this.#deployment);
    if (revision !== undefined) return this.#rollBack(revision);
    if (this.#isBeingScaled()) return this.#resize();
    return isRolling(this.#deployment) ? this.#roll() : this.#recreate(pods);
  }

  get #all(): readonly ReplicaSet[] {
    const { newRs, old } = this.#sets;
    return newRs ? [...old, newRs] : old;
  }

  /** What it leads to is the next step's. */
  async #rollBack(revision: bigint): Promise<undefined> {
    await this.#newReplicaSet();
    const { api, events } = this.#context;
    const { deployment, type, reason, message } = rollbackTo(revision, this.#deployment, this.#all);
    await api.update(Deployment, deployment);
    if (type === 'Normal') events.normal(deployment, reason, message);
    else events.warning(deployment, reason, message);
  }

  async #roll(): Promise<number | undefined> {
    const newRs = await this.#newReplicaSet();
    const { replicas } = this.#deployment.spec;
    const size =
      newRs.spec.replicas > replicas ? replicas : newSizeOf(this.#deployment, this.#all, newRs.spec.replicas);
    if (await this.#scale({ rs: newRs, to: size })) return this.#noteRollout();
    const shrunk = await this.#scaleAll(oldSizes(this.#deployment, newRs, this.#sets.old));
    if (!shrunk && isComplete(this.#deployment, this.#deployment.status)) await this.#forgetOld();
    return this.#noteRollout();
  }

  async #recreate(pods: () => readonly Pod[]): Promise<number | undefined> {
    await this.#refreshNewReplicaSet();
    if (await this.#scaleAll(this.#sets.old.map((rs) => ({ rs, to: 0 })))) return this.#noteRollout();
    if (this.#oldPodsRun(pods())) return this.#noteRollout();
    const newRs = await this.#newReplicaSet();
    await this.#scale({ rs: newRs, to: this.#deployment.spec.replicas });
    if (isComplete(this.#deployment, this.#deployment.status)) await this.#forgetOld();
    return this.#noteRollout();
  }

  #oldPodsRun(pods: readonly Pod[]): boolean {
    if (actualPods(this.#sets.old) > 0) return true;
    const newUid = this.#sets.newRs?.metadata.uid;
    return pods.some((pod) => controllerOf(pod)?.uid !== newUid && !isTerminal(pod));
  }

  /** A change of size is not a rollout: all versions grow or shrink. */
  async #resize(): Promise<number | undefined> {
    await this.#refreshNewReplicaSet();
    await this.#scaleAll(this.#wantedSizes());
    if (this.#deployment.spec.paused) await this.#forgetOld();
    return this.#noteCounts();
  }

  #wantedSizes(): Resize[] {
    const { newRs, old } = this.#sets;
    const only = activeOrLatest(newRs, old);
    if (only) return [{ rs: only, to: this.#deployment.spec.replicas }];
    if (isSaturated(this.#deployment, newRs)) return old.map((rs) => ({ rs, to: 0 }));
    return isRolling(this.#deployment) ? proportionalSizes(this.#deployment, this.#all) : [];
  }

  #isBeingScaled(): boolean {
    const { newRs, old } = this.#sets;
    // Turned to Recreate in the middle of a rollout: there is no share for each version, the old ones end. Upstream waits for ever.
    if (!isRolling(this.#deployment) && !activeOrLatest(newRs, old)) return false;
    const { replicas } = this.#deployment.spec;
    return this.#all.some((rs) => {
      const desired = desiredReplicasOf(rs);
      return rs.spec.replicas > 0 && desired !== undefined && desired !== replicas;
    });
  }

  /** The ReplicaSet of the current template, made when there is none. */
  async #newReplicaSet(): Promise<ReplicaSet> {
    const known = await this.#refreshNewReplicaSet();
    if (known) return known;
    const revision = nextRevision(this.#sets.old);
    const created = await this.#create(revision);
    this.#sets = { ...this.#sets, newRs: created };
    const { name } = created.metadata;
    const reached = hasDeadline(this.#deployment)
      ? progressing('NewReplicaSetCreated', `Created new replica set "${name}"`)
      : undefined;
    await this.#note(String(revision), reached);
    return created;
  }

  /** Brings revision, annotations and minReadySeconds of the new ReplicaSet up to date, when it exists. */
  async #refreshNewReplicaSet(): Promise<ReplicaSet | undefined> {
    const { newRs, old } = this.#sets;
    if (!newRs) return undefined;
    const annotations = annotationsOf(this.#deployment, newRs, { revision: nextRevision(old) });
    const { minReadySeconds } = this.#deployment.spec;
    const isStale =
      !isEqual(annotations, newRs.metadata.annotations ?? {}) ||
      (minReadySeconds ?? 0) !== (newRs.spec.minReadySeconds ?? 0);
    const current = isStale
      ? await this.#replace(newRs, {
          ...newRs,
          metadata: { ...newRs.metadata, annotations },
          spec: { ...newRs.spec, minReadySeconds },
        })
      : newRs;
    const isNew = hasDeadline(this.#deployment) && !conditionOf(this.#deployment.status, 'Progressing');
    const found = progressing('FoundNewReplicaSet', `Found new replica set "${current.metadata.name}"`);
    await this.#note(current.metadata.annotations?.[REVISION], isNew ? found : undefined);
    return current;
  }

  async #create(revision: bigint): Promise<ReplicaSet> {
    const { api, events } = this.#context;
    const draft = draftOf(this.#deployment);
    const { replicas: desired } = this.#deployment.spec;
    const replicas = newSizeOf(this.#deployment, this.#sets.old, 0);
    const sizes = { desired, max: desired + maxSurge(this.#deployment) };
    const annotations = annotationsOf(this.#deployment, draft, { revision, sizes });
    try {
      const metadata = { ...draft.metadata, annotations };
      const created = await api.create(ReplicaSet, { ...draft, metadata, spec: { ...draft.spec, replicas } });
      const text = `Scaled up replica set ${created.metadata.name} from 0 to ${replicas}`;
      if (replicas > 0) events.normal(this.#deployment, 'ScalingReplicaSet', text);
      return created;
    } catch (error) {
      if (hasReason(error, 'AlreadyExists')) return this.#existing(draft.metadata.name, error);
      await this.#noteFailedCreate(draft.metadata.name, error);
      throw error;
    }
  }

  /** One of that name that is ours was made by a step we have not seen; any other is a collision: the next name differs. */
  async #existing(name: string, error: unknown): Promise<ReplicaSet> {
    const { namespace, uid } = this.#deployment.metadata;
    const rs = await this.#context.api.get(ReplicaSet, { name, ...(namespace && { namespace }) });
    if (controllerOf(rs)?.uid === uid && hasTemplate(rs, this.#deployment.spec.template)) return rs;
    const status = this.#deployment.status ?? {};
    await this.#updateStatus({ ...status, collisionCount: (status.collisionCount ?? 0) + 1 });
    throw error;
  }

  async #noteFailedCreate(name: string, error: unknown): Promise<void> {
    if (!(error instanceof StatusError) || !hasDeadline(this.#deployment)) return;
    const message = `Failed to create new replica set "${name}": ${error.message}`;
    const failed = progressing('ReplicaSetCreateError', message, 'False');
    await this.#updateStatus(withCondition(this.#deployment.status ?? {}, failed, this.#context.clock.now()));
  }

  async #scaleAll(sizes: readonly Resize[]): Promise<boolean> {
    let isAnyScaled = false;
    for (const size of sizes) isAnyScaled = (await this.#scale(size)) || isAnyScaled;
    return isAnyScaled;
  }

  /** True when the size changed. */
  async #scale({ rs, to }: Resize): Promise<boolean> {
    const desired = this.#deployment.spec.replicas;
    const annotations = {
      ...rs.metadata.annotations,
      ...sizeAnnotations({ desired, max: desired + maxSurge(this.#deployment) }),
    };
    const from = rs.spec.replicas;
    if (from === to && (to === 0 || isEqual(annotations, rs.metadata.annotations))) return false;
    await this.#replace(rs, { ...rs, metadata: { ...rs.metadata, annotations }, spec: { ...rs.spec, replicas: to } });
    if (from === to) return false;
    const text = `Scaled ${to > from ? 'up' : 'down'} replica set ${rs.metadata.name} from ${from} to ${to}`;
    this.#context.events.normal(this.#deployment, 'ScalingReplicaSet', text);
    return true;
  }

  async #replace(rs: ReplicaSet, next: ReplicaSet): Promise<ReplicaSet> {
    const updated = await this.#context.api.update(ReplicaSet, next);
    const { newRs, old } = this.#sets;
    const isSame = (each: ReplicaSet | undefined) => each?.metadata.uid === rs.metadata.uid;
    this.#sets = { newRs: isSame(newRs) ? updated : newRs, old: old.map((each) => (isSame(each) ? updated : each)) };
    return updated;
  }

  async #forgetOld(): Promise<void> {
    const { revisionHistoryLimit } = this.#deployment.spec;
    for (const rs of tooOld(this.#sets.old, revisionHistoryLimit)) await this.#context.api.delete(ReplicaSet, rs);
  }

  async #notePause(): Promise<void> {
    const { spec, status } = this.#deployment;
    const condition = conditionOf(status, 'Progressing');
    if (!hasDeadline(this.#deployment) || condition?.reason === 'ProgressDeadlineExceeded') return;
    const isNoted = condition?.reason === 'DeploymentPaused';
    if (Boolean(spec.paused) === isNoted) return;
    await this.#note(undefined, spec.paused ? PAUSED : RESUMED);
  }

  async #note(revision: string | undefined, condition: NewCondition | undefined): Promise<void> {
    const status = this.#deployment.status ?? {};
    const noted = condition ? withCondition(status, condition, this.#context.clock.now()) : status;
    const annotations = revision ? { ...this.#deployment.metadata.annotations, [REVISION]: revision } : undefined;
    await this.#updateStatus(noted, annotations);
  }

  async #noteCounts(): Promise<undefined> {
    await this.#updateStatus(countedStatus(this.#deployment, this.#sets, this.#context.clock.now()));
  }

  async #noteRollout(): Promise<number | undefined> {
    const nowMs = this.#context.clock.now();
    const status = rolloutStatus(this.#deployment, this.#sets, nowMs);
    await this.#updateStatus(status);
    return lateInMs(this.#deployment, status, nowMs);
  }

  async #updateStatus(status: DeploymentStatus, annotations?: Record<string, string>): Promise<void> {
    this.#deployment = await this.#context.api.updateStatus(this.#deployment, status, annotations);
  }
}

const PAUSED = progressing('DeploymentPaused', 'Deployment is paused', 'Unknown');
const RESUMED = progressing('DeploymentResumed', 'Deployment is resumed', 'Unknown');
