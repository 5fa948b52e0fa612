/** CSIDriver: what the cluster must know of a storage driver. Source: API reference, storage.k8s.io/v1. */
import type * as schema from '#api/generated/schema.ts';
import { ageColumn, column, defineKind, nameColumn } from '#api/machinery/define-kind.ts';
import { isImmutable, isOneOf } from '#api/machinery/field-rules.ts';

export type CSIDriver = schema.CSIDriver;

export const CSIDriver = defineKind<schema.CSIDriver>({
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'CSIDriver',
  plural: 'csidrivers',
  scope: 'Cluster',
  generationOf: ({ spec }) => spec,
  defaults: ({ spec = {}, ...driver }) =>
    ({
      ...driver,
      spec: {
        ...spec,
        attachRequired: spec.attachRequired ?? true,
        podInfoOnMount: spec.podInfoOnMount ?? false,
        storageCapacity: spec.storageCapacity ?? false,
        fsGroupPolicy: spec.fsGroupPolicy ?? 'ReadWriteOnceWithFSType',
        volumeLifecycleModes: spec.volumeLifecycleModes?.length ? spec.volumeLifecycleModes : ['Persistent'],
        requiresRepublish: spec.requiresRepublish ?? false,
        seLinuxMount: spec.seLinuxMount ?? false,
      },
    }) as schema.CSIDriver,
  validate: ({ spec }, { spec: at }) => [
    ...spec.volumeLifecycleModes.flatMap((mode, i) =>
      isOneOf(at.volumeLifecycleModes[i]!, mode, ['Ephemeral', 'Persistent']),
    ),
    ...isOneOf(at.fsGroupPolicy, spec.fsGroupPolicy, ['File', 'None', 'ReadWriteOnceWithFSType']),
  ],
  validateUpdate: ({ next, current, at: { spec: at } }) => [
    ...isImmutable(at.attachRequired, next.spec.attachRequired, current.spec.attachRequired),
    ...isImmutable(at.fsGroupPolicy, next.spec.fsGroupPolicy, current.spec.fsGroupPolicy),
    ...isImmutable(at.volumeLifecycleModes, next.spec.volumeLifecycleModes, current.spec.volumeLifecycleModes),
  ],
  columns: [
    nameColumn(),
    column('AttachRequired', 'boolean', ({ spec }) => spec.attachRequired),
    column('PodInfoOnMount', 'boolean', ({ spec }) => spec.podInfoOnMount),
    column('StorageCapacity', 'boolean', ({ spec }) => spec.storageCapacity),
    column(
      'TokenRequests',
      'string',
      ({ spec }) => (spec.tokenRequests ?? []).map(({ audience }) => audience).join(',') || '<unset>',
    ),
    column('RequiresRepublish', 'boolean', ({ spec }) => spec.requiresRepublish),
    column('Modes', 'string', ({ spec }) => spec.volumeLifecycleModes.join(',')),
    ageColumn(),
  ],
  allowUnconditionalUpdate: false,
});
