/** Grows a volume on its node when its claim has got more, and says so. Texts are upstream's. */
import { PersistentVolumeClaim } from '#api/core/v1/persistent-volume-claim.ts';
import type { Pod } from '#api/generated/schema.ts';
import { compareQuantities } from '#api/machinery/quantity.ts';
import { StatusError } from '#api/machinery/status.ts';
import type { Client } from '#client/client.ts';
import { Unreachable } from '#client/transport.ts';
import { DriverFailed } from '#node/runtime/csi/node-driver.ts';
import type { PodEvents } from '../pod-events.ts';
import type { Claimed } from './claimed-volume.ts';
import type { CsiVolumes } from './csi-volumes.ts';
import { VolumeProblem } from './volume-problem.ts';
import type { VolumeRecord } from './volume-records.ts';

export interface VolumeGrowthOptions {
  client: Client;
  events: PodEvents;
  csi: Pick<CsiVolumes, 'expand'>;
  nodeName: string;
}

export class VolumeGrowth {
  readonly #options: VolumeGrowthOptions;

  constructor(options: VolumeGrowthOptions) {
    this.#options = options;
  }

  /** A pod that runs keeps running whatever comes of it. */
  async grow(pod: Pod, record: VolumeRecord, claimed: Claimed): Promise<void> {
    const { csi, events, client, nodeName } = this.#options;
    const name = claimed.volume.metadata.name;
    try {
      const storage = await csi.expand(record, claimed);
      if (storage === undefined) return;
      const { status, metadata } = claimed.claim;
      const conditions = status?.conditions?.filter(({ type }) => !RESIZING.includes(type)) ?? [];
      const patch = {
        status: { capacity: { ...status?.capacity, storage }, conditions, allocatedResourceStatuses: null },
      };
      const at = { name: metadata.name, namespace: metadata.namespace ?? '', subresource: 'status' };
      await client.patch(PersistentVolumeClaim, at, { type: 'merge', patch });
      events.normal(
        pod,
        undefined,
        'FileSystemResizeSuccessful',
        `MountVolume.NodeExpandVolume succeeded for volume "${name}" ${nodeName}`,
      );
    } catch (error) {
      if (!isPassing(error)) throw error;
      events.warning(
        pod,
        undefined,
        'VolumeResizeFailed',
        `NodeExpandVolume.NodeExpandVolume failed for volume "${name}" : ${(error as Error).message}`,
      );
    }
  }
}

const RESIZING = ['Resizing', 'FileSystemResizePending', 'NodeResizeError', 'ControllerResizeError'];

/** It may go better the next time. */
export const isPassing = (error: unknown): boolean =>
  error instanceof DriverFailed ||
  error instanceof VolumeProblem ||
  error instanceof StatusError ||
  error instanceof Unreachable;

/** For `catch`. */
export function undefinedIfPassing(error: unknown): undefined {
  if (!isPassing(error)) throw error;
}

/** It is asked to be larger, or its driver's resizer says that the rest is the node's. */
export const isToGrow = ({ spec, status }: PersistentVolumeClaim): boolean =>
  compareQuantities(spec.resources?.requests?.['storage'] ?? '0', status?.capacity?.['storage'] ?? '0') > 0 ||
  (status?.conditions ?? []).some(({ type, status: is }) => type === 'FileSystemResizePending' && is === 'True');
