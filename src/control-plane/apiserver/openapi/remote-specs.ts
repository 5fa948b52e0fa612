/** What OpenAPI documents need to know of groups that other API servers serve. */

/** OpenAPI 2, as JSON. */
export interface Spec {
  paths: Record<string, Record<string, unknown>>;
  definitions: Record<string, Record<string, unknown>>;
}

export interface RemoteSpecs {
  /** Moves with every change of what stands below. */
  readonly generation: number;
  /** Asks those that were not asked for a while. Never fails: what cannot be had stays as it was. */
  refresh(): Promise<void>;
  /** The documents of version 2, with the group and version that each is asked for; in the order in which they are merged. */
  specs(): readonly { group: string; version: string; spec: Spec }[];
  /** `apis/<group>/<version>` → the address that the other server gives for it, for those that have version 3. */
  addresses(): ReadonlyMap<string, string>;
}

export const NO_REMOTE_SPECS: RemoteSpecs = {
  generation: 0,
  refresh: () => Promise.resolve(),
  specs: () => [],
  addresses: () => new Map(),
};
