/** TLSRoute: which connections go to which Services, by the name that the client asks for in its TLS greeting. Source: Gateway API reference. */

import type { KubeObject } from '#api/machinery/object.ts';
import { clientKind } from './client-kind.ts';
import type { BackendReference, ParentReference, RouteStatus } from './route.ts';
import { backendRef, hostnames, list, object, parts, routeDefinition, rule, weight } from './schema-parts.ts';

export interface TLSRoute extends KubeObject {
  apiVersion: 'gateway.networking.k8s.io/v1';
  kind: 'TLSRoute';
  spec: {
    parentRefs?: ParentReference[];
    hostnames: string[];
    rules: { name?: string; backendRefs: BackendReference[] }[];
  };
  status?: RouteStatus;
}

export const TLSRoute = clientKind<TLSRoute>('TLSRoute', 'tlsroutes', { mayBeMissing: true });

export const tlsRouteDefinition = routeDefinition({
  kind: 'TLSRoute',
  plural: 'tlsroutes',
  versions: ['v1'],
  hostnames: hostnames({
    minItems: 1,
    'x-kubernetes-validations': [rule('Hostnames cannot contain an IP', 'self.all(h, !isIP(h))')],
  }),
  rules: list(
    object(
      {
        name: parts.sectionName,
        backendRefs: list(backendRef({ weight }), { minItems: 1, maxItems: 16 }),
      },
      ['backendRefs'],
    ),
    { minItems: 1, maxItems: 1 },
  ),
  required: ['hostnames', 'rules'],
});
