/** What a source of a volume is where it does not say: in a pod as in a PersistentVolume. Source: API reference, core/v1. */
import type { PersistentVolumeSource, Submitted, VolumeSource } from '#api/generated/schema.ts';

type Sources = Submitted<
  Pick<VolumeSource & PersistentVolumeSource, keyof VolumeSource & keyof PersistentVolumeSource>
>;

/** Those that say something of the kind, whole. */
export function defaultSources({ hostPath, iscsi, rbd, azureDisk, scaleIO }: Sources): Sources {
  const sources = {
    ...(hostPath && { hostPath: { ...hostPath, type: hostPath.type ?? '' } }),
    ...(iscsi && { iscsi: { ...iscsi, iscsiInterface: iscsi.iscsiInterface || 'default' } }),
    ...(rbd && {
      rbd: {
        ...rbd,
        pool: rbd.pool || 'rbd',
        user: rbd.user || 'admin',
        keyring: rbd.keyring || '/etc/ceph/keyring',
      },
    }),
    ...(azureDisk && {
      azureDisk: {
        ...azureDisk,
        cachingMode: azureDisk.cachingMode ?? 'ReadWrite',
        fsType: azureDisk.fsType ?? 'ext4',
        readOnly: azureDisk.readOnly ?? false,
        kind: azureDisk.kind ?? 'Shared',
      },
    }),
    ...(scaleIO && {
      scaleIO: {
        ...scaleIO,
        storageMode: scaleIO.storageMode || 'ThinProvisioned',
        fsType: scaleIO.fsType || 'xfs',
      },
    }),
  };
  return sources as Sources;
}
