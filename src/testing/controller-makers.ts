/** Controllers that ask for more than objects of their kinds: each is made when it starts, with what it asks through. */
import { HorizontalPodAutoscaler } from '#api/autoscaling/v2/horizontal-pod-autoscaler.ts';
import { CertificateSigningRequest } from '#api/certificates/v1/certificate-signing-request.ts';
import { Secret } from '#api/core/v1/secret.ts';
import type { Kind } from '#api/machinery/kind.ts';
import { PodDisruptionBudget } from '#api/policy/v1/pod-disruption-budget.ts';
import { autoscalerSources, ownerScales, secretTokensOf } from '#cmd/control-plane/controller-sources.ts';
import { certificateSigning } from '#control-plane/controllers/certificates/signing.ts';
import type { Controller } from '#control-plane/controllers/define-controller.ts';
import { disruptionController } from '#control-plane/controllers/disruption/disruption.ts';
import { horizontalPodAutoscalerController } from '#control-plane/controllers/horizontal-pod-autoscaler/horizontal-pod-autoscaler.ts';
import { serviceAccountTokens } from '#control-plane/controllers/service-account-token.ts';
import { certificateSigner } from './authority.ts';
import type { ComponentServices } from './test-cluster.ts';

export interface ControllerMaker {
  name: string;
  /** It starts with the first object of this kind: until then it would have nothing to do. */
  after: Kind;
  make(services: ComponentServices): Controller;
}

/** `rootCa`: PEM, what stands beside tokens. */
export const controllerMakers = (rootCa: string): readonly ControllerMaker[] => [
  {
    name: 'disruption-controller',
    after: PodDisruptionBudget as unknown as Kind,
    make: (services) => disruptionController(ownerScales(services)),
  },
  {
    name: 'horizontal-pod-autoscaler-controller',
    after: HorizontalPodAutoscaler as unknown as Kind,
    make: (services) => horizontalPodAutoscalerController(autoscalerSources(services)),
  },
  {
    name: 'serviceaccount-token-controller',
    after: Secret as unknown as Kind,
    make: ({ tokenIssuer }) => serviceAccountTokens(secretTokensOf(tokenIssuer, rootCa)),
  },
  {
    name: 'certificatesigningrequest-signing-controller',
    after: CertificateSigningRequest as unknown as Kind,
    make: () => certificateSigning(certificateSigner),
  },
];
