/**
 * Volumes of CSI drivers for pods: attached, staged once a node, published once a pod, and all the way back. Paths are
 * upstream's, which drivers rely on.
 */
import { createHash } from 'node:crypto';
import { mkdir, rm, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Pod, Volume } from '#api/generated/schema.ts';
import { compareQuantities, quantityValue } from '#api/machinery/quantity.ts';
import { hasReason } from '#api/machinery/status.ts';
import { needsAttaching, uniqueVolumeName } from '#api/storage/v1/attachment-name.ts';
import { CSIDriver } from '#api/storage/v1/csi-driver.ts';
import { DriverFailed, type NodeDriver, type VolumeCapability } from '#node/runtime/csi/node-driver.ts';
import { Turns } from '../turns.ts';
import type { Claimed } from './claimed-volume.ts';
import { CsiAttachments, type CsiAttachmentsOptions } from './csi-attachments.ts';
import { accessModeOf, givesToGroup, podInfo, podTokens, secretOf } from './csi-request.ts';
import { inStep, isBlockVolume, missing, missingDriver, refuseIfNotEphemeral, type Wanted } from './csi-wanted.ts';
import type { Drivers } from './drivers.ts';
import type { Mounter } from './mounter.ts';
import { giveToGroup } from './ownership.ts';
import type { ServiceAccountTokens } from './service-account-tokens.ts';
import type { VolumeRecord, VolumeRecords } from './volume-records.ts';
import { type VolumeStats, volumeStats } from './volume-usage.ts';

export interface CsiVolumesOptions extends CsiAttachmentsOptions {
  root: string;
  drivers: Drivers;
  mounter: Mounter;
  records: VolumeRecords;
  tokens: ServiceAccountTokens;
}

export class CsiVolumes {
  readonly #options: CsiVolumesOptions;
  /** One at a time for each volume. */
  readonly #turns = new Turns();
  readonly #attachments: CsiAttachments;
  /** Paths of what this kubelet has staged: not again for the next pod. */
  readonly #staged = new Set<string>();
  constructor(options: CsiVolumesOptions) {
    this.#options = options;
    this.#attachments = new CsiAttachments(options);
  }

  /** For a Node's status. */
  volumesInUse(): string[] {
    return this.#attachments.inUse();
  }

  /** After a new start: what the records say. */
  restore(records: readonly VolumeRecord[]): void {
    for (const { csi, podUid } of records) if (csi?.isAttached) this.#attachments.use(uniqueVolumeName(csi), podUid);
  }

  /** @throws VolumeProblem, VolumeNotYet */
  setUpClaimed(pod: Pod, volume: Volume, claimed: Claimed): Promise<VolumeRecord> {
    const { csi } = claimed.volume.spec;
    if (!csi) throw new Error('not a CSI volume');
    const readOnly = (volume.persistentVolumeClaim?.readOnly ?? false) || (csi.readOnly ?? false);
    const { volumeHandle, ...rest } = csi;
    const specName = claimed.volume.metadata.name;
    return this.#setUp({ pod, volumeName: volume.name, specName, csi: rest, volumeHandle, claimed, readOnly });
  }

  /** A volume that lives and dies with its pod. Source: KEP-596. */
  setUpInline(pod: Pod, { name, csi }: Volume): Promise<VolumeRecord> {
    if (!csi) throw new Error('not a CSI volume');
    const digest = createHash('sha256').update(`${pod.metadata.uid}${name}`).digest('hex');
    const { nodePublishSecretRef, ...rest } = csi;
    const { namespace = '' } = pod.metadata;
    const source = {
      ...rest,
      ...(nodePublishSecretRef?.name && { nodePublishSecretRef: { name: nodePublishSecretRef.name, namespace } }),
    };
    return this.#setUp({
      pod,
      volumeName: name,
      specName: name,
      csi: source,
      volumeHandle: `csi-${digest}`,
      claimed: undefined,
      readOnly: csi.readOnly ?? false,
    });
  }

  /** Idempotent. @throws DriverFailed, or Error when the driver is away */
  async tearDown(record: VolumeRecord): Promise<void> {
    const { csi, path } = record;
    if (!csi) return;
    const { mounter, records } = this.#options;
    await this.#inTurn(csi, async () => {
      const driver = this.#driver(csi.driver);
      await driver.unpublish({ volumeId: csi.volumeHandle, targetPath: path });
      for (const point of await mounter.below(path)) await mounter.unmount(point);
      await rm(path, { recursive: false, force: true }).catch(ignoreFolder);
      if (record.isBlock) await rmdir(dirname(path)).catch(ignoreUsed);
      await records.remove(record);
      const isShared = (await records.all()).some(({ csi: other }) => other && isSame(other, csi));
      if (!isShared && csi.stagingPath) await this.#unstage(csi, driver);
    });
    if (csi.isAttached) this.#attachments.release(uniqueVolumeName(csi), record.podUid);
  }

  #setUp(wanted: Wanted): Promise<VolumeRecord> {
    const id = { driver: wanted.csi.driver, volumeHandle: wanted.volumeHandle };
    return this.#inTurn(id, () => this.#setUpInTurn(wanted));
  }

  async #setUpInTurn(wanted: Wanted): Promise<VolumeRecord> {
    const { mounter, records } = this.#options;
    const { pod, volumeName, specName, claimed, csi, volumeHandle } = wanted;
    const about = await this.#aboutDriver(csi.driver);
    if (!claimed) refuseIfNotEphemeral(wanted, about);
    const isAttached = claimed !== undefined && needsAttaching(about);
    const publishContext = isAttached ? await this.#attachments.attached(wanted) : {};
    const driver = this.#options.drivers.get(csi.driver);
    if (!driver) throw missingDriver(wanted);
    const capabilities = await driver.capabilities().catch(inStep('MountDevice', wanted));
    const capability = this.#capabilityOf(wanted, capabilities);
    const stagingPath = claimed && capabilities.has('STAGE_UNSTAGE_VOLUME') ? this.#stagingPath(wanted) : '';
    const isBlock = isBlockVolume(claimed);
    const record: VolumeRecord = {
      podUid: pod.metadata.uid,
      volumeName,
      specName,
      plugin: 'csi',
      path: isBlock
        ? join(this.#deviceFolder('publish'), specName, pod.metadata.uid)
        : join(records.folderOf({ podUid: pod.metadata.uid, plugin: 'csi', specName }), 'mount'),
      ...(isBlock && { isBlock }),
      readOnly: wanted.readOnly,
      csi: { driver: csi.driver, volumeHandle, stagingPath, isAttached },
      ...(claimed && {
        claim: { namespace: claimed.claim.metadata.namespace ?? '', name: claimed.claim.metadata.name },
      }),
      ...(claimed?.volume.spec.accessModes.includes('ReadWriteOncePod') && { onlyOnePod: true }),
      ...(about?.spec.requiresRepublish && { republishes: true }),
    };
    const common = { volumeId: volumeHandle, publishContext, capability };
    // Said before it is done: what a crash leaves behind is found and taken down.
    await records.write(record);
    if (stagingPath) await this.#stage(wanted, { driver, stagingPath, common });
    const isMounted = (await mounter.below(record.path)).includes(record.path);
    if (!isMounted || about?.spec.requiresRepublish) {
      const { secrets, volumeContext } = await this.#publishing(wanted, about);
      const target = { targetPath: record.path, stagingPath, readOnly: wanted.readOnly };
      await mkdir(dirname(record.path), { recursive: true, mode: 0o750 });
      await driver.publish({ ...common, ...target, secrets, volumeContext }).catch(inStep('SetUp', wanted));
    }
    if (!isMounted) await this.#giveToGroup(wanted, { record, about, capability });
    return record;
  }

  /** undefined: nobody has said anything of it. */
  async #aboutDriver(name: string): Promise<CSIDriver | undefined> {
    try {
      return await this.#options.client.get(CSIDriver, { name });
    } catch (error) {
      if (hasReason(error, 'NotFound')) return undefined;
      throw error;
    }
  }

  #capabilityOf(
    { claimed, csi, pod }: Wanted,
    capabilities: Awaited<ReturnType<NodeDriver['capabilities']>>,
  ): VolumeCapability {
    const { fsGroup } = pod.spec.securityContext ?? {};
    return {
      ...(isBlockVolume(claimed) && { isBlock: true }),
      accessMode: accessModeOf(claimed?.volume.spec.accessModes, capabilities),
      fsType: csi.fsType ?? '',
      mountFlags: claimed?.volume.spec.mountOptions ?? [],
      ...(fsGroup !== undefined && capabilities.has('VOLUME_MOUNT_GROUP') && { mountGroup: String(fsGroup) }),
    };
  }

  /** Upstream's place for devices: not in the pod's folder, for a driver makes a file there. */
  #deviceFolder(what: 'staging' | 'publish'): string {
    return join(this.#options.root, 'plugins', 'kubernetes.io', 'csi', 'volumeDevices', what);
  }

  #stagingPath({ csi, volumeHandle, claimed, specName }: Wanted): string {
    if (isBlockVolume(claimed)) return join(this.#deviceFolder('staging'), specName);
    const digest = createHash('sha256').update(volumeHandle).digest('hex');
    return join(this.#options.root, 'plugins', 'kubernetes.io', 'csi', csi.driver, digest, 'globalmount');
  }

  async #stage(
    wanted: Wanted,
    { driver, stagingPath, common }: { driver: NodeDriver; stagingPath: string; common: StageCommon },
  ): Promise<void> {
    if (this.#staged.has(stagingPath)) return;
    const { client } = this.#options;
    await mkdir(stagingPath, { recursive: true, mode: 0o750 });
    const secrets = await secretOf(wanted.csi.nodeStageSecretRef, client);
    const volumeContext = wanted.csi.volumeAttributes ?? {};
    await driver.stage({ ...common, stagingPath, secrets, volumeContext }).catch(inStep('MountDevice', wanted));
    this.#staged.add(stagingPath);
  }

  async #publishing({ pod, csi, claimed }: Wanted, about: CSIDriver | undefined) {
    const { client, tokens } = this.#options;
    const secrets = await secretOf(csi.nodePublishSecretRef, client);
    const owned = await podTokens(pod, about, tokens);
    const inSecrets = about?.spec.serviceAccountTokenInSecrets === true;
    return {
      secrets: { ...secrets, ...(inSecrets && owned) },
      volumeContext: {
        ...csi.volumeAttributes,
        ...(about?.spec.podInfoOnMount && podInfo(pod, claimed === undefined)),
        ...(!inSecrets && owned),
      },
    };
  }

  async #giveToGroup(
    { pod, claimed, readOnly }: Wanted,
    { record, about, capability }: { record: VolumeRecord; about: CSIDriver | undefined; capability: VolumeCapability },
  ): Promise<void> {
    const { fsGroup, fsGroupChangePolicy } = pod.spec.securityContext ?? {};
    if (fsGroup === undefined || readOnly || capability.mountGroup || record.isBlock) return;
    if (!givesToGroup(about, claimed?.volume)) return;
    await giveToGroup(record.path, fsGroup, fsGroupChangePolicy === 'OnRootMismatch');
  }

  async #unstage({ volumeHandle, stagingPath }: NonNullable<VolumeRecord['csi']>, driver: NodeDriver): Promise<void> {
    const { mounter } = this.#options;
    this.#staged.delete(stagingPath);
    await driver.unstage({ volumeId: volumeHandle, stagingPath });
    for (const point of await mounter.below(stagingPath)) await mounter.unmount(point);
    await rm(stagingPath, { recursive: false, force: true }).catch(ignoreFolder);
    await rmdir(stagingPath).catch(ignoreUsed);
  }

  #driver(name: string): NodeDriver {
    const driver = this.#options.drivers.get(name);
    if (!driver) throw new DriverFailed('Unavailable', missing(name));
    return driver;
  }

  stats(record: VolumeRecord): Promise<VolumeStats> {
    return volumeStats(record, record.csi && this.#options.drivers.get(record.csi.driver));
  }

  /** A pod that never got its volume lets go of it. */
  forget(podUid: string): void {
    this.#attachments.forget(podUid);
  }

  #inTurn<T>(id: { driver: string; volumeHandle: string }, act: () => Promise<T>): Promise<T> {
    return this.#turns.take(`${id.driver}^${id.volumeHandle}`, act);
  }

  /** Grows what the volume says it has grown to. @returns the new size, undefined when there was nothing to do */
  async expand(record: VolumeRecord, { claim, volume }: Claimed): Promise<string | undefined> {
    const { csi } = volume.spec;
    const wanted = volume.spec.capacity['storage'] ?? '0';
    const has = claim.status?.capacity?.['storage'] ?? '0';
    if (!csi || !record.csi || compareQuantities(wanted, has) <= 0) return undefined;
    const driver = this.#driver(csi.driver);
    const capabilities = await driver.capabilities();
    if (!capabilities.has('EXPAND_VOLUME')) return undefined;
    await driver.expand({
      volumeId: csi.volumeHandle,
      path: record.path,
      stagingPath: record.csi.stagingPath,
      bytes: quantityValue(wanted),
      capability: {
        accessMode: accessModeOf(volume.spec.accessModes, capabilities),
        fsType: csi.fsType ?? '',
        mountFlags: volume.spec.mountOptions ?? [],
        ...(record.isBlock && { isBlock: true }),
      },
      secrets: await secretOf(csi.nodeExpandSecretRef, this.#options.client),
    });
    return wanted;
  }
}

type StageCommon = Pick<Parameters<NodeDriver['stage']>[0], 'volumeId' | 'publishContext' | 'capability'>;

const isSame = (a: { driver: string; volumeHandle: string }, b: { driver: string; volumeHandle: string }): boolean =>
  a.driver === b.driver && a.volumeHandle === b.volumeHandle;

/** A driver removes what it made; an empty folder that it left is removed with the pod's own. */
function ignoreFolder(error: Error & { code?: string }): void {
  if (error.code !== 'ERR_FS_EISDIR' && error.code !== 'EISDIR') throw error;
}

/** Another pod has it still, or it is gone. */
function ignoreUsed(error: Error & { code?: string }): void {
  if (!['ENOTEMPTY', 'EBUSY', 'ENOENT', 'ENOTDIR'].includes(error.code ?? '')) throw error;
}
