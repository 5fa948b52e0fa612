/**
 * Kinds whose DELETE answers with the object that went, not with a Status. Source: upstream's registries,
 * ReturnDeletedObject.
 */
import type { Behaviour } from './behaviour.ts';

const RESOURCES = [
  '/persistentvolumes',
  '/persistentvolumeclaims',
  '/podtemplates',
  '/resourcequotas',
  'storage.k8s.io/csidrivers',
  'storage.k8s.io/csinodes',
  'storage.k8s.io/csistoragecapacities',
  'storage.k8s.io/storageclasses',
  'storage.k8s.io/volumeattachments',
  'storage.k8s.io/volumeattributesclasses',
];

export const deletedObjectReplies: readonly Behaviour[] = RESOURCES.map((resource) => {
  const [group = '', plural = ''] = resource.split('/');
  return { group, plural, returnsDeleted: true };
});
