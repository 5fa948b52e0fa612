/** GRPCRoute: which calls go to which Services, by service and method. Source: Gateway API reference. */

import type { KubeObject } from '#api/machinery/object.ts';
import { clientKind } from './client-kind.ts';
import { type FilteredBackend, type ValueMatch, valueMatch } from './http-route.ts';
import type { ParentReference, RouteStatus } from './route.ts';
import { filtersOf, type RouteFilter } from './route-filter.ts';
import { backendRef, list, object, parts, routeDefinition, rule, weight } from './schema-parts.ts';

export interface GRPCRouteMatch {
  method?: { type?: 'Exact' | 'RegularExpression'; service?: string; method?: string };
  headers?: ValueMatch[];
}

export interface GRPCRouteRule {
  name?: string;
  matches?: GRPCRouteMatch[];
  filters?: RouteFilter[];
  backendRefs?: FilteredBackend[];
}

export interface GRPCRoute extends KubeObject {
  apiVersion: 'gateway.networking.k8s.io/v1';
  kind: 'GRPCRoute';
  spec: { parentRefs?: ParentReference[]; hostnames?: string[]; rules?: GRPCRouteRule[] };
  status?: RouteStatus;
}

export const GRPCRoute = clientKind<GRPCRoute>('GRPCRoute', 'grpcroutes', { mayBeMissing: true });

const SERVICE = '^(?i)\\.?[a-z_][a-z_0-9]*(\\.[a-z_][a-z_0-9]*)*$';
const METHOD = '^[A-Za-z_][A-Za-z_0-9]*$';
const filters = filtersOf(['requestHeaderModifier', 'responseHeaderModifier', 'requestMirror', 'extensionRef']);

const valid = (field: string, pattern: string) =>
  rule(
    `${field} must only contain valid characters (matching ${pattern})`,
    `(!has(self.type) || self.type == 'Exact') && has(self.${field}) ? self.${field}.matches(r"""${pattern}"""): true`,
  );

const match = object({
  method: object(
    {
      type: parts.text({ enum: ['Exact', 'RegularExpression'], default: 'Exact' }),
      service: parts.text({ maxLength: 1024 }),
      method: parts.text({ maxLength: 1024 }),
    },
    [],
    [
      rule(
        "One or both of 'service' or 'method' must be specified",
        'has(self.type) ? has(self.service) || has(self.method) : true',
      ),
      valid('service', SERVICE),
      valid('method', METHOD),
    ],
  ),
  headers: valueMatch(4096),
});

export const grpcRouteDefinition = routeDefinition({
  kind: 'GRPCRoute',
  plural: 'grpcroutes',
  versions: ['v1'],
  rules: list(
    object({
      name: parts.sectionName,
      matches: list(match, { maxItems: 64 }),
      filters,
      backendRefs: list(backendRef({ weight, filters }), { maxItems: 16 }),
    }),
    { minItems: 1, maxItems: 16 },
  ),
});
