/** What volumes and claims have in common. Source: "Persistent Volumes". */
import type { PersistentVolumeSource } from '#api/generated/schema.ts';

export const ACCESS_MODES = ['ReadOnlyMany', 'ReadWriteMany', 'ReadWriteOnce', 'ReadWriteOncePod'];

/** Where a PersistentVolume may come from; exactly one. */
export const SOURCES: readonly (keyof PersistentVolumeSource)[] = [
  'hostPath',
  'gcePersistentDisk',
  'awsElasticBlockStore',
  'glusterfs',
  'flocker',
  'nfs',
  'rbd',
  'quobyte',
  'cephfs',
  'iscsi',
  'cinder',
  'fc',
  'flexVolume',
  'azureFile',
  'vsphereVolume',
  'photonPersistentDisk',
  'portworxVolume',
  'azureDisk',
  'scaleIO',
  'local',
  'storageos',
  'csi',
];

const ABBREVIATIONS = [
  ['ReadWriteOnce', 'RWO'],
  ['ReadOnlyMany', 'ROX'],
  ['ReadWriteMany', 'RWX'],
  ['ReadWriteOncePod', 'RWOP'],
] as const;

/** `RWO,RWX`, each once. */
export const accessModesOf = (modes: readonly string[] | undefined): string =>
  ABBREVIATIONS.filter(([mode]) => modes?.includes(mode))
    .map(([, short]) => short)
    .join(',');
