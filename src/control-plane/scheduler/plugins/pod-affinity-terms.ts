/** Terms of pod affinity, ready to be compared with many pods: whose namespaces, which labels, within which topology. */
import { Namespace } from '#api/core/v1/namespace.ts';
import type { Pod } from '#api/core/v1/pod.ts';
import type { PodAffinityTerm, WeightedPodAffinityTerm } from '#api/generated/schema.ts';
import type { Selector } from '#api/machinery/label-selector.ts';
import { matchesLabels, selectorFrom } from '#api/machinery/label-selector.ts';
import type { ClusterView } from '../define-plugin.ts';

type Cached = Pick<ClusterView, 'cached'>;

export interface Term {
  topologyKey: string;
  weight: number;
  selector: Selector;
  /** By name; those that `namespaceSelector` matches as well. */
  namespaces: ReadonlySet<string>;
  namespaceSelector: Selector | undefined;
  /** Equal for terms that match the same pods within the same topology, as long as no namespace changes its labels. */
  key: string;
}

/** Of a pod's own namespace unless it names others. */
export function termOf(owner: Pod, term: PodAffinityTerm, weight = 1): Term {
  const selector = withLabelKeys(owner, term);
  const namespaces = new Set(term.namespaces ?? []);
  const namespaceSelector = term.namespaceSelector && selectorFrom(term.namespaceSelector);
  if (namespaces.size === 0 && !namespaceSelector) namespaces.add(owner.metadata.namespace ?? '');
  const { topologyKey } = term;
  const key = JSON.stringify([topologyKey, selector, [...namespaces].sort(), namespaceSelector]);
  return { topologyKey, weight, selector, namespaces, namespaceSelector, key };
}

export const matchesTerm = (term: Term, { metadata }: Pod, cluster: Cached): boolean =>
  matchesLabels(term.selector, metadata.labels) && isInNamespaces(term, metadata.namespace ?? '', cluster);

/** Without knowing the labels of namespaces: where a term selects by them, any could be meant. */
export const couldMatch = ({ selector, namespaces, namespaceSelector }: Term, { metadata }: Pod): boolean =>
  (namespaceSelector !== undefined || namespaces.has(metadata.namespace ?? '')) &&
  matchesLabels(selector, metadata.labels);

function isInNamespaces({ namespaces, namespaceSelector }: Term, namespace: string, { cached }: Cached): boolean {
  if (namespaces.has(namespace)) return true;
  if (!namespaceSelector) return false;
  return matchesLabels(namespaceSelector, cached(Namespace).get(namespace)?.metadata.labels);
}

/** The namespaces that its selector matches now, by name. */
export function withNamesOnly(term: Term, { cached }: Cached): Term {
  const { namespaceSelector } = term;
  if (!namespaceSelector) return term;
  const matching = cached(Namespace)
    .list()
    .filter(({ metadata }) => matchesLabels(namespaceSelector, metadata.labels))
    .map(({ metadata }) => metadata.name);
  const namespaces = new Set([...term.namespaces, ...matching]);
  const key = JSON.stringify([term.topologyKey, term.selector, [...namespaces].sort()]);
  return { ...term, namespaces, namespaceSelector: undefined, key };
}

/** The values of some of its own labels become part of the selector; those that are, since it was made, stay as they were. */
function withLabelKeys(
  owner: Pod,
  { labelSelector, matchLabelKeys = [], mismatchLabelKeys = [] }: PodAffinityTerm,
): Selector {
  const selector = selectorFrom(labelSelector);
  const labels = owner.metadata.labels ?? {};
  const own = (keys: readonly string[], operator: 'in' | 'notin') =>
    keys
      .filter((key) => !selector.requirements.some((each) => each.key === key))
      .flatMap((key) => (labels[key] === undefined ? [] : [{ key, operator, values: [labels[key]] }]));
  const added = [...own(matchLabelKeys, 'in'), ...own(mismatchLabelKeys, 'notin')];
  return added.length > 0 ? { ...selector, requirements: [...selector.requirements, ...added] } : selector;
}

export interface AffinityTerms {
  required: readonly Term[];
  requiredAnti: readonly Term[];
  preferred: readonly Term[];
  preferredAnti: readonly Term[];
}

const NO_TERMS: AffinityTerms = { required: [], requiredAnti: [], preferred: [], preferredAnti: [] };
const known = new WeakMap<Pod, AffinityTerms>();

export function affinityTermsOf(pod: Pod): AffinityTerms {
  const { podAffinity, podAntiAffinity } = pod.spec.affinity ?? {};
  if (!podAffinity && !podAntiAffinity) return NO_TERMS;
  let terms = known.get(pod);
  if (!terms) {
    const all = (given: PodAffinityTerm[] | undefined) => (given ?? []).map((term) => termOf(pod, term));
    const weighted = (given: WeightedPodAffinityTerm[] | undefined) =>
      (given ?? []).map(({ podAffinityTerm, weight }) => termOf(pod, podAffinityTerm, weight));
    terms = {
      required: all(podAffinity?.requiredDuringSchedulingIgnoredDuringExecution),
      requiredAnti: all(podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution),
      preferred: weighted(podAffinity?.preferredDuringSchedulingIgnoredDuringExecution),
      preferredAnti: weighted(podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution),
    };
    known.set(pod, terms);
  }
  return terms;
}
