/** A volume that is told to go stays as long as it is bound to a claim. Source: "Storage Object in Use Protection". */
import { PersistentVolume } from '#api/core/v1/persistent-volume.ts';
import { defineController, settled } from '../define-controller.ts';
import { isHeld, lacksFinalizer, withFinalizer, withoutFinalizer } from './finalizer.ts';

const FINALIZER = 'kubernetes.io/pv-protection';

export const volumeProtection = defineController({
  name: 'persistentvolume-protection-controller',
  serviceAccount: 'pv-protection-controller',
  reconciles: PersistentVolume,
  writes: { update: [PersistentVolume] },

  async reconcile(volume, { api }) {
    if (isHeld(volume, FINALIZER)) {
      if (volume.status?.phase !== 'Bound') await api.update(PersistentVolume, withoutFinalizer(volume, FINALIZER));
    } else if (lacksFinalizer(volume, FINALIZER)) {
      await api.update(PersistentVolume, withFinalizer(volume, FINALIZER));
    }
    return settled;
  },
});
