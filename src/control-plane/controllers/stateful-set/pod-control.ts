/** Makes and deletes the pods of a StatefulSet, each after its claims, and tells of it. */
import { ControllerRevision } from '#api/apps/v1/controller-revision.ts';
import { StatefulSet } from '#api/apps/v1/stateful-set.ts';
import { PersistentVolumeClaim } from '#api/core/v1/persistent-volume-claim.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { isEqual } from '#api/machinery/equal.ts';
import type { Kind } from '#api/machinery/kind.ts';
import { hasReason, StatusError } from '#api/machinery/status.ts';
import { inBatches, inParallel } from '#base/concurrency.ts';
import type { ReconcileContext } from '../define-controller.ts';
import { claimOwners, claimsOf, hasIdentity, identityLabels, podName, podOf } from './identity.ts';
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

  /** Labels that make a pod reachable by its name, claims that go with the right owner. */
  async keepIdentities({ places, condemned }: Replicas): Promise<void> {
    await inParallel([...places], async ({ ordinal, pod }) => {
      if (pod?.status?.phase === 'Pending') await this.#createClaims(ordinal, pod.metadata.name);
      if (pod && !hasIdentity(pod, ordinal)) await this.#identify(pod, ordinal);
    });
    await inParallel(
      [
        ...places.map((place) => ({ place, isCondemned: false })),
        ...condemned.map((place) => ({ place, isCondemned: true })),
      ],
      ({ place, isCondemned }) => this.#ownClaims(place, isCondemned),
    );
  }

  async #identify(pod: Pod, ordinal: number): Promise<void> {
    const { api, events } = this.#context;
    const of = `Pod ${pod.metadata.name} in StatefulSet ${this.#set.metadata.name}`;
    const patch = { metadata: { labels: identityLabels(pod, ordinal) } };
    try {
      await api.patch(Pod, pod.metadata, { type: 'merge', patch });
      events.normal(this.#set, 'SuccessfulUpdate', `update ${of} successful`);
    } catch (error) {
      if (error instanceof StatusError)
        events.warning(this.#set, 'FailedUpdate', `update ${of} failed error: ${error.message}`);
      throw error;
    }
  }

  /** Those of a pod that is gone, or about to go, may have to go with it. */
  async #ownClaims({ ordinal, pod }: Place, isCondemned: boolean): Promise<void> {
    const { api, cached } = this.#context;
    if (!isCondemned && (!pod || isGoing(pod))) return;
    for (const { metadata } of claimsOf(this.#set, ordinal)) {
      const claim = cached(PersistentVolumeClaim).get(`${this.#set.metadata.namespace}/${metadata.name}`);
      if (!claim || claim.metadata.deletionTimestamp) continue;
      const ownerReferences = claimOwners(this.#set, claim, { pod, isCondemned });
      if (isEqual(ownerReferences, claim.metadata.ownerReferences ?? [])) continue;
      await api.update(PersistentVolumeClaim, { ...claim, metadata: { ...claim.metadata, ownerReferences } });
    }
  }

  async #create(ordinal: number, versions: Versions): Promise<void> {
    const { api, events } = this.#context;
    const name = podName(this.#set, ordinal);
    if (this.#hasStaleClaim(ordinal, name)) return;
    const of = `Pod ${name} in StatefulSet ${this.#set.metadata.name}`;
    try {
      await this.#createClaims(ordinal, name);
      const pod = await api.create(Pod, podOf(this.#set, ordinal, versionFor(this.#set, ordinal, versions)));
      this.created.push(pod);
      events.normal(this.#set, 'SuccessfulCreate', `create ${of} successful`);
    } catch (error) {
      // The pod that was there has not gone yet; its going is heard of.
      if (hasReason(error, 'AlreadyExists')) return;
      if (error instanceof StatusError)
        events.warning(this.#set, 'FailedCreate', `create ${of} failed error: ${error.message}`);
      throw error;
    }
  }

  /** A claim that goes with an earlier pod of the name: the next one gets its own when that has gone. */
  #hasStaleClaim(ordinal: number, podNamed: string): boolean {
    if (this.#set.spec.persistentVolumeClaimRetentionPolicy.whenScaled !== 'Delete') return false;
    return claimsOf(this.#set, ordinal).some(({ metadata }) => {
      const key = `${this.#set.metadata.namespace}/${metadata.name}`;
      const claim = this.#context.cached(PersistentVolumeClaim).get(key);
      return claim?.metadata.ownerReferences?.some(({ kind, name }) => kind === 'Pod' && name === podNamed) ?? false;
    });
  }

  async #createClaims(ordinal: number, pod: string): Promise<void> {
    const { api, cached, events } = this.#context;
    for (const claim of claimsOf(this.#set, ordinal)) {
      const { name } = claim.metadata;
      if (cached(PersistentVolumeClaim).get(`${this.#set.metadata.namespace}/${name}`)) continue;
      const of = `Claim ${name} Pod ${pod} in StatefulSet ${this.#set.metadata.name}`;
      try {
        await api.create(PersistentVolumeClaim, claim);
        events.normal(this.#set, 'SuccessfulCreate', `create ${of} success`);
      } catch (error) {
        if (hasReason(error, 'AlreadyExists')) continue;
        if (error instanceof StatusError)
          events.warning(this.#set, 'FailedCreate', `create ${of} failed error: ${error.message}`);
        throw error;
      }
    }
  }

  async #delete(pod: Pod): Promise<void> {
    const { api, events } = this.#context;
    const of = `Pod ${pod.metadata.name} in StatefulSet ${this.#set.metadata.name}`;
    try {
      await api.delete(Pod, pod);
      events.normal(this.#set, 'SuccessfulDelete', `delete ${of} successful`);
    } catch (error) {
      if (error instanceof StatusError)
        events.warning(this.#set, 'FailedDelete', `delete ${of} failed error: ${error.message}`);
      throw error;
    }
  }
}
