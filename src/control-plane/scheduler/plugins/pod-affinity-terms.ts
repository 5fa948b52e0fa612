/** Terms of pod affinity, ready to be compared with many pods: whose namespaces, which labels, within which topology. */
import { Namespace } from '#api/core/v1/namespace.ts';
import type { Pod } from '#api/core/v1/pod.ts';
import type { PodAffinityTerm, WeightedPodAffinityTerm } from '#api/generated/schema.ts';
import type { Selector } from '#api/machinery/label-selector.ts';
import { matchesLabels, selectorFrom } from '#api/machinery/label-selector.ts';
import type { ClusterView } from '../define-plugin.ts';

export interface Term {
  topologyKey: string;
  weight: number;
  matches(pod: Pod): boolean;
}

type NamespaceLabels = ClusterView['cached'];

/** Of a pod's own namespace unless it names others. */
export function termOf(owner: Pod, term: PodAffinityTerm, { cached }: { cached: NamespaceLabels }, weight = 1): Term {
  const selector = withLabelKeys(owner, term);
  const named = new Set(term.namespaces ?? []);
  const namespaceSelector = term.namespaceSelector && selectorFrom(term.namespaceSelector);
  if (named.size === 0 && !namespaceSelector) named.add(owner.metadata.namespace ?? '');
  const isIn = (namespace: string): boolean => {
    if (named.has(namespace)) return true;
    if (!namespaceSelector) return false;
    return matchesLabels(namespaceSelector, cached(Namespace).get(namespace)?.metadata.labels);
  };
  return {
    topologyKey: term.topologyKey,
    weight,
    matches: ({ metadata }) => matchesLabels(selector, metadata.labels) && isIn(metadata.namespace ?? ''),
  };
}

/** The values of some of its own labels become part of the selector. */
function withLabelKeys(
  owner: Pod,
  { labelSelector, matchLabelKeys = [], mismatchLabelKeys = [] }: PodAffinityTerm,
): Selector {
  const selector = selectorFrom(labelSelector);
  const labels = owner.metadata.labels ?? {};
  const own = (keys: readonly string[], operator: 'in' | 'notin') =>
    keys.flatMap((key) => (labels[key] === undefined ? [] : [{ key, operator, values: [labels[key]] }]));
  const added = [...own(matchLabelKeys, 'in'), ...own(mismatchLabelKeys, 'notin')];
  return added.length > 0 ? { ...selector, requirements: [...selector.requirements, ...added] } : selector;
}

const weighted = (owner: Pod, terms: WeightedPodAffinityTerm[] | undefined, cluster: { cached: NamespaceLabels }) =>
  (terms ?? []).map(({ podAffinityTerm, weight }) => termOf(owner, podAffinityTerm, cluster, weight));

export interface AffinityTerms {
  required: Term[];
  requiredAnti: Term[];
  preferred: Term[];
  preferredAnti: Term[];
}

export function affinityTermsOf(pod: Pod, cluster: { cached: NamespaceLabels }): AffinityTerms {
  const { podAffinity, podAntiAffinity } = pod.spec.affinity ?? {};
  const all = (terms: PodAffinityTerm[] | undefined) => (terms ?? []).map((term) => termOf(pod, term, cluster));
  return {
    required: all(podAffinity?.requiredDuringSchedulingIgnoredDuringExecution),
    requiredAnti: all(podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution),
    preferred: weighted(pod, podAffinity?.preferredDuringSchedulingIgnoredDuringExecution, cluster),
    preferredAnti: weighted(pod, podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution, cluster),
  };
}
