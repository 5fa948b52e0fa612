/** How a CSI volume on a node is called, for all who have to find it. Source: design of CSI volume plugins in Kubernetes. */
import type { CSIDriver, CSIPersistentVolumeSource } from '#api/generated/schema.ts';
import { sha256 } from '#base/sha256.ts';

type Volume = Pick<CSIPersistentVolumeSource, 'driver' | 'volumeHandle'>;

/** Of the VolumeAttachment. */
export const attachmentName = ({ driver, volumeHandle }: Volume, node: string): string =>
  `csi-${sha256(`${volumeHandle}${driver}${node}`)}`;

/** In a Node's `volumesInUse` and `volumesAttached`. */
export const uniqueVolumeName = ({ driver, volumeHandle }: Volume): string =>
  `kubernetes.io/csi/${driver}^${volumeHandle}`;

/** A driver that says nothing of itself wants to be asked. */
export const needsAttaching = (driver: CSIDriver | undefined): boolean => driver?.spec.attachRequired ?? true;
