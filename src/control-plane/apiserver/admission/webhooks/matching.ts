/**
 * Whether a webhook wants to see a request, and as which version of its kind. Source: API reference, MutatingWebhook
 * and RuleWithOperations; documentation, "Dynamic Admission Control", "Matching requests".
 */
import { RUNTIME_COST_BUDGET_MATCH_CONDITIONS } from '#api/machinery/cel/limits.ts';
import type { Kind, KindRegistry } from '#api/machinery/kind.ts';
import { forbidden } from '#api/machinery/status.ts';
import type { AdmissionRequest, AdmissionServices } from '../define-admission.ts';
import { Evaluation } from '../expressions/evaluation.ts';
import { matchConditions } from '../expressions/match-conditions.ts';
import { authorizerFor, decisionsFor, subjectOf } from '../expressions/subject.ts';
import { matchesNamespace, matchesObject, matchingKind, ruleMatches } from '../request-matching.ts';
import type { Hook } from './hook-source.ts';

const CONFIGURATIONS: ReadonlySet<string> = new Set([
  'mutatingwebhookconfigurations',
  'validatingwebhookconfigurations',
  'mutatingadmissionpolicies',
  'mutatingadmissionpolicybindings',
  'validatingadmissionpolicies',
  'validatingadmissionpolicybindings',
]);

/** What configures admission passes no webhook: nobody could take back a webhook that refuses everything. */
export const isExempt = ({ group, plural }: Pick<Kind, 'group' | 'plural'>): boolean =>
  group === 'admissionregistration.k8s.io' && CONFIGURATIONS.has(plural);

/** The kind to show the object as; undefined when the webhook is not to be called. Throws what refuses the request. */
export async function matchedKind(
  hook: Hook,
  request: AdmissionRequest,
  services: Pick<AdmissionServices, 'informers' | 'live' | 'kinds' | 'authorizer'>,
): Promise<Kind | undefined> {
  const as = kindByRules(hook, request, services.kinds);
  if (!as || !matchesObject(hook.objectSelector, request)) return undefined;
  if (!(await matchesNamespace(hook.namespaceSelector, request, services))) return undefined;
  return (await holdsConditions(hook, { request, as }, services)) ? as : undefined;
}

const kindByRules = ({ webhook: { rules = [], matchPolicy } }: Hook, request: AdmissionRequest, kinds: KindRegistry) =>
  matchingKind(request, { matchPolicy, kinds }, (one) => rules.some((rule) => ruleMatches(rule, one)));

/** Throws Forbidden when that cannot be told and the webhook must be heard. */
async function holdsConditions(
  hook: Hook,
  { request, as }: { request: AdmissionRequest; as: Kind },
  { authorizer }: Pick<AdmissionServices, 'authorizer'>,
): Promise<boolean> {
  const { matchConditions: conditions, failurePolicy } = hook.webhook;
  if (!conditions?.length) return true;
  const { variables } = await subjectOf(request, as);
  const decisions = decisionsFor(request.user, authorizer);
  const evaluation = new Evaluation({
    variables: { ...variables, ...authorizerFor(decisions, request) },
    decisions,
    budget: RUNTIME_COST_BUDGET_MATCH_CONDITIONS,
  });
  const outcome = await matchConditions(hook.conditions(), evaluation);
  if ('matches' in outcome) return outcome.matches;
  if (failurePolicy === 'Ignore') return false;
  throw forbidden(request.kind, request.name, outcome.error);
}
