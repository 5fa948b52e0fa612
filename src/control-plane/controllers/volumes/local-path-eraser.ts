/** Has the folders of released volumes erased by the kubelets that have them, and only then lets the volumes go. */

import { Node } from '#api/core/v1/node.ts';
import { PersistentVolume } from '#api/core/v1/persistent-volume.ts';
import { PROVISIONED_BY } from '#api/core/v1/persistent-volume-matching.ts';
import { StatusError } from '#api/machinery/status.ts';
import { LOCAL_PATH } from '#api/storage/v1/local-path.ts';
import { Unreachable } from '#client/transport.ts';
import { defineController, settled, watching } from '../define-controller.ts';
import { hasFinalizer, withoutFinalizer } from '../storage-protection/finalizer.ts';
import { PROVISIONER_FINALIZER } from './local-path-provisioner.ts';

export interface LocalPathFolders {
  /**
   * Idempotent. Throws StatusError or Unreachable: it is still there, perhaps. `node` is as it is known to the API; the
   * folder of a node that has left the cluster went with it.
   */
  erase(node: Node, folder: string): Promise<void>;
}

export const localPathEraser = (folders: LocalPathFolders) =>
  defineController({
    name: 'local-path-eraser',
    serviceAccount: 'local-path-provisioner',
    eventSource: LOCAL_PATH,
    reconciles: PersistentVolume,
    watches: [
      watching(
        Node,
        ({ metadata }, cached) =>
          (cached(PersistentVolume).list() as PersistentVolume[])
            .filter((volume) => isReleased(volume) && nodeOf(volume) === metadata.name)
            .map((volume) => volume.metadata.name),
        () => false,
      ),
    ],
    writes: { update: [PersistentVolume], delete: [PersistentVolume] },
    // Folders are erased through the API of the kubelet.
    also: [{ apiGroups: [''], resources: ['nodes/proxy'], verbs: ['delete'] }],

    async reconcile(volume, { cached, api, events }) {
      const { metadata, spec } = volume;
      if (metadata.annotations?.[PROVISIONED_BY] !== LOCAL_PATH || spec.csi?.driver !== LOCAL_PATH) return settled;
      const isHeld = hasFinalizer(volume, PROVISIONER_FINALIZER);
      if (isReleased(volume) && isHeld) {
        const node = cached(Node).get(nodeOf(volume));
        try {
          if (node) await folders.erase(node, spec.csi.volumeHandle);
        } catch (error) {
          if (error instanceof StatusError || error instanceof Unreachable)
            events.warning(volume, 'VolumeFailedDelete', error.message);
          throw error;
        }
        if (!metadata.deletionTimestamp) await api.delete(PersistentVolume, volume);
        const going = await api.get(PersistentVolume, { name: metadata.name });
        if (going.metadata.uid === metadata.uid)
          await api.update(PersistentVolume, withoutFinalizer(going, PROVISIONER_FINALIZER));
      } else if (
        metadata.deletionTimestamp &&
        isHeld &&
        (spec.persistentVolumeReclaimPolicy === 'Retain' || !spec.claimRef)
      )
        await api.update(PersistentVolume, withoutFinalizer(volume, PROVISIONER_FINALIZER));
      return settled;
    },
  });

const nodeOf = ({ spec }: PersistentVolume): string => spec.csi?.volumeAttributes?.['node'] ?? '';

const isReleased = ({ spec, status }: PersistentVolume): boolean =>
  spec.persistentVolumeReclaimPolicy === 'Delete' && (status?.phase === 'Released' || status?.phase === 'Failed');
