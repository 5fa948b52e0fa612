/** The kinds of the Gateway API as definitions of custom kinds: users look for these, and may put their own on top. */
import { gatewayDefinition } from './gateway.ts';
import { gatewayClassDefinition } from './gateway-class.ts';
import { grpcRouteDefinition } from './grpc-route.ts';
import { httpRouteDefinition } from './http-route.ts';
import { referenceGrantDefinition } from './reference-grant.ts';
import { tlsRouteDefinition } from './tls-route.ts';

export const gatewayDefinitions = [
  gatewayClassDefinition,
  gatewayDefinition,
  httpRouteDefinition,
  grpcRouteDefinition,
  tlsRouteDefinition,
  referenceGrantDefinition,
];
