/** All that the Gateway API asks of a controller; what carries the traffic are processes of the nodes. */
import { GRPCRoute } from '#api/gateway/v1/grpc-route.ts';
import { HTTPRoute } from '#api/gateway/v1/http-route.ts';
import { TLSRoute } from '#api/gateway/v1/tls-route.ts';
import type { Controller } from '../define-controller.ts';
import { gatewayClassStatus } from './gateway-class.ts';
import { type GatewayAddresses, gatewayStatus } from './gateway-status.ts';
import { routeStatus } from './route-status.ts';

export const gatewayControllers = (settings: GatewayAddresses): Controller[] => [
  gatewayClassStatus(settings.controllerName),
  gatewayStatus(settings),
  routeStatus(HTTPRoute, 'http-route-controller', settings.controllerName, GRPCRoute),
  routeStatus(GRPCRoute, 'grpc-route-controller', settings.controllerName, HTTPRoute),
  routeStatus(TLSRoute, 'tls-route-controller', settings.controllerName),
];
