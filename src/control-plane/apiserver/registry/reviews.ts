/** Questions that a create answers: who am I, may somebody do that, whose token is this. Nothing is stored. */
import type {
  LocalSubjectAccessReview,
  SelfSubjectReview,
  SelfSubjectRulesReview,
  SubjectAccessReview,
  SubjectAccessReviewSpec,
  TokenReview,
} from '#api/generated/schema.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import { badRequest, invalid } from '#api/machinery/status.ts';
import type { UserInfo } from '#client/transport.ts';
import type { TokenAuthenticator } from '../authentication/authenticator.ts';
import type { RuleResolver } from '../authorization/authorizer.ts';
import { attributesOfReview } from '../authorization/review-attributes.ts';
import { decodeObject } from '../decode-object.ts';
import type { Reply, ResourceCall } from '../resource-call.ts';
import { writeOptionsOf } from '../verbs/write-options.ts';
import type { Behaviour, Handler, VerbServices } from './behaviour.ts';

export interface ReviewServices {
  tokens: TokenAuthenticator;
  /** What a TokenReview without audiences is about. */
  audiences: readonly string[];
  rules: RuleResolver;
}

export function reviewBehaviours({ tokens, audiences, rules }: ReviewServices): Behaviour[] {
  const authorization = (plural: string, create: Handler): Behaviour => ({
    group: 'authorization.k8s.io',
    plural,
    verbs: { create },
  });
  const authentication = (plural: string, create: Handler): Behaviour => ({
    group: 'authentication.k8s.io',
    plural,
    verbs: { create },
  });
  return [
    authorization('subjectaccessreviews', accessReview),
    authorization('localsubjectaccessreviews', localAccessReview),
    authorization('selfsubjectaccessreviews', selfAccessReview),
    authorization('selfsubjectrulesreviews', (call) => rulesReview(call, rules)),
    authentication('selfsubjectreviews', selfReview),
    authentication('tokenreviews', (call) => tokenReview(call, { tokens, audiences })),
  ];
}

/** Throws BadRequest and Invalid. */
function reviewOf<T extends KubeObject>(call: ResourceCall): T {
  const { fieldValidation } = writeOptionsOf(call.info.query, 'CreateOptions');
  const review = decodeObject(call.kind, call.body, { fieldValidation, warn: call.warn });
  const errors = call.kind.validate(named(review)).filter(({ field }) => !field.startsWith('metadata'));
  if (errors.length > 0) throw invalid(call.kind, review.metadata.name ?? '', errors);
  return review as T;
}

const named = (review: KubeObject): KubeObject => ({ ...review, metadata: { ...review.metadata, name: 'review' } });

const answered = (review: object, status: object): Reply => ({ code: 201, object: { ...review, status } });

async function accessReview(call: ResourceCall, services: VerbServices): Promise<Reply> {
  const review = reviewOf<SubjectAccessReview>(call);
  return answered(review, await accessStatus(review.spec, userOf(review.spec), services));
}

async function localAccessReview(call: ResourceCall, services: VerbServices): Promise<Reply> {
  const review = reviewOf<LocalSubjectAccessReview>(call);
  const { namespace } = call.info;
  if ((review.spec.resourceAttributes?.namespace ?? '') !== namespace)
    throw badRequest(
      `spec.resourceAttributes.namespace must match namespace: ${review.spec.resourceAttributes?.namespace ?? ''} vs ${namespace}`,
    );
  return answered(review, await accessStatus(review.spec, userOf(review.spec), services));
}

async function selfAccessReview(call: ResourceCall, services: VerbServices): Promise<Reply> {
  const review = reviewOf<SubjectAccessReview>(call);
  return answered(review, await accessStatus(review.spec, call.user, services));
}

const userOf = ({ user = '', groups = [], uid, extra }: SubjectAccessReviewSpec): UserInfo => ({
  name: user,
  groups,
  ...(uid && { uid }),
  ...(extra && { extra }),
});

async function accessStatus(spec: SubjectAccessReviewSpec, user: UserInfo, { authorizer }: VerbServices) {
  const { attributes, problems } = attributesOfReview(spec, user);
  const { decision, reason, error } = await authorizer.authorize(attributes);
  const evaluationError = [...(error ? [error] : []), ...problems].join('; ');
  return {
    allowed: decision === 'allow',
    ...(decision === 'deny' && { denied: true }),
    ...(reason && { reason }),
    ...(evaluationError && { evaluationError }),
  };
}

async function rulesReview(call: ResourceCall, rules: RuleResolver): Promise<Reply> {
  const review = reviewOf<SelfSubjectRulesReview>(call);
  const { namespace = '' } = review.spec;
  if (!namespace) throw badRequest('no namespace on request');
  const { nonResourceRules, resourceRules, incomplete, evaluationError } = rules.rulesFor(call.user, namespace);
  return answered(review, {
    resourceRules,
    nonResourceRules,
    incomplete,
    ...(evaluationError && { evaluationError }),
  });
}

const userStatus = ({ name, uid, groups, extra }: UserInfo) => ({
  username: name,
  ...(uid && { uid }),
  ...(groups.length > 0 && { groups }),
  ...(extra && Object.keys(extra).length > 0 && { extra }),
});

async function selfReview(call: ResourceCall): Promise<Reply> {
  const review = reviewOf<SelfSubjectReview>(call);
  return answered(review, { userInfo: userStatus(call.user) });
}

async function tokenReview(call: ResourceCall, { tokens, audiences }: Omit<ReviewServices, 'rules'>): Promise<Reply> {
  const review = reviewOf<TokenReview>(call);
  const { token = '', audiences: wanted = [] } = review.spec;
  if (!token) throw badRequest('token is required for TokenReview in authentication');
  const accepted = wanted.length > 0 ? wanted : audiences;
  try {
    const known = await tokens.authenticateToken(token, accepted);
    if (!known) return answered(review, { user: {}, error: 'invalid bearer token' });
    const named = known.audiences?.length ? { audiences: known.audiences } : {};
    return answered(review, { authenticated: true, user: userStatus(known.user), ...named });
  } catch (error) {
    return answered(review, { user: {}, error: error instanceof Error ? error.message : String(error) });
  }
}
