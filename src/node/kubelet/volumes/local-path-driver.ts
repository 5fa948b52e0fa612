/**
 * Storage out of the box: a volume is a folder of this node, made when the first pod comes and erased when the volume is
 * released. Shaped as a CSI driver, so that nothing else treats it differently.
 */
import { chmod, mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { LOCAL_PATH } from '#api/storage/v1/local-path.ts';
import { eraseFolder } from './erase-folder.ts';
import type { Mounter } from './mounter.ts';
import { DriverFailed, type NodeDriver, type PublishRequest } from '#node/runtime/csi/node-driver.ts';

export interface LocalPathOptions {
  /** Holds the volumes' folders and nothing else. */
  root: string;
  nodeName: string;
  mounter: Mounter;
}

export interface LocalPathDriver extends NodeDriver {
  /** Idempotent. Throws DriverFailed while a pod has it. */
  erase(volumeId: string): Promise<void>;
}

/** As volumes are called by the provisioner; nothing else ever becomes part of a path. */
const NAME = /^pvc-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** What is being erased is out of reach under its own name at once. */
const ERASED = '.erased-';

export function localPathDriver({ root, nodeName, mounter }: LocalPathOptions): LocalPathDriver {
  const folderOf = (volumeId: string): string => {
    if (!NAME.test(volumeId)) throw new DriverFailed('InvalidArgument', `${JSON.stringify(volumeId)} is no volume`);
    return join(root, volumeId);
  };
  return {
    name: LOCAL_PATH,
    info: async () => ({ nodeId: nodeName, maxVolumes: 0, topology: { 'kubernetes.io/hostname': nodeName } }),
    capabilities: async () => new Set(),
    stage: async () => undefined,
    unstage: async () => undefined,
    async publish({ volumeId, targetPath, readOnly }: PublishRequest) {
      const folder = folderOf(volumeId);
      await makeFolder(root, folder);
      await mkdir(targetPath, { recursive: true, mode: 0o750 });
      if (!(await mounter.below(targetPath)).includes(targetPath)) await mounter.bind(folder, targetPath, { readOnly });
    },
    async unpublish({ targetPath }) {
      if ((await mounter.below(targetPath)).includes(targetPath)) await mounter.unmount(targetPath);
    },
    expand: async () => undefined,
    usage: async () => [],
    async erase(volumeId) {
      const folder = folderOf(volumeId);
      if (await mounter.hasBindOf(folder)) throw new DriverFailed('FailedPrecondition', `${volumeId} is in use`);
      await mkdir(root, { recursive: true, mode: 0o711 });
      const name = `${ERASED}${volumeId}`;
      await eraseFolder(root, name); // of an attempt that did not come to its end
      await rename(folder, join(root, name)).catch((error: Error & { code?: string }) => {
        if (error.code !== 'ENOENT') throw error;
      });
      await eraseFolder(root, name);
    },
    close: () => undefined,
  };
}

/** Any user may write in it, as pods run as whom they like. */
async function makeFolder(root: string, folder: string): Promise<void> {
  await mkdir(root, { recursive: true, mode: 0o711 });
  try {
    await mkdir(folder);
    await chmod(folder, 0o777);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  }
}
