/** All kinds that are served from the start, in the order in which `kubectl api-resources` prints them. */
import type { Kind } from './machinery/kind.ts';
import { Deployment } from './apps/v1/deployment.ts';
import { ReplicaSet } from './apps/v1/replica-set.ts';
import { Lease } from './coordination/v1/lease.ts';
import { ConfigMap } from './core/v1/config-map.ts';
import { Endpoints } from './core/v1/endpoints.ts';
import { Event } from './core/v1/event.ts';
import { Namespace } from './core/v1/namespace.ts';
import { Node } from './core/v1/node.ts';
import { Pod } from './core/v1/pod.ts';
import { Secret } from './core/v1/secret.ts';
import { Service } from './core/v1/service.ts';
import { ServiceAccount } from './core/v1/service-account.ts';
import { EndpointSlice } from './discovery/v1/endpoint-slice.ts';
import { Event as EventsV1Event } from './events/v1/event.ts';
import { ClusterRole } from './rbac/v1/cluster-role.ts';
import { ClusterRoleBinding } from './rbac/v1/cluster-role-binding.ts';
import { Role } from './rbac/v1/role.ts';
import { RoleBinding } from './rbac/v1/role-binding.ts';
import { PriorityClass } from './scheduling/v1/priority-class.ts';

export const catalog: readonly Kind[] = [
  ConfigMap,
  Endpoints,
  Event,
  Namespace,
  Node,
  Pod,
  Secret,
  ServiceAccount,
  Service,
  Deployment,
  ReplicaSet,
  Lease,
  EndpointSlice,
  EventsV1Event,
  ClusterRoleBinding,
  ClusterRole,
  RoleBinding,
  Role,
  PriorityClass,
];

/** Kinds that are only sent to a subresource. */
export const bodies: readonly Kind[] = [];
