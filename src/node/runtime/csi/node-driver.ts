/** What the kubelet asks of a CSI driver on its node, be it built in or behind a socket. Source: CSI 1.9, Node service. */
export type DriverCapability =
  | 'STAGE_UNSTAGE_VOLUME'
  | 'GET_VOLUME_STATS'
  | 'EXPAND_VOLUME'
  | 'VOLUME_CONDITION'
  | 'SINGLE_NODE_MULTI_WRITER'
  | 'VOLUME_MOUNT_GROUP';

export type AccessMode =
  | 'SINGLE_NODE_WRITER'
  | 'MULTI_NODE_READER_ONLY'
  | 'MULTI_NODE_MULTI_WRITER'
  | 'SINGLE_NODE_SINGLE_WRITER'
  | 'SINGLE_NODE_MULTI_WRITER';

export interface VolumeCapability {
  accessMode: AccessMode;
  fsType: string;
  mountFlags: readonly string[];
  /** A gid, for drivers that give files to a group themselves. */
  mountGroup?: string;
  /** A device is wanted, and no file system on it. */
  isBlock?: boolean;
}

/** Secrets must not be logged. */
interface Common {
  volumeId: string;
  publishContext: Readonly<Record<string, string>>;
  capability: VolumeCapability;
  secrets: Readonly<Record<string, string>>;
  volumeContext: Readonly<Record<string, string>>;
}
export interface StageRequest extends Common {
  stagingPath: string;
}
export interface PublishRequest extends Common {
  /** '' without staging. */
  stagingPath: string;
  targetPath: string;
  readOnly: boolean;
}
export interface ExpandRequest {
  volumeId: string;
  path: string;
  stagingPath: string;
  bytes: number;
  capability: VolumeCapability;
  secrets: Readonly<Record<string, string>>;
}

export interface DriverInfo {
  nodeId: string;
  /** 0: as many as one likes. */
  maxVolumes: number;
  /** Labels of places; their keys. */
  topology: Readonly<Record<string, string>>;
}

export interface VolumeUsage {
  unit: 'BYTES' | 'INODES';
  available: number;
  total: number;
  used: number;
}

/** All are idempotent, and throw DriverFailed. */
export interface NodeDriver {
  readonly name: string;
  info(): Promise<DriverInfo>;
  capabilities(): Promise<ReadonlySet<DriverCapability>>;
  stage(request: StageRequest): Promise<void>;
  unstage(request: { volumeId: string; stagingPath: string }): Promise<void>;
  publish(request: PublishRequest): Promise<void>;
  unpublish(request: { volumeId: string; targetPath: string }): Promise<void>;
  expand(request: ExpandRequest): Promise<void>;
  usage(request: { volumeId: string; path: string; stagingPath: string }): Promise<readonly VolumeUsage[]>;
  close(): void;
}

/** The message is as upstream prints it: `rpc error: code = Internal desc = …`. */
export class DriverFailed extends Error {
  readonly code: string;

  constructor(code: string, description: string, cause?: Error) {
    super(`rpc error: code = ${code} desc = ${description}`, { cause });
    this.code = code;
  }
}
