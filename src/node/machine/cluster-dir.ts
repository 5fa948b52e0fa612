/**
 * A cluster's folder: everything that must survive `down`, a crash and a reboot. What is gone after a reboot anyway
 * (sockets, process ids, containerd's state) stands in the run folder.
 */
import { mkdir, readdir, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { readJsonFile, writeJsonFile } from './json-file.ts';
import { bootId } from './process-record.ts';
import type { IpFamilies } from './slots.ts';

/** Raised when what is written here changes so that an older Kedge would misread it. */
export const FORMAT_VERSION = 1;

export interface ClusterRecord {
  formatVersion: number;
  name: string;
  slot: number;
  apiServerPort: number;
  /** Of its addresses, for as long as the cluster lives; absent: IPv4 alone. */
  ipFamilies?: IpFamilies;
  /** Names of nodes with real containers → the number their addresses follow from. Stopped nodes keep theirs. */
  nodes: Record<string, NodeRecord>;
  simulatedNodes: number;
  /** Addresses of this machine, besides loopback and the bridge, at which the API server is reached from other machines. */
  listen?: string[];
  /** Ports of this machine's loopback that lead to Services. */
  publish?: PublishedServicePort[];
  settings: ClusterSettings;
}

export interface PublishedServicePort {
  port: number;
  namespace: string;
  service: string;
  /** Of the Service, by number or name. */
  to: string;
}

export interface NodeRecord {
  index: number;
  stopped?: boolean;
  /** Of the machine that is this node, where that is another one than ours. */
  address?: string;
}

/** What a user may set of the control plane; absent: upstream's defaults. */
export interface ClusterSettings {
  /** How long a silent node counts as alive. */
  nodeMonitorGracePeriodSeconds?: number;
  /** How long pods stay on a node that is not ready or not reachable, unless they say otherwise. */
  defaultTolerationSeconds?: number;
  /** Fields of a KubeletConfiguration, as they were given; for all nodes. */
  kubelet?: Record<string, unknown>;
  /** A CredentialProviderConfig as it was given, and the folder of its programs; for all nodes. */
  credentialProviders?: { configuration: Record<string, unknown>; folder: string };
  /** VXLAN between all nodes; absent: only where a router between two nodes knows no pods. */
  overlay?: 'vxlan';
  /** kube-proxy's on all nodes; absent: nftables. */
  proxyMode?: 'nftables' | 'iptables' | 'ipvs';
  /** How the mode ipvs chooses endpoints; absent: rr. */
  ipvsScheduler?: string;
  /** The network configuration list of all nodes, as it was given. */
  cni?: Record<string, unknown>;
  /** Flags of kube-apiserver by upstream's names, as they were given. */
  apiServer?: Record<string, string>;
}

export interface ClusterPaths {
  dataDir: string;
  runDir: string;
  record: string;
  controlSocket: string;
  store: string;
  /** Of the image registry. */
  images: string;
  pki: string;
  kubeconfig: string;
  logs: string;
}

export class BadDataDir extends Error {
  readonly code = 'BadDataDir';
}

// 32 leaves room for a node's name and a socket's name within the 107 bytes of a unix socket's path (unix(7)).
const NAME = /^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/;
const SOCKET_PATH_BYTES = 107;

export function checkedClusterName(name: string): string {
  if (NAME.test(name)) return name;
  throw new BadDataDir(`"${name}" is not a cluster name: lower case letters, digits and "-", at most 32 of them`);
}

/** The folder under which clusters of this user have their folders by default. */
export function clustersFolder(env: NodeJS.ProcessEnv, root = process.getuid?.() === 0): string {
  if (root) return '/var/lib/kedge';
  return join(env['XDG_DATA_HOME'] || join(homedir(), '.local', 'share'), 'kedge');
}

/** What can be made again at any time: image layers, extracted tools. */
export function cacheFolder(env: NodeJS.ProcessEnv, root = process.getuid?.() === 0): string {
  if (root) return '/var/cache/kedge';
  return join(env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'kedge');
}

export function clusterPaths(name: string, dataDir: string, root = process.getuid?.() === 0): ClusterPaths {
  const paths = {
    dataDir,
    runDir: root && process.platform === 'linux' ? `/run/kedge/${name}` : join(dataDir, 'run'),
    record: join(dataDir, 'cluster.json'),
    controlSocket: join(dataDir, 'control.sock'),
    store: join(dataDir, 'store'),
    images: join(dataDir, 'images'),
    pki: join(dataDir, 'pki'),
    kubeconfig: join(dataDir, 'kubeconfig'),
    logs: join(dataDir, 'logs'),
  };
  if (Buffer.byteLength(paths.controlSocket) > SOCKET_PATH_BYTES) {
    throw new BadDataDir(`${dataDir} is too long for a unix socket in it; give a shorter --data-dir`);
  }
  return paths;
}

/** undefined: there is no cluster here yet. Throws BadDataDir when the folder is somebody else's or of a later format. */
export async function readCluster(paths: ClusterPaths, name: string): Promise<ClusterRecord | undefined> {
  const record = await readRecord(paths);
  if (!record) {
    const content = (await entriesOf(paths.dataDir)).filter((entry) => entry !== 'logs');
    if (content.length === 0) return undefined;
    throw new BadDataDir(
      `${paths.dataDir} holds files (${content.slice(0, 3).join(', ')}) but no cluster; empty it, or give another --data-dir`,
    );
  }
  if (record.formatVersion !== FORMAT_VERSION) {
    throw new BadDataDir(
      `${paths.dataDir} is of format ${record.formatVersion}, this kedge writes format ${FORMAT_VERSION}; ` +
        'use the kedge that made it; or, when nothing of the cluster runs, remove that folder',
    );
  }
  if (record.name !== name) {
    throw new BadDataDir(
      `${paths.dataDir} holds cluster "${record.name}"; give --name ${record.name}, or another --data-dir`,
    );
  }
  return record;
}

async function readRecord({ record, dataDir }: ClusterPaths): Promise<ClusterRecord | undefined> {
  try {
    return (await readJsonFile(record)) as ClusterRecord | undefined;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new BadDataDir(
      `${dataDir}/cluster.json is not readable: ${error.message}; restore it; or, when nothing of the cluster runs, remove that folder`,
    );
  }
}

export const writeCluster = (paths: ClusterPaths, record: ClusterRecord): Promise<void> =>
  writeJsonFile(paths.record, record);

/** An empty run folder if the machine was started anew since it was last used; nothing in it is true any more. */
export async function prepareRunDir({ runDir }: ClusterPaths): Promise<void> {
  const stamp = join(runDir, 'boot.json');
  const known = await readJsonFile(stamp).catch(() => undefined); // an unreadable stamp is an old one
  if ((known as { bootId?: string } | undefined)?.bootId === bootId()) return;
  await rm(runDir, { recursive: true, force: true });
  await mkdir(runDir, { recursive: true, mode: 0o700 });
  await writeJsonFile(stamp, { bootId: bootId() });
}

async function entriesOf(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
