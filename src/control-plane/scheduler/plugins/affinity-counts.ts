/** How many pods there are of those that terms of affinity are about, by domain. */
import type { ClusterView } from '../define-plugin.ts';
import { matchesTerm, type Term, withNamesOnly } from './pod-affinity-terms.ts';
import { TopologyCounts } from './topology-counts.ts';

/** One count for all pods with these terms: of the pods that all of them match, within the topology of one of them. */
export function countsOf(terms: readonly Term[], topologyKey: string, cluster: ClusterView): TopologyCounts {
  const named = terms.map((term) => withNamesOnly(term, cluster));
  const key = `InterPodAffinity ${topologyKey} ${named.map(({ key }) => key).join(' ')}`;
  return cluster.tally(
    key,
    () =>
      new TopologyCounts({
        domainOf: ({ node }) => node.metadata.labels?.[topologyKey],
        matches: (other) => named.every((term) => matchesTerm(term, other, cluster)),
      }),
  );
}
