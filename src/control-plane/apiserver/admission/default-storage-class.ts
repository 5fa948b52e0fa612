/** A volume claim that names no class gets the default one, if there is one. `""` asks for none and keeps it. */
import type { PersistentVolumeClaim } from '#api/core/v1/persistent-volume-claim.ts';
import { StorageClass } from '#api/storage/v1/storage-class.ts';
import { youngestWith } from './default-class.ts';
import { defineAdmission } from './define-admission.ts';

const IS_DEFAULT = [
  'storageclass.kubernetes.io/is-default-class',
  'storageclass.beta.kubernetes.io/is-default-class',
] as const;
/** The way of naming a class before there was a field for it. */
const CLASS_ANNOTATION = 'volume.beta.kubernetes.io/storage-class';

export const defaultStorageClass = defineAdmission<PersistentVolumeClaim>({
  name: 'DefaultStorageClass',
  on: { resources: [{ group: '', plural: 'persistentvolumeclaims' }], verbs: ['create'] },
  reads: [StorageClass],

  mutate(claim, _request, { informers }) {
    if (claim.spec.storageClassName !== undefined || claim.metadata.annotations?.[CLASS_ANNOTATION] !== undefined)
      return claim;
    const chosen = youngestWith(informers.for(StorageClass).list(), IS_DEFAULT);
    return chosen ? { ...claim, spec: { ...claim.spec, storageClassName: chosen.metadata.name } } : claim;
  },
});
