/**
 * May this user do that. Authorizers are asked in order until one has an opinion; when none has, the answer is no.
 * Source: Kubernetes documentation, "Authorization".
 */
import { forbidden, type StatusError } from '#api/machinery/status.ts';
import type { UserInfo } from '#client/transport.ts';

/** Verbs: the API's (`get`, `list`, `watch`, …) and special ones such as `bind`, `escalate`, `impersonate`, `approve`, `sign`, `use`. */
export interface ResourceAttributes {
  user: UserInfo;
  verb: string;
  group: string;
  version: string;
  resource: string;
  /** '' when there is none, like the three below. */
  subresource: string;
  namespace: string;
  name: string;
  /** As sent, when the request lists, watches or deletes a collection. */
  fieldSelector?: string;
  labelSelector?: string;
}

/** For paths outside the resources; the verb is the HTTP method in lower case. */
export interface NonResourceAttributes {
  user: UserInfo;
  verb: string;
  path: string;
}

export type Attributes = ResourceAttributes | NonResourceAttributes;

export const isResourceRequest = (attributes: Attributes): attributes is ResourceAttributes => 'resource' in attributes;

export interface Decision {
  decision: 'allow' | 'deny' | 'noOpinion';
  /** For people and for the audit log; '' when there is nothing to say. */
  reason: string;
  /** Why it could not be told; an answer without an opinion is then no answer, and the request fails. */
  error?: string;
}

export interface Authorizer {
  authorize(attributes: Attributes): Decision | Promise<Decision>;
}

export interface ResourceRule {
  verbs: string[];
  apiGroups: string[];
  resources: string[];
  resourceNames?: string[];
}

export interface NonResourceRule {
  verbs: string[];
  nonResourceURLs: string[];
}

/** What SelfSubjectRulesReview answers: `incomplete` when an authorizer cannot list its rules. */
export interface UserRules {
  resourceRules: ResourceRule[];
  nonResourceRules: NonResourceRule[];
  incomplete: boolean;
  evaluationError?: string;
}

export interface RuleResolver {
  rulesFor(user: UserInfo, namespace: string): UserRules;
}

/** The rules of all; incomplete when those of one are. */
export const allRulesOf = (resolvers: readonly RuleResolver[]): RuleResolver => ({
  rulesFor(user, namespace) {
    const all = resolvers.map((one) => one.rulesFor(user, namespace));
    const errors = all.flatMap(({ evaluationError }) => (evaluationError ? [evaluationError] : []));
    const evaluationError = errors.length > 1 ? `[${errors.join(', ')}]` : errors[0];
    return {
      resourceRules: all.flatMap(({ resourceRules }) => resourceRules),
      nonResourceRules: all.flatMap(({ nonResourceRules }) => nonResourceRules),
      incomplete: all.some(({ incomplete }) => incomplete),
      ...(evaluationError && { evaluationError }),
    };
  },
});

export const noOpinion = (reason = ''): Decision => ({ decision: 'noOpinion', reason });
export const allow = (reason = ''): Decision => ({ decision: 'allow', reason });
export const deny = (reason = ''): Decision => ({ decision: 'deny', reason });

/**
 * Asks in order; the first opinion counts. Without one the reasons of all are given, one a line, as upstream does. Answers
 * at once where all that were asked did.
 */
export const firstOpinionOf = (authorizers: readonly Authorizer[]): Authorizer => ({
  authorize: (attributes) => askFrom(authorizers, attributes, { at: 0, reasons: [], errors: [] }),
});

interface Asked {
  at: number;
  reasons: string[];
  errors: string[];
}

function askFrom(
  authorizers: readonly Authorizer[],
  attributes: Attributes,
  asked: Asked,
): Decision | Promise<Decision> {
  for (; asked.at < authorizers.length; asked.at++) {
    const answer = authorizers[asked.at]!.authorize(attributes);
    if (answer instanceof Promise)
      return answer.then((later) => {
        if (later.decision !== 'noOpinion') return later;
        note(asked, later);
        asked.at++;
        return askFrom(authorizers, attributes, asked);
      });
    if (answer.decision !== 'noOpinion') return answer;
    note(asked, answer);
  }
  const { reasons, errors } = asked;
  const error = errors.length > 1 ? `[${errors.join(', ')}]` : errors[0];
  return { ...noOpinion(reasons.join('\n')), ...(error && { error }) };
}

function note({ reasons, errors }: Asked, { reason, error }: Decision): void {
  if (reason) reasons.push(reason);
  if (error) errors.push(error);
}

/** The 403 for a request that was not allowed. Clients and people match the text. */
export function forbiddenBy(attributes: Attributes, reason: string): StatusError {
  const text = escapeMarkup(sentenceOf(attributes));
  const why = reason ? `${text}: ${reason}` : text;
  return isResourceRequest(attributes)
    ? forbidden({ group: attributes.group, plural: attributes.resource }, attributes.name, why)
    : forbidden({ group: '', plural: '' }, '', why);
}

function sentenceOf(attributes: Attributes): string {
  const who = `User ${JSON.stringify(attributes.user.name)} cannot ${attributes.verb}`;
  if (!isResourceRequest(attributes)) return `${who} path ${JSON.stringify(attributes.path)}`;
  const { group, resource, subresource, namespace } = attributes;
  const what = `resource "${subresource ? `${resource}/${subresource}` : resource}" in API group "${group}"`;
  return `${who} ${what} ${namespace ? `in the namespace "${namespace}"` : 'at the cluster scope'}`;
}

// The text may be shown by a browser, and user names and paths come from the asker.
const escapeMarkup = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
