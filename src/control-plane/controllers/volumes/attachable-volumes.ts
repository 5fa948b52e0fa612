/** Which volumes the pods of a node have to have attached there, and which attachments there are. */
import { Node } from '#api/core/v1/node.ts';
import { PersistentVolume } from '#api/core/v1/persistent-volume.ts';
import { PersistentVolumeClaim } from '#api/core/v1/persistent-volume-claim.ts';
import { claimNameOf, isBoundTo } from '#api/core/v1/persistent-volume-matching.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { usesNothing } from '#api/core/v1/pod-conditions.ts';
import type { Kind } from '#api/machinery/kind.ts';
import type { ObjectKey } from '#api/machinery/object.ts';
import { needsAttaching, uniqueVolumeName } from '#api/storage/v1/attachment-name.ts';
import { CSIDriver } from '#api/storage/v1/csi-driver.ts';
import { VolumeAttachment } from '#api/storage/v1/volume-attachment.ts';
import type { Cached, ReconcileContext } from '../define-controller.ts';

export const writes = { create: [VolumeAttachment], delete: [VolumeAttachment], status: [Node] } as const;
type Read =
  | Kind<Node>
  | Kind<Pod>
  | Kind<PersistentVolumeClaim>
  | Kind<PersistentVolume>
  | Kind<CSIDriver>
  | Kind<VolumeAttachment>;
export type AttachContext = ReconcileContext<never, Read, typeof writes>;

export interface Attachable {
  volume: PersistentVolume;
  csi: NonNullable<PersistentVolume['spec']['csi']>;
  pods: Pod[];
}

/** The volumes of a pod that have to be attached. */
export function attachableOf(pod: Pod, cached: Cached<Kind>): PersistentVolume[] {
  return (pod.spec.volumes ?? []).flatMap((volume) => {
    const name = claimNameOf(pod, volume);
    if (name === undefined) return [];
    const claim = cached(PersistentVolumeClaim).get(`${pod.metadata.namespace}/${name}`) as
      | PersistentVolumeClaim
      | undefined;
    const found = claim?.spec.volumeName ? cached(PersistentVolume).get(claim.spec.volumeName) : undefined;
    const bound = found as PersistentVolume | undefined;
    if (!claim || !bound?.spec.csi || !isBoundTo(bound, claim)) return [];
    return needsAttaching(cached(CSIDriver).get(bound.spec.csi.driver) as CSIDriver | undefined) ? [bound] : [];
  });
}

export const nodesUsing = ({ metadata }: PersistentVolumeClaim, cached: Cached<Kind>): ObjectKey[] =>
  (cached(Pod).inNamespace(metadata.namespace ?? '') as Pod[])
    .filter((pod) => pod.spec.volumes?.some((volume) => claimNameOf(pod, volume) === metadata.name))
    .flatMap(({ spec }) => (spec.nodeName ? [spec.nodeName] : []));

/** By node: pods that are not over and use claims. */
function claimingNodeOf(pod: Pod): string | undefined {
  if (usesNothing(pod) || !pod.spec.volumes?.some((volume) => claimNameOf(pod, volume) !== undefined)) return undefined;
  return pod.spec.nodeName;
}

/** By the unique name of the volume. */
export function wantedOn(node: string, { cached }: AttachContext): Map<string, Attachable> {
  const wanted = new Map<string, Attachable>();
  const isAny = cached(PersistentVolume)
    .list()
    .some(({ spec }) => spec.csi && needsAttaching(cached(CSIDriver).get(spec.csi.driver)));
  if (!isAny) return wanted;
  for (const pod of cached(Pod).by(claimingNodeOf, node)) {
    for (const volume of attachableOf(pod, cached as Cached<Kind>)) {
      const { csi } = volume.spec;
      if (!csi) continue;
      const known = wanted.get(uniqueVolumeName(csi));
      if (known) known.pods.push(pod);
      else wanted.set(uniqueVolumeName(csi), { volume, csi, pods: [pod] });
    }
  }
  return wanted;
}

/** As this controller names them; what others make is theirs. */
const isOurs = ({ metadata }: VolumeAttachment): boolean => /^csi-[0-9a-f]{64}$/.test(metadata.name);

export const attachmentsOn = (node: string, { cached }: Pick<AttachContext, 'cached'>): VolumeAttachment[] =>
  cached(VolumeAttachment)
    .list()
    .filter((attachment) => attachment.spec.nodeName === node && isOurs(attachment));

export function volumeNameOf({ spec }: VolumeAttachment, { cached }: AttachContext): string | undefined {
  const csi = cached(PersistentVolume).get(spec.source.persistentVolumeName ?? '')?.spec.csi;
  return csi && uniqueVolumeName(csi);
}

/** Of one node. */
export interface Attachments {
  wanted: Map<string, Attachable>;
  there: readonly VolumeAttachment[];
}
