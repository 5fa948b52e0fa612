/** Which attached volumes this node needs: the node says so before it uses one, and until nobody does any more. */
import type { Node } from '#api/generated/schema.ts';
import { hasReason } from '#api/machinery/status.ts';
import { attachmentName, uniqueVolumeName } from '#api/storage/v1/attachment-name.ts';
import { VolumeAttachment } from '#api/storage/v1/volume-attachment.ts';
import type { Client } from '#client/client.ts';
import type { Wanted } from './csi-wanted.ts';
import { VolumeNotYet } from './volume-problem.ts';

export interface CsiAttachmentsOptions {
  client: Client;
  nodeName: string;
  /** As far as the kubelet knows it. */
  node(): Node | undefined;
  /** Says again how the node is: its volumesInUse have changed. */
  reportNode(): void;
}

export class CsiAttachments {
  readonly #options: CsiAttachmentsOptions;
  /** Pods by the unique names of volumes that are needed, or still there, though no record says so. */
  readonly #inUse = new Map<string, Set<string>>();

  constructor(options: CsiAttachmentsOptions) {
    this.#options = options;
  }

  /** Unique names, for a Node's status. */
  inUse(): string[] {
    return [...this.#inUse.keys()].sort();
  }

  use(name: string, podUid: string): void {
    const users = this.#inUse.get(name);
    if (users) users.add(podUid);
    else this.#inUse.set(name, new Set([podUid]));
  }

  release(name: string, podUid: string): void {
    const users = this.#inUse.get(name);
    users?.delete(podUid);
    if (users?.size !== 0) return;
    this.#inUse.delete(name);
    this.#options.reportNode();
  }

  /** A pod that never got its volume lets go of it. */
  forget(podUid: string): void {
    for (const name of [...this.#inUse.keys()]) if (this.#inUse.get(name)?.has(podUid)) this.release(name, podUid);
  }

  /**
   * First the node says that it uses the volume, so that nobody takes it away, then it is waited for.
   * @returns what the driver's controller says of it. @throws VolumeNotYet
   */
  async attached({ pod, volumeName, csi, volumeHandle }: Wanted): Promise<Record<string, string>> {
    const { client, node, nodeName, reportNode } = this.#options;
    const id = { driver: csi.driver, volumeHandle };
    const name = uniqueVolumeName(id);
    this.use(name, pod.metadata.uid);
    if (!node()?.status?.volumesInUse?.includes(name)) {
      reportNode();
      throw new VolumeNotYet(volumeName, 'the node has not yet said that it uses the volume');
    }
    const attachment = await client.get(VolumeAttachment, { name: attachmentName(id, nodeName) }).catch((error) => {
      if (hasReason(error, 'NotFound', 'Forbidden')) return undefined;
      throw error;
    });
    if (attachment?.status?.attached && !attachment.metadata.deletionTimestamp)
      return attachment.status.attachmentMetadata ?? {};
    throw new VolumeNotYet(volumeName, 'the volume is not attached');
  }
}
