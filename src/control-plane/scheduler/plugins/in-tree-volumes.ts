/**
 * Volumes of drivers that were part of Kubernetes once, as the CSI drivers know them that have taken their place. Source:
 * KEP-625 (CSI migration), csi-translation-lib.
 */
import type { PersistentVolume, PersistentVolumeSpec, Volume } from '#api/generated/schema.ts';

export interface CsiVolume {
  driver: string;
  handle: string;
}

/** What a pod's volume and a PersistentVolume have alike. */
type Source = Pick<Volume, 'awsElasticBlockStore' | 'azureDisk' | 'cinder' | 'gcePersistentDisk' | 'portworxVolume'> &
  Pick<PersistentVolumeSpec, 'awsElasticBlockStore' | 'azureDisk' | 'cinder' | 'gcePersistentDisk' | 'portworxVolume'>;

/** By the name that StorageClasses know them by. */
const DRIVERS: ReadonlyMap<string, string> = new Map([
  ['kubernetes.io/aws-ebs', 'ebs.csi.aws.com'],
  ['kubernetes.io/azure-disk', 'disk.csi.azure.com'],
  ['kubernetes.io/cinder', 'cinder.csi.openstack.org'],
  ['kubernetes.io/gce-pd', 'pd.csi.storage.gke.io'],
  ['kubernetes.io/portworx-volume', 'pxd.portworx.com'],
]);
/** Migrated as well, but never counted. */
const UNCOUNTED = ['kubernetes.io/azure-file', 'kubernetes.io/vsphere-volume'];

const ZONES = ['failure-domain.beta.kubernetes.io/zone', 'topology.kubernetes.io/zone'];
const SEPARATOR = '__';

/** Who makes volumes in place of a provisioner; undefined: nobody that is counted. */
export const driverInPlaceOf = (provisioner: string): string | undefined =>
  UNCOUNTED.includes(provisioner) ? undefined : (DRIVERS.get(provisioner) ?? provisioner);

export function csiVolumeOf({ spec, metadata }: PersistentVolume): CsiVolume | undefined {
  if (spec.csi) return { driver: spec.csi.driver, handle: spec.csi.volumeHandle };
  const zones =
    ZONES.map((label) => metadata.labels?.[label])
      .find(Boolean)
      ?.split(SEPARATOR) ?? [];
  return inTree(spec, zones);
}

/** Of a volume that a pod names itself. */
export const inlineCsiVolumeOf = (volume: Volume): CsiVolume | undefined => inTree(volume, []);

function inTree(source: Source, zones: readonly string[]): CsiVolume | undefined {
  const { awsElasticBlockStore: ebs, azureDisk, cinder, gcePersistentDisk: gce, portworxVolume: portworx } = source;
  const found = (plugin: string, handle: string | undefined): CsiVolume | undefined =>
    handle ? { driver: DRIVERS.get(plugin) ?? '', handle } : undefined;
  if (ebs) return found('kubernetes.io/aws-ebs', ebsHandle(ebs.volumeID));
  if (azureDisk) return found('kubernetes.io/azure-disk', azureDisk.diskURI);
  if (cinder) return found('kubernetes.io/cinder', cinder.volumeID);
  if (gce) return found('kubernetes.io/gce-pd', gceHandle(gce.pdName, zones));
  if (portworx) return found('kubernetes.io/portworx-volume', portworx.volumeID);
  return undefined;
}

/** `aws://ZONE/vol-…` or the id alone. */
function ebsHandle(id: string): string | undefined {
  if (!id.startsWith('aws://')) return id;
  return /^aws:\/\/[^/]*\/+(vol-[^/]*)\/*$/.exec(id)?.[1];
}

/** Of several zones it is the region that counts, which they have in common; else nobody knows it. */
function gceHandle(name: string, zones: readonly string[]): string | undefined {
  if (zones.length < 2) return `projects/UNSPECIFIED/zones/${zones[0] ?? 'UNSPECIFIED'}/disks/${name}`;
  const regions = new Set(zones.map((zone) => zone.split('-').slice(0, 2).join('-')));
  return regions.size === 1 ? `projects/UNSPECIFIED/regions/${[...regions][0]}/disks/${name}` : undefined;
}
