/** What some controllers ask for beyond objects of their kinds. */
import type { KindRegistry } from '#api/machinery/kind.ts';
import type { Transport, UserInfo } from '#client/transport.ts';
import type { TokenIssuer } from '#control-plane/apiserver/authentication/token-issuer.ts';
import { type OwnerScales, ownerScalesOver } from '#control-plane/controllers/disruption/owner-scales.ts';
import type { AutoscalerSources } from '#control-plane/controllers/horizontal-pod-autoscaler/horizontal-pod-autoscaler.ts';
import { metricsOver } from '#control-plane/controllers/horizontal-pod-autoscaler/metrics-source.ts';
import { scalesOver } from '#control-plane/controllers/horizontal-pod-autoscaler/scales.ts';
import type { SecretTokens } from '#control-plane/controllers/service-account-token.ts';
import { serviceAccountUser } from '#control-plane/controllers/start-controllers.ts';

export interface Reach {
  transportFor(user: UserInfo): Transport;
  kinds: KindRegistry;
}

export function autoscalerSources({ transportFor, kinds }: Reach): AutoscalerSources {
  const transport = transportFor(controllerUser('horizontal-pod-autoscaler'));
  return { metrics: metricsOver(transport, kinds), scales: scalesOver(transport, kinds) };
}

export const ownerScales = ({ transportFor, kinds }: Reach): OwnerScales =>
  ownerScalesOver(transportFor(controllerUser('disruption-controller')), kinds);

export const secretTokensOf = (issuer: TokenIssuer, rootCa: string): SecretTokens => ({
  rootCa,
  issue({ metadata: { namespace = '', name, uid } }, secret) {
    return issuer.issueLegacy({ namespace, serviceAccount: { name, uid }, secret });
  },
});

const controllerUser = (name: string): UserInfo => serviceAccountUser(`system:serviceaccount:kube-system:${name}`);
