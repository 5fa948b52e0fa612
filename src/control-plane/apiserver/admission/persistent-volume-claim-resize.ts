/** A claim grows only when it is bound, and its class says that its volumes can. */
import type { PersistentVolumeClaim } from '#api/core/v1/persistent-volume-claim.ts';
import { compareQuantities } from '#api/machinery/quantity.ts';
import { StorageClass } from '#api/storage/v1/storage-class.ts';
import { defineAdmission, refused } from './define-admission.ts';

export const persistentVolumeClaimResize = defineAdmission<PersistentVolumeClaim>({
  name: 'PersistentVolumeClaimResize',
  on: { resources: [{ group: '', plural: 'persistentvolumeclaims' }], verbs: ['update'] },
  reads: [StorageClass],

  validate(request, { informers }) {
    const { object, old } = request;
    if (!object || !old || compareQuantities(sizeOf(object), sizeOf(old)) <= 0) return;
    if (old.status?.phase !== 'Bound') throw refused(request, 'Only bound persistent volume claims can be expanded');
    const className = object.spec.storageClassName ?? '';
    if (!informers.for(StorageClass).get(className)?.allowVolumeExpansion)
      throw refused(
        request,
        'only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize',
      );
  },
});

const sizeOf = ({ spec }: PersistentVolumeClaim): string => spec.resources?.requests?.['storage'] ?? '0';
