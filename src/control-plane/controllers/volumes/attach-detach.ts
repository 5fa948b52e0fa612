/**
 * Has the volumes of a node's pods attached to it, where a driver asks for that, and detached when no pod needs them and
 * the kubelet has let go of them. It asks by VolumeAttachments; the driver acts. Source: "Volumes", CSI; KEP-2268.
 */
import { Node } from '#api/core/v1/node.ts';
import { PersistentVolume } from '#api/core/v1/persistent-volume.ts';
import { PersistentVolumeClaim } from '#api/core/v1/persistent-volume-claim.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { usesNothing } from '#api/core/v1/pod-conditions.ts';
import { CSIDriver } from '#api/storage/v1/csi-driver.ts';
import { VolumeAttachment } from '#api/storage/v1/volume-attachment.ts';
import { defineController, settled, watching } from '../define-controller.ts';
import { attach } from './attach.ts';
import { attachableOf, attachmentsOn, nodesUsing, volumeNameOf, wantedOn, writes } from './attachable-volumes.ts';
import { detach, isReadyNode, type UnneededSinceMs, unneededSince } from './detach.ts';
import { sayAttached } from './say-attached.ts';

/** What this process alone knows of a node; as much as there are attachments of which it is true now. */
interface Memory {
  unneededSinceMs: UnneededSinceMs;
  /** Attachments that wait for another node, by name: their pods were told. */
  told: ReadonlySet<string>;
}

const NOTHING_KNOWN: Memory = { unneededSinceMs: new Map(), told: new Set() };

export const attachDetach = defineController(() => {
  const memories = new Map<string, Memory>();
  return {
    name: 'persistentvolume-attach-detach-controller',
    serviceAccount: 'attachdetach-controller',
    eventSource: 'attachdetach-controller',
    reconciles: Node,
    when: (now, before) =>
      String(now.status?.volumesInUse) !== String(before.status?.volumesInUse) ||
      now.spec.taints?.length !== before.spec.taints?.length ||
      isReadyNode(now.status) !== isReadyNode(before.status),
    watches: [
      watching(
        Pod,
        (pod, cached) => (pod.spec.nodeName && attachableOf(pod, cached).length > 0 ? [pod.spec.nodeName] : []),
        (now, before) => now.spec.nodeName !== before.spec.nodeName || usesNothing(now) !== usesNothing(before),
      ),
      watching(
        PersistentVolumeClaim,
        (claim, cached) => nodesUsing(claim, cached),
        (now, before) => now.spec.volumeName !== before.spec.volumeName,
      ),
      watching(
        PersistentVolume,
        ({ spec: { csi, claimRef } }, cached) => {
          const claim = csi && cached(PersistentVolumeClaim).get(`${claimRef?.namespace}/${claimRef?.name}`);
          return claim ? nodesUsing(claim as PersistentVolumeClaim, cached) : [];
        },
        (now, before) => now.spec.claimRef?.uid !== before.spec.claimRef?.uid,
      ),
      watching(CSIDriver, (_, cached) =>
        cached(Node)
          .list()
          .map(({ metadata }) => metadata.name),
      ),
      watching(VolumeAttachment, ({ spec }) => [spec.nodeName]),
    ],
    writes,

    async reconcile(node, context) {
      const { name } = node.metadata;
      const [wanted, there] = [wantedOn(name, context), attachmentsOn(name, context)];
      // Who has a volume lets go of it before somebody else takes it.
      const memory = memories.get(name) ?? NOTHING_KNOWN;
      const unneededSinceMs = unneededSince({ wanted, there, memory: memory.unneededSinceMs }, context);
      memories.set(name, { ...memory, unneededSinceMs });
      const waits = await detach(node, { wanted, there, unneededSinceMs }, context);
      const { outcomes: tries, told } = await attach(node, { wanted, told: memory.told }, context);
      if (unneededSinceMs.size + told.size > 0) memories.set(name, { unneededSinceMs, told });
      else memories.delete(name);
      const outcomes = [...tries, ...waits];
      await sayAttached(node, { wanted, there }, context);
      return outcomes.find(({ type }) => type === 'again') ?? settled;
    },

    async gone(context) {
      memories.delete(context.key);
      const wanted = wantedOn(context.key, context);
      for (const attachment of attachmentsOn(context.key, context)) {
        const name = volumeNameOf(attachment, context);
        // Its pods may still run there until they are known to be gone.
        if (name === undefined || !wanted.has(name)) await context.api.delete(VolumeAttachment, attachment);
      }
      return settled;
    },
  };
});
