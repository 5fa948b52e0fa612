/** What discovery needs to know of groups that other API servers serve. */
import type { DiscoveredResource } from '../aggregation/discovered-resource.ts';

export interface RegisteredVersion {
  group: string;
  version: string;
  groupPriority: number;
  versionPriority: number;
}

export interface RemoteVersion extends RegisteredVersion {
  resources: readonly DiscoveredResource[];
  /** Who serves it does not answer: the resources are as they were when it last did, and clients are not told of them. */
  isStale: boolean;
}

export interface RemoteGroups {
  /** Moves with every change of what stands below. */
  readonly generation: number;
  /** All that have an APIService of another server. */
  registered(): readonly RegisteredVersion[];
  /** Those of them whose server was asked at least once. */
  described(): readonly RemoteVersion[];
}

export const NO_REMOTE_GROUPS: RemoteGroups = { generation: 0, registered: () => [], described: () => [] };
