/** What the routes of the Gateway API have in common: whom they hang on, and what they say of it. Source: Gateway API reference, ParentReference, RouteStatus. */
import type { Condition } from '#api/generated/schema.ts';
import type { KubeObject } from '#api/machinery/object.ts';

export interface ParentReference {
  group?: string;
  kind?: string;
  namespace?: string;
  name: string;
  /** Of a listener; absent: of all. */
  sectionName?: string;
  port?: number;
}

export interface BackendReference {
  group?: string;
  kind?: string;
  name: string;
  namespace?: string;
  port?: number;
  weight?: number;
}

export interface RouteParentStatus {
  parentRef: ParentReference;
  controllerName: string;
  conditions: Condition[];
}

export interface RouteStatus {
  parents: RouteParentStatus[];
}

/** Of any kind. */
export interface AnyRoute extends KubeObject {
  kind: 'HTTPRoute' | 'GRPCRoute' | 'TLSRoute';
  spec: {
    parentRefs?: ParentReference[];
    hostnames?: string[];
    rules?: readonly { backendRefs?: BackendReference[] }[];
  };
  status?: RouteStatus;
}
