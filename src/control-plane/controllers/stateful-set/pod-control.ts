/** Makes and deletes the pods of a StatefulSet, each after its claims, and tells of it. */
import { ControllerRevision } from '#api/apps/v1/controller-revision.ts';
import { StatefulSet } from '#api/apps/v1/stateful-set.ts';
import { PersistentVolumeClaim } from '#api/core/v1/persistent-volume-claim.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { isTerminal } from '#api/core/v1/pod-conditions.ts';
import { isEqual } from '#api/machinery/equal.ts';
import type { Kind } from '#api/machinery/kind.ts';
import { hasReason, StatusError } from '#api/machinery/status.ts';
import { inBatches, inParallel } from '#base/concurrency.ts';
import type { ReconcileContext } from '../define-controller.ts';
import { NotYet } from '../errors.ts';
import {
  claimOwners,
  claimsOf,
  hasIdentity,
  hasStorage,
  identityLabels,
  podName,
  podOf,
  volumesOf,
} from './identity.ts';
import type { Step } from './next-step.ts';
import { isGoing, type Place, type Replicas } from './replicas.ts';
import { type Versions, versionFor } from './versions.ts';

export const writes = {
  create: [Pod, ControllerRevision, PersistentVolumeClaim],
  update: [ControllerRevision, PersistentVolumeClaim],
  delete: [Pod, ControllerRevision],
  patch: [Pod, ControllerRevision],
  status: [StatefulSet],
} as const;

type Context = ReconcileContext<
  Kind<Pod> | Kind<ControllerRevision> | Kind<PersistentVolumeClaim>,
  Kind<StatefulSet> | Kind<Pod> | Kind<ControllerRevision> | Kind<PersistentVolumeClaim>,
  typeof writes
>;

export class PodControl {
  readonly created: Pod[] = [];
  /** What went wrong with a pod whose others do not wait for it. */
  failure: unknown;
  readonly #set: StatefulSet;
  readonly #context: Context;

  constructor(set: StatefulSet, context: Context) {
    this.#set = set;
    this.#context = context;
  }

  async take({ create, remove, recreate }: Step, known: { versions: Versions; replicas: Replicas }): Promise<void> {
    for (const pod of recreate) await this.#delete(pod);
    const { error } = await inBatches(create.length, (index) => this.#create(create[index] ?? 0, known.versions));
    if (error) throw error;
    await inParallel(remove, (pod) => this.#delete(pod));
  }

  /** Labels that make a pod reachable by its name, claims that are there and go with the right owner. */
  async keepIdentities(replicas: Replicas): Promise<void> {
    await inParallel(replicas.reached, async ({ ordinal, pod }) => {
      if (!pod || isTerminal(pod)) return;
      if (pod.status?.phase === 'Pending') {
        await this.#createClaims(ordinal, pod.metadata.name);
        await this.#ownClaims({ ordinal, pod }, false);
      }
      if (replicas.isOrdered && (isGoing(pod) || !replicas.isAvailable(pod))) return;
      try {
        await this.#keepIdentity(pod, ordinal);
      } catch (error) {
        if (replicas.isOrdered) throw error;
        this.failure ??= error;
      }
    });
    if (replicas.isFilled) await inParallel(replicas.condemned, (place) => this.#ownClaims(place, true));
  }

  async #keepIdentity(pod: Pod, ordinal: number): Promise<void> {
    const hasClaims = hasStorage(this.#set, ordinal, pod);
    if (!hasClaims) await this.#createClaims(ordinal, pod.metadata.name);
    const isOwned = await this.#ownClaims({ ordinal, pod }, false);
    if (!isOwned || !hasIdentity(pod) || !hasClaims) await this.#identify(pod, ordinal);
  }

  /** Volumes of a pod cannot be changed: of one that was taken on without its claims the server's refusal is told. */
  async #identify(pod: Pod, ordinal: number): Promise<void> {
    const patch = {
      metadata: { labels: identityLabels(pod, ordinal) },
      ...(!hasStorage(this.#set, ordinal, pod) && { spec: volumesOf(this.#set, ordinal, pod.spec) }),
    };
    await this.#telling('Update', pod.metadata.name, () =>
      this.#context.api.patch(Pod, pod.metadata, { type: 'merge', patch }),
    );
  }

  /** @returns whether all were right */
  async #ownClaims({ ordinal, pod }: Place & { pod: Pod }, isCondemned: boolean): Promise<boolean> {
    const { api, events } = this.#context;
    let areRight = true;
    for (const claim of this.#claimsThere(ordinal)) {
      const { owners, isContested } = claimOwners(this.#set, claim, { pod, isCondemned });
      const isRight = isEqual(owners, claim.metadata.ownerReferences ?? []);
      if (isContested && (!isRight || pod.status?.phase === 'Pending'))
        events.warning(this.#set, 'ConflictingController', contested(claim.metadata.name));
      if (isRight) continue;
      areRight = false;
      const metadata = { ...claim.metadata, ownerReferences: [...owners] };
      await api.update(PersistentVolumeClaim, { ...claim, metadata });
    }
    return areRight;
  }

  #claim(name: string): PersistentVolumeClaim | undefined {
    return this.#context.cached(PersistentVolumeClaim).get(`${this.#set.metadata.namespace}/${name}`);
  }

  #claimsThere(ordinal: number): PersistentVolumeClaim[] {
    return claimsOf(this.#set, ordinal).flatMap(({ metadata }) => this.#claim(metadata.name) ?? []);
  }

  async #create(ordinal: number, versions: Versions): Promise<void> {
    const name = podName(this.#set, ordinal);
    if (this.#hasStaleClaim(ordinal, name)) return;
    await this.#telling('Create', name, async () => {
      await this.#createClaims(ordinal, name);
      const draft = podOf(this.#set, ordinal, versionFor(this.#set, ordinal, versions));
      const pod = await this.#context.api.create(Pod, draft);
      this.created.push(pod);
      await this.#ownClaims({ ordinal, pod }, false);
    });
  }

  /** A claim that goes with an earlier pod of the name: the next one gets its own when that has gone. */
  #hasStaleClaim(ordinal: number, podNamed: string): boolean {
    if (this.#set.spec.persistentVolumeClaimRetentionPolicy.whenScaled === 'Retain') return false;
    const owners = this.#claimsThere(ordinal).flatMap(({ metadata }) => metadata.ownerReferences ?? []);
    return owners.some(({ kind, name }) => kind === 'Pod' && name === podNamed);
  }

  /** Those that are missing; throws what is in the way of any. */
  async #createClaims(ordinal: number, podNamed: string): Promise<void> {
    const failures: string[] = [];
    for (const claim of claimsOf(this.#set, ordinal)) {
      const { name } = claim.metadata;
      const there = this.#claim(name);
      if (there?.metadata.deletionTimestamp) failures.push(`pvc ${name} is being deleted`);
      if (there) continue;
      const failure = await this.#createClaim(claim, podNamed);
      if (failure) failures.push(`failed to create PVC ${name}: ${failure.message}`);
    }
    if (failures.length > 0) throw new NotYet(failures.length === 1 ? failures[0] : `[${failures.join(', ')}]`);
  }

  async #createClaim(claim: ReturnType<typeof claimsOf>[number], podNamed: string): Promise<StatusError | undefined> {
    const { api, events } = this.#context;
    const { name } = claim.metadata;
    const set = this.#set.metadata.name;
    try {
      await api.create(PersistentVolumeClaim, claim);
      const text = `Create Claim ${name} Pod ${podNamed} in StatefulSet ${set} success`;
      events.normal(this.#set, 'SuccessfulCreate', text);
      return undefined;
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
      const text = `Create Claim ${name} for Pod ${podNamed} in StatefulSet ${set} failed error: ${error.message}`;
      if (error.reason !== 'AlreadyExists') events.warning(this.#set, 'FailedCreate', text);
      return error;
    }
  }

  #delete(pod: Pod): Promise<void> {
    return this.#telling('Delete', pod.metadata.name, () => this.#context.api.delete(Pod, pod));
  }

  async #telling(verb: 'Create' | 'Update' | 'Delete', podNamed: string, work: () => Promise<unknown>): Promise<void> {
    const { events } = this.#context;
    const of = `${verb} Pod ${podNamed} in StatefulSet ${this.#set.metadata.name}`;
    try {
      await work();
      events.normal(this.#set, `Successful${verb}`, `${of} successful`);
    } catch (error) {
      // One of the name that is somebody else's, or has not gone yet: it is tried again, and nothing is said of it.
      if (hasReason(error, 'AlreadyExists')) throw error;
      if (error instanceof StatusError || error instanceof NotYet)
        events.warning(this.#set, `Failed${verb}`, `${of} failed error: ${error.message}`);
      throw error;
    }
  }
}

// Upstream's own spelling.
const contested = (claim: string): string =>
  `PersistentVolumeClaim ${claim} has a conflicting OwnerReference that acts as a manging controller, the retention policy is ignored for this claim`;
