/**
 * Asks a service outside by SubjectAccessReview. What it said holds for a while; what it does not answer is decided by its
 * failure policy. Source: documentation, "Webhook Mode".
 */
import type { SubjectAccessReviewSpec } from '#api/generated/schema.ts';
import type { Program } from '#api/machinery/cel/program.ts';
import type { Clock } from '#base/clock.ts';
import { ExpiringCache } from '#base/expiring-cache.ts';
import type { Log } from '#base/log.ts';
import type { UserInfo } from '#client/transport.ts';
import type { ReviewWebhook } from '../remote/review-webhook.ts';
import {
  type Attributes,
  type Authorizer,
  type Decision,
  isResourceRequest,
  noOpinion,
  type RuleResolver,
  type UserRules,
} from './authorizer.ts';
import { matchReview } from './match-conditions.ts';
import { reviewSpecOf } from './review-attributes.ts';

export interface WebhookAuthorizerOptions {
  name: string;
  webhook: ReviewWebhook;
  version: 'v1' | 'v1beta1';
  /** 0: every request is asked about. */
  authorizedMs: number;
  unauthorizedMs: number;
  failurePolicy: 'NoOpinion' | 'Deny';
  conditions: readonly Program[];
  clock: Clock;
  log: Log;
}

const MAX_REMEMBERED = 8192;
/** What a request says of itself may be long; such a one is not remembered. */
const MAX_ATTRIBUTES_LENGTH = 10_000;

interface Status {
  allowed: boolean;
  denied: boolean;
  reason: string;
}

export class WebhookAuthorizer implements Authorizer, RuleResolver {
  readonly type = 'Webhook';
  readonly name: string;
  readonly #options: WebhookAuthorizerOptions;
  readonly #answers: ExpiringCache<Status>;

  constructor(options: WebhookAuthorizerOptions) {
    this.name = options.name;
    this.#options = options;
    this.#answers = new ExpiringCache({ max: MAX_REMEMBERED, clock: options.clock });
  }

  async authorize(attributes: Attributes): Promise<Decision> {
    const spec = reviewSpecOf(attributes);
    const match = matchReview(this.#options.conditions, spec);
    if ('error' in match) return this.#failed(match.error);
    if (!match.matches) return noOpinion();
    const key = JSON.stringify(spec);
    const known = this.#answers.get(key);
    if (known) return decisionOf(known);
    return this.#ask(spec, lengthOf(attributes) < MAX_ATTRIBUTES_LENGTH ? key : undefined);
  }

  rulesFor(_user: UserInfo, _namespace: string): UserRules {
    const evaluationError = 'webhook authorizer does not support user rule resolution';
    return { resourceRules: [], nonResourceRules: [], incomplete: true, evaluationError };
  }

  async #ask(spec: SubjectAccessReviewSpec, key: string | undefined): Promise<Decision> {
    const { webhook, version, authorizedMs, unauthorizedMs, log, name } = this.#options;
    try {
      const status = statusIn(await webhook.ask(reviewOf(spec, version)));
      if (key) this.#answers.set(key, status, status.allowed ? authorizedMs : unauthorizedMs);
      return decisionOf(status);
    } catch (error) {
      const why = (error as Error).message;
      log.warn('the authorization webhook gave no answer', { webhook: name, error: why });
      return this.#failed(why);
    }
  }

  #failed(error: string): Decision {
    return { decision: this.#options.failurePolicy === 'Deny' ? 'deny' : 'noOpinion', reason: '', error };
  }
}

/** v1beta1 calls the groups `group`. */
function reviewOf(spec: SubjectAccessReviewSpec, version: 'v1' | 'v1beta1') {
  const { groups, ...rest } = spec;
  const shown = version === 'v1' || !groups ? spec : { ...rest, group: groups };
  return { apiVersion: `authorization.k8s.io/${version}`, kind: 'SubjectAccessReview', spec: shown };
}

const statusIn = ({ allowed, denied, reason }: Record<string, unknown>): Status => ({
  allowed: allowed === true,
  denied: denied === true,
  reason: typeof reason === 'string' ? reason : '',
});

function decisionOf({ allowed, denied, reason }: Status): Decision {
  if (denied && allowed) {
    const error = 'webhook subject access review returned both allow and deny response';
    return { decision: 'deny', reason, error };
  }
  return { decision: denied ? 'deny' : allowed ? 'allow' : 'noOpinion', reason };
}

function lengthOf(attributes: Attributes): number {
  if (!isResourceRequest(attributes)) return attributes.verb.length + attributes.path.length;
  const { namespace, verb, group, version, resource, subresource, name } = attributes;
  return `${namespace}${verb}${group}${version}${resource}${subresource}${name}`.length;
}
