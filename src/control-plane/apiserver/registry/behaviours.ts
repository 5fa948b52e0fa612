/** All kinds that do more than the common strategy. Adding one: a file beside this one, and a line here. */
import type { TokenIssuer } from '../authentication/token-issuer.ts';
import type { Behaviour } from './behaviour.ts';
import { certificateSigningRequestBehaviour } from './certificate-signing-request.ts';
import { type ComponentCheck, componentStatusBehaviour } from './component-statuses.ts';
import { definitionBehaviour } from './custom-resource-definition.ts';
import { deletedObjectReplies } from './deleted-object-replies.ts';
import { namespaceBehaviour } from './namespace.ts';
import { nodeBehaviour } from './node.ts';
import { persistentVolumeBehaviour } from './persistent-volume.ts';
import { podBehaviour } from './pod.ts';
import { bindingBehaviour } from './pod-binding.ts';
import { resourceClaimBehaviour, resourceClaimTemplateBehaviour } from './resource-claim.ts';
import { resourceSliceBehaviour } from './resource-slice.ts';
import { type ReviewServices, reviewBehaviours } from './reviews.ts';
import { secretBehaviour } from './secret.ts';
import { type ServiceRanges, serviceBehaviour } from './service.ts';
import { serviceAccountBehaviour } from './service-account-token.ts';

export interface BehaviourServices {
  serviceRanges: ServiceRanges;
  tokenIssuer: TokenIssuer;
  reviews: ReviewServices;
  componentChecks: readonly ComponentCheck[];
}

export const allBehaviours = (services: BehaviourServices): Behaviour[] => [
  bindingBehaviour,
  certificateSigningRequestBehaviour,
  componentStatusBehaviour(services.componentChecks),
  definitionBehaviour,
  namespaceBehaviour,
  nodeBehaviour,
  persistentVolumeBehaviour,
  podBehaviour,
  resourceClaimBehaviour,
  resourceClaimTemplateBehaviour,
  resourceSliceBehaviour,
  secretBehaviour,
  serviceAccountBehaviour(services.tokenIssuer),
  serviceBehaviour(services.serviceRanges),
  ...reviewBehaviours(services.reviews),
  ...deletedObjectReplies,
];
