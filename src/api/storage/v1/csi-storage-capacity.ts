/** CSIStorageCapacity: how much storage of a class there is in a part of the cluster. Source: API reference, storage.k8s.io/v1. */
import type * as schema from '#api/generated/schema.ts';
import { column, defineKind, nameColumn } from '#api/machinery/define-kind.ts';
import { follows, isImmutable, isNotNegativeQuantity } from '#api/machinery/field-rules.ts';
import { validateLabelSelector } from '#api/machinery/label-selector.ts';
import { dns1123Subdomain } from '#api/machinery/names.ts';

export type CSIStorageCapacity = schema.CSIStorageCapacity;

export const CSIStorageCapacity = defineKind<schema.CSIStorageCapacity>({
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'CSIStorageCapacity',
  plural: 'csistoragecapacities',
  scope: 'Namespaced',
  validate: ({ storageClassName, nodeTopology, capacity }, at) => [
    ...validateLabelSelector(nodeTopology, at.nodeTopology),
    ...follows(at.storageClassName, storageClassName ?? '', dns1123Subdomain),
    ...(capacity === undefined ? [] : isNotNegativeQuantity(at.capacity, capacity)),
  ],
  validateUpdate: ({ next, current, at }) => [
    ...isImmutable(at.nodeTopology, next.nodeTopology, current.nodeTopology),
    ...isImmutable(at.storageClassName, next.storageClassName, current.storageClassName),
  ],
  columns: [
    nameColumn(),
    column('StorageClassName', 'string', ({ storageClassName }) => storageClassName),
    column('Capacity', 'string', ({ capacity }) => capacity ?? '<unset>'),
  ],
});
