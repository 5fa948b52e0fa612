/**
 * Volumes, claims and classes of volume attributes get a finalizer at birth, which a controller takes away when nobody uses
 * them any more. Source: documentation, "Storage Object in Use Protection".
 */
import type { KubeObject } from '#api/machinery/object.ts';
import { defineAdmission } from './define-admission.ts';

const FINALIZERS: Readonly<Record<string, string>> = {
  persistentvolumes: 'kubernetes.io/pv-protection',
  persistentvolumeclaims: 'kubernetes.io/pvc-protection',
  volumeattributesclasses: 'kubernetes.io/vac-protection',
};

export const storageObjectInUseProtection = defineAdmission<KubeObject>({
  name: 'StorageObjectInUseProtection',
  on: {
    resources: [
      { group: '', plural: 'persistentvolumes' },
      { group: '', plural: 'persistentvolumeclaims' },
      { group: 'storage.k8s.io', plural: 'volumeattributesclasses' },
    ],
    verbs: ['create'],
  },
  mutate(object, { kind }) {
    const finalizer = FINALIZERS[kind.plural];
    const { finalizers = [] } = object.metadata;
    if (!finalizer || finalizers.includes(finalizer)) return object;
    return { ...object, metadata: { ...object.metadata, finalizers: [...finalizers, finalizer] } };
  },
});
