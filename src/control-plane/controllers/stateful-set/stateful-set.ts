/** Keeps pods with names of their own: in order, one after the other, or all at once; each with the storage that is its. */
import { ControllerRevision } from '#api/apps/v1/controller-revision.ts';
import { StatefulSet } from '#api/apps/v1/stateful-set.ts';
import { PersistentVolumeClaim } from '#api/core/v1/persistent-volume-claim.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { controllerOf } from '../claim.ts';
import { DATA_HASH, dropOldRevisions, historyOf } from '../controller-revisions.ts';
import { again, defineController, settled, watching } from '../define-controller.ts';
import { nextStep } from './next-step.ts';
import { PodControl, writes } from './pod-control.ts';
import { Replicas } from './replicas.ts';
import { statusOf } from './status.ts';
import { versionsOf } from './versions.ts';

export const statefulSetController = defineController({
  name: 'statefulset-controller',
  serviceAccount: 'statefulset-controller',
  reconciles: StatefulSet,
  owns: [Pod, ControllerRevision, PersistentVolumeClaim],
  watches: [
    // One that goes with its pod makes room for the claim of the next.
    watching(PersistentVolumeClaim, (claim) => {
      const owner = controllerOf(claim);
      const [, name] = (owner?.kind === 'Pod' && /^(.+)-\d+$/.exec(owner.name)) || [];
      return name ? [`${claim.metadata.namespace}/${name}`] : [];
    }),
  ],
  writes,
  selectorOf: (set: StatefulSet) => set.spec.selector,

  async reconcile(set, context) {
    const pods = await context.claim(Pod);
    context.weighs(pods.length);
    const revisions = await context.claim(ControllerRevision);
    const history = await historyOf(set, { revisions, hashLabel: DATA_HASH }, context.api);
    const versions = versionsOf(set, history);
    const nowMs = context.clock.now();
    const replicas = new Replicas(set, pods, nowMs);
    const control = new PodControl(set, context);
    let failure: unknown;
    // Of a set that goes only the status is kept.
    if (!set.metadata.deletionTimestamp) {
      const step = nextStep(set, replicas, versions);
      try {
        await control.keepIdentities(replicas);
        await control.take(step, { versions, replicas });
        failure = control.failure;
      } catch (error) {
        failure = error;
      }
    }
    const live = new Set([versions.current.revision, versions.update.revision, ...replicas.revisions]);
    const isLive = ({ metadata }: ControllerRevision) => live.has(metadata.name);
    await dropOldRevisions(set, { history, isLive }, context.api);
    const { collisionCount } = history;
    await context.api.updateStatus(
      set,
      statusOf(set, { replicas, versions, created: control.created, collisionCount }),
    );
    if (failure) throw failure;
    const waitMs = replicas.nextAvailableInMs;
    return waitMs === undefined ? settled : again({ afterMs: waitMs });
  },
});
