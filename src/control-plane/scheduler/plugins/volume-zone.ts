/** A pod goes where the zone labels of its volumes allow. Source: "Running in multiple zones" (storage access for zones). */
import { Node } from '#api/core/v1/node.ts';
import { PersistentVolume } from '#api/core/v1/persistent-volume.ts';
import { PersistentVolumeClaim } from '#api/core/v1/persistent-volume-claim.ts';
import { classOfClaim } from '#api/core/v1/persistent-volume-matching.ts';
import type { ObjectKey } from '#api/machinery/object.ts';
import { StorageClass } from '#api/storage/v1/storage-class.ts';
import type { ClusterView } from '../define-plugin.ts';
import { changed, definePlugin, fits, unresolvable, when } from '../define-plugin.ts';
import type { Verdict } from '../verdict.ts';
import { noSuchClaim, podClaimsOf, usesClaim } from './pod-claims.ts';

const ZONE = 'topology.kubernetes.io/zone';
const REGION = 'topology.kubernetes.io/region';
/** Old labels, and what they are called now. */
const NOW_CALLED: Readonly<Record<string, string>> = {
  'failure-domain.beta.kubernetes.io/zone': ZONE,
  'failure-domain.beta.kubernetes.io/region': REGION,
};
const LABELS = [...Object.keys(NOW_CALLED), ZONE, REGION];
/** Of a volume that is in several zones. */
const SEPARATOR = '__';

interface Topology {
  label: string;
  values: ReadonlySet<string>;
}

export const volumeZone = definePlugin<readonly Topology[]>({
  name: 'VolumeZone',
  reads: [PersistentVolumeClaim, PersistentVolume, StorageClass],

  prepare(pod, cluster) {
    const topologies: Topology[] = [];
    for (const { name, claim, isEphemeral } of podClaimsOf(pod, cluster)) {
      if (isEphemeral) continue;
      if (!claim) return unresolvable(noSuchClaim(name));
      const { volumeName } = claim.spec;
      if (!volumeName) {
        const refused = refusedUnbound(claim, cluster);
        if (refused) return refused;
        continue;
      }
      const volume = cluster.cached(PersistentVolume).get(volumeName as ObjectKey);
      if (!volume) return unresolvable(`persistentvolume "${volumeName}" not found`);
      topologies.push(...topologiesOf(volume));
    }
    return topologies.length === 0 ? 'skip' : { state: topologies };
  },

  filter(_, { node }, topologies) {
    const labels = node.metadata.labels ?? {};
    if (!LABELS.some((label) => Object.hasOwn(labels, label))) return fits; // a cluster without zones
    const isThere = ({ label, values }: Topology) => {
      const value = labels[label] ?? labels[NOW_CALLED[label] ?? label];
      return value !== undefined && values.has(value);
    };
    return topologies.every(isThere) ? fits : unresolvable('node(s) had no available volume zone');
  },

  retryWhen: [
    when(
      changed(StorageClass),
      ({ now }) => (now as StorageClass | undefined)?.volumeBindingMode === 'WaitForFirstConsumer',
    ),
    changed(Node, 'metadata.labels'),
    when(changed(PersistentVolumeClaim, 'spec'), ({ now }, pod) => now !== undefined && usesClaim(pod, now)),
    changed(PersistentVolume, 'metadata.labels'),
  ],
});

/** A claim without a volume: fine when it waits for a node. */
function refusedUnbound(claim: PersistentVolumeClaim, cluster: ClusterView): Verdict | undefined {
  const name = classOfClaim(claim);
  if (!name) return unresolvable('PersistentVolumeClaim had no pv name and storageClass name');
  const storageClass = cluster.cached(StorageClass).get(name as ObjectKey);
  if (!storageClass) return unresolvable(`storageclass.storage.k8s.io "${name}" not found`);
  return storageClass.volumeBindingMode === 'WaitForFirstConsumer'
    ? undefined
    : unresolvable('PersistentVolume had no name');
}

/** A label with an empty part says nothing. */
const topologiesOf = ({ metadata: { labels = {} } }: PersistentVolume): Topology[] =>
  LABELS.flatMap((label) => {
    const values = Object.hasOwn(labels, label) ? labels[label]?.split(SEPARATOR).map((value) => value.trim()) : [];
    return values?.length && values.every(Boolean) ? [{ label, values: new Set(values) }] : [];
  });
