/**
 * What is mounted for whom, beside each mount: a kubelet that begins anew, perhaps while the API is out of reach, knows from
 * these files what to take down and what stands already. Named as upstream's, which holds the same for CSI.
 */
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface VolumeRecord {
  podUid: string;
  /** As the pod calls it. */
  volumeName: string;
  /** Of the PersistentVolume; for a volume that is in the pod itself, as the pod calls it. */
  specName: string;
  plugin: 'csi' | 'local-volume' | 'host-path' | 'nfs' | 'image';
  /** What containers get. */
  path: string;
  readOnly: boolean;
  /** The path is a device's. */
  isBlock?: boolean;
  csi?: {
    driver: string;
    volumeHandle: string;
    /** '' without staging. */
    stagingPath: string;
    /** It is in a Node's volumesInUse as long as this record lives. */
    isAttached: boolean;
  };
  claim?: { namespace: string; name: string };
  onlyOnePod?: boolean;
  /** Its driver wants to publish it again and again. */
  republishes?: boolean;
}

const FILE = 'vol_data.json';

export class VolumeRecords {
  /** The kubelet's root folder. */
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  folderOf({ podUid, plugin, specName }: Pick<VolumeRecord, 'podUid' | 'plugin' | 'specName'>): string {
    return join(this.#root, 'pods', podUid, 'volumes', `kubernetes.io~${plugin}`, specName);
  }

  async write(record: VolumeRecord): Promise<void> {
    const folder = this.folderOf(record);
    await mkdir(folder, { recursive: true, mode: 0o750 });
    const path = join(folder, FILE);
    await writeFile(`${path}.new`, JSON.stringify(record), { mode: 0o600 });
    await rename(`${path}.new`, path);
  }

  async remove(record: VolumeRecord): Promise<void> {
    await rm(join(this.folderOf(record), FILE), { force: true });
  }

  async ofPod(podUid: string): Promise<VolumeRecord[]> {
    const volumes = join(this.#root, 'pods', podUid, 'volumes');
    const found: VolumeRecord[] = [];
    for (const plugin of await names(volumes))
      for (const specName of await names(join(volumes, plugin))) {
        const record = await read(join(volumes, plugin, specName, FILE));
        if (record) found.push(record);
      }
    return found;
  }

  async all(): Promise<VolumeRecord[]> {
    const pods = await names(join(this.#root, 'pods'));
    return (await Promise.all(pods.map((uid) => this.ofPod(uid)))).flat();
  }
}

async function names(folder: string): Promise<string[]> {
  return readdir(folder).catch((error: Error & { code?: string }) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return [];
    throw error;
  });
}

/** A file that was cut off by a power failure is none. */
async function read(path: string): Promise<VolumeRecord | undefined> {
  const text = await readFile(path, 'utf8').catch((error: Error & { code?: string }) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return '';
    throw error;
  });
  try {
    return text ? (JSON.parse(text) as VolumeRecord) : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
