/** What counts for and against a domain where nothing is required: wishes of the pod, and those of pods that are there. */
import type { Pod } from '#api/core/v1/pod.ts';
import type { ClusterView } from '../define-plugin.ts';
import { countsOf } from './affinity-counts.ts';
import { OwnedTerms } from './owned-terms.ts';
import { type AffinityTerms, affinityTermsOf, type Term } from './pod-affinity-terms.ts';

export interface Wish {
  topologyKey: string;
  weight: number;
  at(domain: string): number;
}

/** Those that somebody meets. */
export function ownWishes({ preferred, preferredAnti }: AffinityTerms, cluster: ClusterView): Wish[] {
  const wishes: Wish[] = [];
  const add = (term: Term, sign: number) => {
    const counts = countsOf([term], term.topologyKey, cluster);
    const at = (domain: string) => counts.at(domain);
    if (counts.total > 0) wishes.push({ topologyKey: term.topologyKey, weight: sign * term.weight, at });
  };
  for (const term of preferred) add(term, 1);
  for (const term of preferredAnti) add(term, -1);
  return wishes;
}

/** What pods that are there wish of this one. */
export function wishesAbout(pod: Pod, cluster: ClusterView, hardWeight: number): Wish[] {
  const wishes = cluster.tally(`InterPodAffinity wishes ${hardWeight}`, () => new OwnedTerms(wishesOf(hardWeight)));
  return wishes.about(pod, cluster).map(({ term: { topologyKey, weight }, domains }) => ({
    topologyKey,
    weight,
    at: (domain) => domains.get(domain) ?? 0,
  }));
}

const NO_WISHES: readonly Term[] = [];

/** With their weights for the score: those against it are below 0. */
const wishesOf =
  (hardWeight: number) =>
  (pod: Pod): readonly Term[] => {
    const { required, preferred, preferredAnti } = affinityTermsOf(pod);
    if (required.length + preferred.length + preferredAnti.length === 0) return NO_WISHES;
    return [
      ...(hardWeight > 0 ? required.map((term) => ({ ...term, weight: hardWeight })) : []),
      ...preferred,
      ...preferredAnti.map((term) => ({ ...term, weight: -term.weight })),
    ];
  };
