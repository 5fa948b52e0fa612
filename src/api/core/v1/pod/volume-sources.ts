/** What each source of a volume may say, in a pod and in a PersistentVolume. In upstream's order: the first counts. */
import type {
  AzureDiskVolumeSource,
  ISCSIVolumeSource,
  LocalObjectReference,
  NFSVolumeSource,
  QuobyteVolumeSource,
  StorageOSVolumeSource,
} from '#api/generated/schema.ts';
import {
  type FieldError,
  invalidValue,
  notSupportedValue,
  requiredValue,
  tooLong,
} from '#api/machinery/field-error.ts';
import { type At, keyed, type Path } from '#api/machinery/field-path.ts';
import { follows, isOneOf, isRequired } from '#api/machinery/field-rules.ts';
import { between, dns1123Label, dns1123Subdomain } from '#api/machinery/names.ts';

const HOST_PATH_TYPES = [
  '',
  'BlockDevice',
  'CharDevice',
  'Directory',
  'DirectoryOrCreate',
  'File',
  'FileOrCreate',
  'Socket',
];
const MAX_DRIVER_NAME = 63;

/** Those that have no other form in a PersistentVolume than in a pod. */
export const SOURCE_RULES = {
  hostPath: ({ path, type }: { path: string; type?: string }, at: At<{ path: string; type?: string }>) =>
    path
      ? [...hasNoBackstep(path, at.path), ...(type ? isOneOf(at.type, type, HOST_PATH_TYPES) : [])]
      : [requiredValue(at.path)],
  gitRepo: (source: { repository: string; directory?: string }, at: At<{ repository: string; directory?: string }>) => [
    ...isRequired(at.repository, source.repository),
    ...(source.directory ? validateDescending(source.directory, at.directory) : []),
  ],
  gcePersistentDisk: (disk: { pdName: string; partition?: number }, at: At<{ pdName: string; partition?: number }>) => [
    ...isRequired(at.pdName, disk.pdName),
    ...validatePartition(disk.partition, at.partition),
  ],
  awsElasticBlockStore: (
    disk: { volumeID: string; partition?: number },
    at: At<{ volumeID: string; partition?: number }>,
  ) => [...isRequired(at.volumeID, disk.volumeID), ...validatePartition(disk.partition, at.partition)],
  nfs: ({ server, path }: NFSVolumeSource, at: At<NFSVolumeSource>) => [
    ...isRequired(at.server, server),
    ...isRequired(at.path, path),
    ...(path?.startsWith('/') ? [] : [invalidValue(at.path, path ?? '', 'must be an absolute path')]),
  ],
  iscsi: (source: ISCSIVolumeSource, at: At<ISCSIVolumeSource>) => validateIscsi(source, at),
  glusterfs: (
    { endpoints, path }: { endpoints: string; path: string },
    at: At<{ endpoints: string; path: string }>,
  ) => [...isRequired(at.endpoints, endpoints), ...isRequired(at.path, path)],
  flocker: (
    { datasetName, datasetUUID }: { datasetName?: string; datasetUUID?: string },
    at: At<{ datasetName?: string }>,
  ) => [
    ...(datasetName || datasetUUID ? [] : [requiredValue(at, 'one of datasetName and datasetUUID is required')]),
    ...(datasetName && datasetUUID
      ? [invalidValue(at, 'resource', 'datasetName and datasetUUID can not be specified simultaneously')]
      : []),
    ...(datasetName?.includes('/') ? [invalidValue(at.datasetName, datasetName, "must not contain '/'")] : []),
  ],
  rbd: (source: { monitors: string[]; image: string }, at: At<{ monitors: string[]; image: string }>) => [
    ...(source.monitors?.length ? [] : [requiredValue(at.monitors)]),
    ...isRequired(at.image, source.image),
  ],
  cinder: (source: WithSecret & { volumeID: string }, at: At<WithSecret & { volumeID: string }>) => [
    ...isRequired(at.volumeID, source.volumeID),
    ...validateSecretRef(source, at),
  ],
  cephfs: ({ monitors }: { monitors: string[] }, at: At<{ monitors: string[] }>) =>
    monitors?.length ? [] : [requiredValue(at.monitors)],
  quobyte: (source: QuobyteVolumeSource, at: At<QuobyteVolumeSource>) => validateQuobyte(source, at),
  fc: (source: Fc, at: At<Fc>) => validateFc(source, at),
  flexVolume: (source: Flex, at: At<Flex>) => [
    ...isRequired(at.driver, source.driver),
    ...Object.keys(source.options ?? {})
      .filter((key) =>
        /\.(kubernetes|k8s)\.io$/.test(`.${(key.includes('/') ? key.split('/')[0]! : key).toLowerCase()}`),
      )
      .map((key) => invalidValue(keyed(at.options, key), key, 'kubernetes.io and k8s.io namespaces are reserved')),
  ],
  vsphereVolume: ({ volumePath }: { volumePath: string }, at: At<{ volumePath: string }>) =>
    isRequired(at.volumePath, volumePath),
  photonPersistentDisk: ({ pdID }: { pdID: string }, at: At<{ pdID: string }>) => isRequired(at.pdID, pdID),
  portworxVolume: ({ volumeID }: { volumeID: string }, at: At<{ volumeID: string }>) =>
    isRequired(at.volumeID, volumeID),
  azureDisk: (source: AzureDiskVolumeSource, at: At<AzureDiskVolumeSource>) => validateAzureDisk(source, at),
  scaleIO: (source: ScaleIo, at: At<ScaleIo>) => [
    ...isRequired(at.gateway, source.gateway),
    ...isRequired(at.system, source.system),
    ...isRequired(at.volumeName, source.volumeName),
  ],
  storageos: (source: StorageOSVolumeSource, at: At<StorageOSVolumeSource>) => [
    ...(source.volumeName ? follows(at.volumeName, source.volumeName, dns1123Label) : [requiredValue(at.volumeName)]),
    ...(source.volumeNamespace ? follows(at.volumeNamespace, source.volumeNamespace, dns1123Label) : []),
    ...validateSecretRef(source, at),
  ],
};

interface WithSecret {
  secretRef?: LocalObjectReference;
}
interface Fc {
  targetWWNs?: string[];
  wwids?: string[];
  lun?: number;
}
interface Flex {
  driver: string;
  options?: Record<string, string>;
}
interface ScaleIo {
  gateway?: string;
  system?: string;
  volumeName?: string;
}

const validatePartition = (partition: number | undefined, at: Path): FieldError[] =>
  partition !== undefined && (partition < 0 || partition > 255) ? [invalidValue(at, partition, between(1, 255))] : [];

const validateSecretRef = ({ secretRef }: WithSecret, at: At<WithSecret>): FieldError[] =>
  secretRef && !secretRef.name ? [requiredValue(at.secretRef.name)] : [];

const ISCSI_NAMES: Readonly<Record<string, RegExp>> = {
  iqn: /iqn\.\d{4}-\d{2}\.([a-zA-Z0-9.-]+)(:[^,;*&$|\s]+)$/,
  eui: /^eui.[a-zA-Z0-9]{16}$/,
  naa: /^naa.[a-zA-Z0-9]{32}$/,
};

function validateIscsi(source: ISCSIVolumeSource, at: At<ISCSIVolumeSource>): FieldError[] {
  const { targetPortal, iqn, lun = 0, initiatorName, secretRef } = source;
  const asksForSecret = (source.chapAuthDiscovery || source.chapAuthSession) && !secretRef;
  return [
    ...isRequired(at.targetPortal, targetPortal),
    ...(iqn ? validateIscsiName(iqn, at.iqn) : [requiredValue(at.iqn)]),
    ...(lun < 0 || lun > 255 ? [invalidValue(at.lun, lun, between(0, 255))] : []),
    ...(asksForSecret ? [requiredValue(at.secretRef)] : []),
    ...(initiatorName === undefined
      ? []
      : validateIscsiName(initiatorName, (at as unknown as At<{ initiatorname: string }>).initiatorname)),
  ];
}

function validateIscsiName(name: string, at: Path): FieldError[] {
  const pattern = ISCSI_NAMES[name.slice(0, 3)];
  if (!pattern) return [invalidValue(at, name, 'must be valid format starting with iqn, eui, or naa')];
  return pattern.test(name) ? [] : [invalidValue(at, name, 'must be valid format')];
}

function validateQuobyte({ registry, tenant, volume }: QuobyteVolumeSource, at: At<QuobyteVolumeSource>): FieldError[] {
  const pairs = 'must be a host:port pair or multiple pairs separated by commas';
  const errors: FieldError[] = [];
  if (!registry) errors.push(requiredValue(at.registry, pairs));
  else if ((tenant ?? '').length >= 65)
    errors.push(requiredValue(at.tenant, 'must be a UUID and may not exceed a length of 64 characters'));
  else
    for (const pair of registry.split(','))
      if (!/^([^:[\]]*|\[[^[\]]*\]):[^:[\]]*$/.test(pair)) errors.push(invalidValue(at.registry, registry, pairs));
  return [...errors, ...isRequired(at.volume, volume)];
}

function validateFc({ targetWWNs = [], wwids = [], lun }: Fc, at: At<Fc>): FieldError[] {
  const errors: FieldError[] = [];
  if (targetWWNs.length === 0 && wwids.length === 0)
    errors.push(requiredValue(at.targetWWNs, 'must specify either targetWWNs or wwids, but not both'));
  if (targetWWNs.length > 0 && wwids.length > 0)
    errors.push(invalidValue(at.targetWWNs, targetWWNs, 'targetWWNs and wwids can not be specified simultaneously'));
  if (targetWWNs.length === 0) return errors;
  if (lun === undefined) errors.push(requiredValue(at.lun, 'lun is required if targetWWNs is specified'));
  else if (lun < 0 || lun > 255) errors.push(invalidValue(at.lun, lun, between(0, 255)));
  return errors;
}

const MANAGED_DISK = '/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}';
const BLOB_DISK = 'https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd';

function validateAzureDisk(source: AzureDiskVolumeSource, at: At<AzureDiskVolumeSource>): FieldError[] {
  const { diskName, diskURI = '', cachingMode, kind } = source;
  const isManaged = kind === 'Managed';
  const errors = [
    ...isRequired(at.diskName, diskName),
    ...isRequired(at.diskURI, diskURI),
    ...isOneOf(at.cachingMode, cachingMode, ['None', 'ReadOnly', 'ReadWrite']),
    ...isOneOf(at.kind, kind, ['Dedicated', 'Managed', 'Shared']),
  ];
  if (kind !== undefined && !diskURI.startsWith(isManaged ? '/subscriptions/' : 'https://'))
    errors.push(notSupportedValue(at.diskURI, diskURI, [isManaged ? MANAGED_DISK : BLOB_DISK]));
  return errors;
}

/** Of a CSI driver. */
export const validateDriverName = (name: string, at: Path): FieldError[] =>
  name
    ? [
        ...(name.length > MAX_DRIVER_NAME ? [tooLong(at, MAX_DRIVER_NAME)] : []),
        ...dns1123Subdomain(name.toLowerCase()).map((text) => invalidValue(at, name, text)),
      ]
    : [requiredValue(at)];

/** A path that stays below where it begins. */
export const validateDescending = (path: string, at: Path): FieldError[] => [
  ...(path.startsWith('/') ? [invalidValue(at, path, 'must be a relative path')] : []),
  ...hasNoBackstep(path, at),
];

export const hasNoBackstep = (path: string, at: Path): FieldError[] =>
  path.split('/').includes('..') ? [invalidValue(at, path, "must not contain '..'")] : [];
