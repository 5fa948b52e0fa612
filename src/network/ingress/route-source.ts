/** Where routes come from: Ingresses, or Gateways and what hangs on them. Each knows its own kinds; what lies behind the routes is followed for all. */
import type { Secret, Service } from '#api/generated/schema.ts';
import type { Blame } from './blame.ts';
import type { PortListeners } from './listeners.ts';
import type { HostRoutes } from './route-table.ts';

export interface SourcedTable {
  hosts?: ReadonlyMap<string, HostRoutes>;
  ports?: ReadonlyMap<number, PortListeners>;
  /** `namespace/name` of Secrets that may be shown. */
  certificates: Iterable<string>;
  /** The same of users, and whether as a file; see `BasicAuth`. */
  users?: ReadonlyMap<string, { isFile: boolean }>;
  /** There is something to serve: from here on Services and endpoints are followed. */
  isInUse: boolean;
}

export interface AroundRoutes {
  /** By `namespace/name`; undefined: not there, or not known. */
  service(key: string): Service | undefined;
  secret(key: string): Secret | undefined;
  blame: Blame;
}

export interface RouteSource {
  /** Resolves when what is there is known. `changed` is called from then on. */
  start(changed: () => void): Promise<void>;
  /** Made anew after a change of its own objects, and, where `looksAround`, of what is around them. */
  table(around: AroundRoutes): SourcedTable;
  readonly looksAround: boolean;
}
