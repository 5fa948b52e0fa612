/** How full volumes are: by their driver where it says so, else by their file system. Source: kubelet's stats/v1alpha1 API. */
import { statfs } from 'node:fs/promises';
import type { NodeDriver, VolumeUsage } from '#node/runtime/csi/node-driver.ts';
import type { VolumeRecord } from './volume-records.ts';

export interface VolumeStats {
  /** As the pod calls it. */
  name: string;
  pvcRef?: { name: string; namespace: string };
  capacityBytes: number;
  availableBytes: number;
  usedBytes: number;
  inodes: number;
  inodesFree: number;
  inodesUsed: number;
}

/** @param driver of a CSI volume; undefined when it is away. @throws DriverFailed, or what the file system says */
export async function volumeStats(record: VolumeRecord, driver: NodeDriver | undefined): Promise<VolumeStats> {
  const { volumeName, claim, csi, path } = record;
  const named = { name: volumeName, ...(claim && { pvcRef: { name: claim.name, namespace: claim.namespace } }) };
  if (csi && (await driver?.capabilities())?.has('GET_VOLUME_STATS')) {
    const { volumeHandle: volumeId, stagingPath } = csi;
    const said = (await driver?.usage({ volumeId, path, stagingPath })) ?? [];
    return { ...named, ...bytesOf(said), ...inodesOf(said) };
  }
  if (record.isBlock) throw new NotMeasured('only its driver knows how full a device is');
  const { bsize, blocks, bfree, bavail, files, ffree } = await statfs(path);
  return {
    ...named,
    capacityBytes: blocks * bsize,
    availableBytes: bavail * bsize,
    usedBytes: (blocks - bfree) * bsize,
    inodes: files,
    inodesFree: ffree,
    inodesUsed: files - ffree,
  };
}

class NotMeasured extends Error {}

const NOTHING = { total: 0, available: 0, used: 0 };

function bytesOf(said: readonly VolumeUsage[]) {
  const { total, available, used } = said.find(({ unit }) => unit === 'BYTES') ?? NOTHING;
  return { capacityBytes: total, availableBytes: available, usedBytes: used };
}

function inodesOf(said: readonly VolumeUsage[]) {
  const { total, available, used } = said.find(({ unit }) => unit === 'INODES') ?? NOTHING;
  return { inodes: total, inodesFree: available, inodesUsed: used };
}
