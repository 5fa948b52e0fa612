/** A class of volume attributes stays as long as a volume or a claim names it. Source: KEP-3751. */
import { PersistentVolume } from '#api/core/v1/persistent-volume.ts';
import { PersistentVolumeClaim } from '#api/core/v1/persistent-volume-claim.ts';
import { VolumeAttributesClass } from '#api/storage/v1/volume-attributes-class.ts';
import { defineController, settled, watching } from '../define-controller.ts';
import { isHeld, lacksFinalizer, withFinalizer, withoutFinalizer } from './finalizer.ts';

const FINALIZER = 'kubernetes.io/vac-protection';

export const attributesClassProtection = defineController({
  name: 'volumeattributesclass-protection-controller',
  reconciles: VolumeAttributesClass,
  watches: [watching(PersistentVolume, namedByVolume), watching(PersistentVolumeClaim, namedByClaim)],
  writes: { update: [VolumeAttributesClass] },

  async reconcile(attributesClass, { cached, api }) {
    const { name } = attributesClass.metadata;
    if (isHeld(attributesClass, FINALIZER)) {
      const isUsed =
        cached(PersistentVolume)
          .list()
          .some((volume) => namedByVolume(volume).includes(name)) ||
        cached(PersistentVolumeClaim)
          .list()
          .some((claim) => namedByClaim(claim).includes(name));
      if (!isUsed) await api.update(VolumeAttributesClass, withoutFinalizer(attributesClass, FINALIZER));
    } else if (lacksFinalizer(attributesClass, FINALIZER)) {
      await api.update(VolumeAttributesClass, withFinalizer(attributesClass, FINALIZER));
    }
    return settled;
  },
});

function namedByVolume({ spec }: PersistentVolume): string[] {
  return spec.volumeAttributesClassName ? [spec.volumeAttributesClassName] : [];
}

/** Asked for, in use, or being changed to. */
function namedByClaim({ spec, status }: PersistentVolumeClaim): string[] {
  const names = [
    spec.volumeAttributesClassName,
    status?.currentVolumeAttributesClassName,
    status?.modifyVolumeStatus?.targetVolumeAttributesClassName,
  ];
  return [...new Set(names.filter((name): name is string => !!name))];
}
