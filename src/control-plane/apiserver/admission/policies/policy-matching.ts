/** Which requests a policy or a binding is for. Source: API reference, MatchResources; upstream's policy/matching. */
import type { NamedRuleWithOperations } from '#api/generated/schema.ts';
import type { Kind, KindRegistry } from '#api/machinery/kind.ts';
import type { AdmissionRequest, AdmissionServices } from '../define-admission.ts';
import { matchesNamespace, matchesObject, matchingKind, ruleMatches } from '../request-matching.ts';
import type { Criteria } from './bound-policy.ts';

const GROUP = 'admissionregistration.k8s.io';
const POLICIES: ReadonlySet<string> = new Set([
  'mutatingadmissionpolicies',
  'mutatingadmissionpolicybindings',
  'validatingadmissionpolicies',
  'validatingadmissionpolicybindings',
]);
const REVIEWS: ReadonlySet<string> = new Set([
  'authentication.k8s.io/selfsubjectreviews',
  'authentication.k8s.io/tokenreviews',
  'authorization.k8s.io/localsubjectaccessreviews',
  'authorization.k8s.io/selfsubjectaccessreviews',
  'authorization.k8s.io/selfsubjectrulesreviews',
  'authorization.k8s.io/subjectaccessreviews',
]);

/** Nobody could take back a policy that refuses everything, and a cluster that cannot ask who may do what stands still. */
export const isExempt = ({ group, plural }: Pick<Kind, 'group' | 'plural'>): boolean =>
  (group === GROUP && POLICIES.has(plural)) || REVIEWS.has(`${group}/${plural}`);

/** By rules alone, which need nobody to be asked: undefined for most requests. No rules are all. */
export function kindByRules({ match }: Criteria, request: AdmissionRequest, kinds: KindRegistry): Kind | undefined {
  const { resourceRules = [], excludeResourceRules = [], matchPolicy = 'Exact' } = match;
  const by = (rules: readonly NamedRuleWithOperations[]) =>
    rules.length === 0
      ? undefined
      : matchingKind(request, { matchPolicy, kinds }, (one) => rules.some((rule) => namedRuleMatches(rule, one)));
  const kind = resourceRules.length === 0 ? request.kind : by(resourceRules);
  return kind && !by(excludeResourceRules) ? kind : undefined;
}

const namedRuleMatches = (rule: NamedRuleWithOperations, request: AdmissionRequest): boolean =>
  ruleMatches(rule, request) && (!rule.resourceNames?.length || rule.resourceNames.includes(request.name));

/** Throws NotFound when the namespace is not there. */
export async function matchesSelectors(
  { namespaceSelector, objectSelector }: Criteria,
  request: AdmissionRequest,
  services: Pick<AdmissionServices, 'informers' | 'live'>,
): Promise<boolean> {
  return matchesObject(objectSelector, request) && matchesNamespace(namespaceSelector, request, services);
}
