/** What a source of a volume is where it does not say: in a pod as in a PersistentVolume. Source: API reference, core/v1. */
import type { PersistentVolumeSource, Submitted, VolumeSource } from '#api/generated/schema.ts';
import { withFields } from '#api/machinery/with-fields.ts';

type Sources = Submitted<
  Pick<VolumeSource & PersistentVolumeSource, keyof VolumeSource & keyof PersistentVolumeSource>
>;

/** Those that say something of the kind, whole. */
export function defaultSources({ hostPath, iscsi, rbd, azureDisk, scaleIO }: Sources): Sources {
  const sources = {
    ...(hostPath && { hostPath: withFields(hostPath, { type: hostPath.type ?? '' }) }),
    ...(iscsi && { iscsi: withFields(iscsi, { iscsiInterface: iscsi.iscsiInterface || 'default' }) }),
    ...(rbd && {
      rbd: withFields(rbd, {
        pool: rbd.pool || 'rbd',
        user: rbd.user || 'admin',
        keyring: rbd.keyring || '/etc/ceph/keyring',
      }),
    }),
    ...(azureDisk && {
      azureDisk: withFields(azureDisk, {
        cachingMode: azureDisk.cachingMode ?? 'ReadWrite',
        fsType: azureDisk.fsType ?? 'ext4',
        readOnly: azureDisk.readOnly ?? false,
        kind: azureDisk.kind ?? 'Shared',
      }),
    }),
    ...(scaleIO && {
      scaleIO: withFields(scaleIO, {
        storageMode: scaleIO.storageMode || 'ThinProvisioned',
        fsType: scaleIO.fsType || 'xfs',
      }),
    }),
  };
  return sources as Sources;
}
