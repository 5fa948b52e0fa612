/** What a sandbox or a container shares with its node, and as whom it does what there. Names are the CRI's. */

/** Whether the groups that an image gives its user are the container's, too. */
export type SupplementalGroupsPolicy = 'Merge' | 'Strict';

export type NamespaceMode = 'POD' | 'CONTAINER' | 'NODE' | 'TARGET';

/** `length` ids: `containerId` and the following are `hostId` and the following on the node. */
export interface IDMapping {
  hostId: number;
  containerId: number;
  length: number;
}

/** NODE: users are the node's, and there are no mappings. */
export interface UserNamespace {
  mode: 'POD' | 'NODE';
  uids: IDMapping[];
  gids: IDMapping[];
}

export interface NamespaceOptions {
  network: NamespaceMode;
  pid: NamespaceMode;
  ipc: NamespaceMode;
  usernsOptions?: UserNamespace;
  /** The container whose PID namespace is shared, when `pid` is TARGET. */
  targetId?: string;
}

export interface SecurityProfile {
  profileType: 'RuntimeDefault' | 'Unconfined' | 'Localhost';
  localhostRef?: string;
}

export interface SELinuxOptions {
  user?: string;
  role?: string;
  type?: string;
  level?: string;
}

export interface SandboxSecurityContext {
  namespaceOptions: NamespaceOptions;
  seLinuxOptions?: SELinuxOptions;
  runAsUser?: number;
  runAsGroup?: number;
  readonlyRootfs?: boolean;
  supplementalGroups?: number[];
  supplementalGroupsPolicy?: SupplementalGroupsPolicy;
  privileged?: boolean;
  seccomp?: SecurityProfile;
  apparmor?: SecurityProfile;
}

export interface ContainerSecurityContext {
  capabilities?: { add: string[]; drop: string[] };
  privileged?: boolean;
  namespaceOptions: NamespaceOptions;
  seLinuxOptions?: SELinuxOptions;
  runAsUser?: number;
  runAsGroup?: number;
  runAsUsername?: string;
  readonlyRootfs?: boolean;
  supplementalGroups?: number[];
  supplementalGroupsPolicy?: SupplementalGroupsPolicy;
  noNewPrivs?: boolean;
  maskedPaths?: string[];
  readonlyPaths?: string[];
  seccomp?: SecurityProfile;
  apparmor?: SecurityProfile;
}
