/**
 * Keeps pods apart that must not share a volume: a disk that only one may write to, and a claim of which the access mode says
 * that one pod alone may have it. Source: "Persistent Volumes" (ReadWriteOncePod), KEP-2485.
 */
import { Node } from '#api/core/v1/node.ts';
import { PersistentVolumeClaim } from '#api/core/v1/persistent-volume-claim.ts';
import { Pod } from '#api/core/v1/pod.ts';
import type { Tally } from '../define-plugin.ts';
import { changed, definePlugin, fits, removed, unresolvable, unschedulable, when } from '../define-plugin.ts';
import type { NodeInfo } from '../node-info.ts';
import { noSuchClaim, podClaimsOf, usesClaim } from './pod-claims.ts';

type Volume = NonNullable<Pod['spec']['volumes']>[number];

interface State {
  /** Names of the pod's claims that one pod alone may have. */
  exclusive: ReadonlySet<string>;
  /** How often placed pods use them. */
  uses: number;
}

export const volumeRestrictions = definePlugin<State>({
  name: 'VolumeRestrictions',
  reads: [PersistentVolumeClaim],

  prepare(pod, cluster) {
    const { volumes } = pod.spec;
    if (!volumes?.length) return 'skip';
    const claims = podClaimsOf(pod, cluster).filter(({ isEphemeral }) => !isEphemeral);
    const missing = claims.find(({ claim }) => !claim);
    if (missing) return unresolvable(noSuchClaim(missing.name));
    const exclusive = new Set(
      claims.flatMap(({ name, claim }) => (claim?.spec.accessModes?.includes('ReadWriteOncePod') ? [name] : [])),
    );
    let uses = 0;
    if (exclusive.size > 0) {
      const counts = cluster.tally('VolumeRestrictions/claims', () => new ClaimUses());
      for (const name of exclusive) if (counts.of(pod.metadata.namespace, name) > 0) uses++;
    }
    return uses === 0 && !volumes.some(isRestricted) ? 'skip' : { state: { exclusive, uses } };
  },

  filter(pod, { pods }, { uses }) {
    if (pods.some((other) => collide(pod, other))) return unschedulable('node(s) had no available disk');
    return uses === 0
      ? fits
      : unschedulable(
          'node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod',
        );
  },

  withPod: (state, other, _, pod) => counted(state, { pod, other, by: 1 }),
  withoutPod: (state, other, _, pod) => counted(state, { pod, other, by: -1 }),

  retryWhen: [
    when(removed(Pod), ({ before }, pod) => before !== undefined && couldMakeWay(before as Pod, pod)),
    changed(Node),
    when(changed(PersistentVolumeClaim), ({ now }, pod) => now !== undefined && usesClaim(pod, now)),
  ],
});

/** How many placed pods use a claim. */
class ClaimUses implements Tally {
  readonly #counts = new Map<string, number>();

  of(namespace: string | undefined, name: string): number {
    return this.#counts.get(`${namespace}/${name}`) ?? 0;
  }

  nodeCame({ pods }: NodeInfo): void {
    for (const pod of pods) this.podCame(pod);
  }
  nodeWent({ pods }: NodeInfo): void {
    for (const pod of pods) this.podWent(pod);
  }
  podCame(pod: Pod): void {
    this.#add(pod, 1);
  }
  podWent(pod: Pod): void {
    this.#add(pod, -1);
  }

  #add(pod: Pod, by: number): void {
    for (const name of claimNamesOf(pod)) {
      const key = `${pod.metadata.namespace}/${name}`;
      const count = (this.#counts.get(key) ?? 0) + by;
      if (count > 0) this.#counts.set(key, count);
      else this.#counts.delete(key);
    }
  }
}

const claimNamesOf = ({ spec }: Pod): string[] =>
  spec.volumes?.flatMap(({ persistentVolumeClaim }) =>
    persistentVolumeClaim ? [persistentVolumeClaim.claimName] : [],
  ) ?? [];

function counted(state: State, { pod, other, by }: { pod: Pod; other: Pod; by: number }): State {
  if (state.exclusive.size === 0 || other.metadata.namespace !== pod.metadata.namespace) return state;
  const shared = claimNamesOf(other).filter((name) => state.exclusive.has(name)).length;
  return shared === 0 ? state : { ...state, uses: state.uses + by * shared };
}

function couldMakeWay(gone: Pod, pod: Pod): boolean {
  if (gone.metadata.namespace !== pod.metadata.namespace) return false;
  const names = new Set(claimNamesOf(pod));
  return collide(pod, gone) || claimNamesOf(gone).some((name) => names.has(name));
}

const isRestricted = (volume: Volume): boolean =>
  Boolean(volume.gcePersistentDisk || volume.awsElasticBlockStore || volume.rbd || volume.iscsi);

const collide = (pod: Pod, other: Pod): boolean =>
  pod.spec.volumes?.some((a) => isRestricted(a) && other.spec.volumes?.some((b) => isSameDisk(a, b))) ?? false;

/** One disk, and not read by both only. */
function isSameDisk(a: Volume, b: Volume): boolean {
  if (a.gcePersistentDisk && b.gcePersistentDisk)
    return (
      a.gcePersistentDisk.pdName === b.gcePersistentDisk.pdName && !bothRead(a.gcePersistentDisk, b.gcePersistentDisk)
    );
  if (a.awsElasticBlockStore && b.awsElasticBlockStore)
    return a.awsElasticBlockStore.volumeID === b.awsElasticBlockStore.volumeID;
  if (a.iscsi && b.iscsi) return a.iscsi.iqn === b.iscsi.iqn && !bothRead(a.iscsi, b.iscsi);
  if (!a.rbd || !b.rbd) return false;
  const theirs = b.rbd;
  const isOne = (a.rbd.pool ?? '') === (theirs.pool ?? '') && a.rbd.image === theirs.image;
  return isOne && a.rbd.monitors.some((monitor) => theirs.monitors.includes(monitor)) && !bothRead(a.rbd, theirs);
}

const bothRead = (a: { readOnly?: boolean }, b: { readOnly?: boolean }): boolean =>
  Boolean(a.readOnly) && Boolean(b.readOnly);
