/** Says of each GatewayClass of ours that it is served, and with what. Source: Gateway API reference, GatewayClassStatus. */
import { GatewayClass } from '#api/gateway/v1/gateway-class.ts';
import { defineController, settled } from '../define-controller.ts';
import { conditionsOf, no, yes } from './conditions.ts';

/** By the names of the conformance suite, sorted. */
const FEATURES = [
  'GRPCRoute',
  'Gateway',
  'GatewayPort8080',
  'HTTPRoute',
  'HTTPRouteBackendRequestHeaderModification',
  'HTTPRouteBackendTimeout',
  'HTTPRouteCORS',
  'HTTPRouteHostRewrite',
  'HTTPRouteMethodMatching',
  'HTTPRouteNamedRouteRule',
  'HTTPRouteParentRefPort',
  'HTTPRoutePathRedirect',
  'HTTPRoutePathRewrite',
  'HTTPRoutePortRedirect',
  'HTTPRouteQueryParamMatching',
  'HTTPRouteRequestMirror',
  'HTTPRouteRequestMultipleMirrors',
  'HTTPRouteRequestPercentageMirror',
  'HTTPRouteRequestTimeout',
  'HTTPRouteResponseHeaderModification',
  'HTTPRouteSchemeRedirect',
  'ReferenceGrant',
  'TLSRoute',
  'TLSRouteModeMixed',
  'TLSRouteModeTerminate',
];

export const gatewayClassStatus = (controllerName: string) =>
  defineController({
    name: 'gateway-class-controller',
    reconciles: GatewayClass,
    writes: { status: [GatewayClass] },

    async reconcile(gatewayClass, { api, clock }) {
      const { spec, status, metadata } = gatewayClass;
      if (spec.controllerName !== controllerName) return settled;
      const accepted = spec.parametersRef
        ? no('InvalidParameters', 'This class has no parameters')
        : yes('Accepted', 'The class is served by this cluster');
      const supported = yes('SupportedVersion', 'The version of the Gateway API is served');
      const { generation } = metadata;
      await api.updateStatus(gatewayClass, {
        conditions: conditionsOf(
          { Accepted: accepted, SupportedVersion: supported },
          { before: status?.conditions, generation, nowMs: clock.now() },
        ),
        supportedFeatures: FEATURES.map((name) => ({ name })),
      });
      return settled;
    },
  });
