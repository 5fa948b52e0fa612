/** One volume of a CSI driver for one pod, and what is said of it when it cannot be had. Texts are upstream's. */
import type { CSIPersistentVolumeSource, Pod } from '#api/generated/schema.ts';
import type { CSIDriver } from '#api/storage/v1/csi-driver.ts';
import type { Claimed } from './claimed-volume.ts';
import { VolumeProblem } from './volume-problem.ts';

export interface Wanted {
  pod: Pod;
  volumeName: string;
  specName: string;
  csi: Omit<CSIPersistentVolumeSource, 'volumeHandle'>;
  volumeHandle: string;
  claimed: Claimed | undefined;
  readOnly: boolean;
}

export const isBlockVolume = (claimed: Claimed | undefined): boolean => claimed?.volume.spec.volumeMode === 'Block';

export const missing = (driver: string): string =>
  `driver name ${driver} not found in the list of registered CSI drivers`;

export function missingDriver({ csi, volumeName, specName, claimed }: Wanted): VolumeProblem {
  const [step, prefix] = claimed
    ? ['MountDevice', 'kubernetes.io/csi: attacher.MountDevice failed to create newCsiDriverClient: ']
    : ['NewMounter initialization', ''];
  return VolumeProblem.inStep(step, { volume: volumeName, specName }, new Error(`${prefix}${missing(csi.driver)}`));
}

export function refuseIfNotEphemeral({ csi, volumeName, specName }: Wanted, about: CSIDriver | undefined): void {
  const modes = about?.spec.volumeLifecycleModes ?? ['Persistent'];
  if (modes.includes('Ephemeral')) return;
  const quoted = modes.map((mode) => JSON.stringify(mode)).join(' ');
  throw VolumeProblem.inStep(
    'NewMounter initialization',
    { volume: volumeName, specName },
    new Error(`volume mode "Ephemeral" not supported by driver ${csi.driver} (only supports [${quoted}])`),
  );
}

/** For `catch`. */
export const inStep =
  (step: string, { volumeName, specName }: Wanted) =>
  (error: unknown): never => {
    if (!(error instanceof Error)) throw error;
    throw VolumeProblem.inStep(step, { volume: volumeName, specName }, error);
  };
