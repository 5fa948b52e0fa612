/** Images, who may pull them and what they take up. Names are the CRI's; instants as in `runtime.ts`. */

export interface Image {
  /** `sha256:…` of the image's configuration. */
  id: string;
  repoTags: string[];
  repoDigests: string[];
  sizeBytes: number;
  /** The numeric user the image runs as, if its configuration has one. */
  uid: number | undefined;
  username: string;
  pinned: boolean;
}

export interface AuthConfig {
  username?: string;
  password?: string;
  auth?: string;
  serverAddress?: string;
  identityToken?: string;
  registryToken?: string;
}

export interface FilesystemUsage {
  timestamp: number | undefined;
  mountpoint: string;
  usedBytes: number;
  inodesUsed: number;
}
