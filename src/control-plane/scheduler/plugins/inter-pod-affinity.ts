/** Places pods beside, or away from, pods that run already; what those say of newcomers counts as well. */
import { Namespace } from '#api/core/v1/namespace.ts';
import { Node } from '#api/core/v1/node.ts';
import { Pod } from '#api/core/v1/pod.ts';
import type { ClusterView } from '../define-plugin.ts';
import { changed, definePlugin, fits, removed, unresolvable, unschedulable } from '../define-plugin.ts';
import type { NodeInfo } from '../node-info.ts';
import type { AffinityTerms, Term } from './pod-affinity-terms.ts';
import { affinityTermsOf } from './pod-affinity-terms.ts';

/** How much a required term of a pod that is there counts towards the score. Source: hardPodAffinityWeight. */
const REQUIRED_WEIGHT = 1;

/** Sums by topology key and value. */
class Topologies {
  readonly #sums = new Map<string, Map<string, number>>();

  get isEmpty(): boolean {
    return this.#sums.size === 0;
  }

  add(node: Node, topologyKey: string, amount: number): void {
    const value = node.metadata.labels?.[topologyKey];
    if (value === undefined || amount === 0) return;
    const byValue = this.#sums.get(topologyKey) ?? new Map<string, number>();
    byValue.set(value, (byValue.get(value) ?? 0) + amount);
    this.#sums.set(topologyKey, byValue);
  }

  at(node: Node, topologyKey: string): number {
    const value = node.metadata.labels?.[topologyKey];
    return value === undefined ? 0 : (this.#sums.get(topologyKey)?.get(value) ?? 0);
  }

  /** Over all keys that were added. */
  total(node: Node): number {
    let total = 0;
    for (const key of this.#sums.keys()) total += this.at(node, key);
    return total;
  }
}

interface State {
  terms: AffinityTerms;
  /** Where pods are that every required term of this pod matches, and that each of its anti terms matches. */
  wanted: Topologies;
  unwanted: Topologies;
  /** Where pods are that want to be without this one. */
  guarded: Topologies;
  scores: Topologies;
}

export const interPodAffinity = definePlugin<State>({
  name: 'InterPodAffinity',
  weight: 2,
  reads: [Namespace],

  prepare(pod, cluster) {
    const terms = affinityTermsOf(pod, cluster);
    const guarded = guardedFrom(pod, cluster);
    if (terms.required.length === 0 && terms.requiredAnti.length === 0 && guarded.isEmpty) return 'skip';
    const state = { terms, guarded, wanted: new Topologies(), unwanted: new Topologies(), scores: new Topologies() };
    if (terms.required.length > 0 || terms.requiredAnti.length > 0)
      for (const { node, pods } of cluster.nodes) for (const other of pods) count(other, node, state);
    return { state };
  },

  filter(pod, { node }, { terms, wanted, unwanted, guarded }) {
    if (!isBesideWanted(pod, node, { terms, wanted })) return unresolvable("node(s) didn't match pod affinity rules");
    if (terms.requiredAnti.some(({ topologyKey }) => unwanted.at(node, topologyKey) > 0))
      return unschedulable("node(s) didn't match pod anti-affinity rules");
    if (guarded.total(node) > 0) return unschedulable("node(s) didn't satisfy existing pods anti-affinity rules");
    return fits;
  },

  prepareScore(pod, _, cluster, state) {
    const terms = state?.terms ?? affinityTermsOf(pod, cluster);
    const hasOwn = terms.preferred.length + terms.preferredAnti.length > 0;
    const scores = new Topologies();
    for (const info of cluster.nodes) scoreNode(pod, info, { terms, hasOwn, scores, cluster });
    return scores.isEmpty ? 'skip' : { ...state, terms, scores };
  },
  score: (_, { node }, { scores }) => scores.total(node),
  normalize(scores) {
    const least = Math.min(...scores);
    const range = Math.max(...scores) - least;
    return scores.map((score) => (range === 0 ? 0 : Math.floor(((score - least) * 100) / range)));
  },

  retryWhen: [
    changed(Node, 'metadata.labels'),
    changed(Namespace, 'metadata.labels'),
    changed(Pod, 'metadata.labels', 'spec.nodeName'),
    removed(Pod),
  ],
});

function guardedFrom(pod: Pod, cluster: ClusterView): Topologies {
  const guarded = new Topologies();
  for (const { node, podsWithRequiredAntiAffinity } of cluster.nodes)
    for (const other of podsWithRequiredAntiAffinity)
      for (const term of affinityTermsOf(other, cluster).requiredAnti)
        if (term.matches(pod)) guarded.add(node, term.topologyKey, 1);
  return guarded;
}

function count(other: Pod, node: Node, { terms, wanted, unwanted }: State): void {
  if (terms.required.length > 0 && terms.required.every((term) => term.matches(other)))
    for (const { topologyKey } of terms.required) wanted.add(node, topologyKey, 1);
  for (const term of terms.requiredAnti) if (term.matches(other)) unwanted.add(node, term.topologyKey, 1);
}

/** The first of a group that wants to be together has nobody to be with: it may go anywhere that has the topology. */
function isBesideWanted(pod: Pod, node: Node, { terms, wanted }: Pick<State, 'terms' | 'wanted'>): boolean {
  const { required } = terms;
  if (required.some(({ topologyKey }) => node.metadata.labels?.[topologyKey] === undefined)) return false;
  if (required.every(({ topologyKey }) => wanted.at(node, topologyKey) > 0)) return true;
  return wanted.isEmpty && required.every((term) => term.matches(pod));
}

interface Scoring {
  terms: AffinityTerms;
  hasOwn: boolean;
  scores: Topologies;
  cluster: ClusterView;
}

function scoreNode(pod: Pod, info: NodeInfo, { terms, hasOwn, scores, cluster }: Scoring): void {
  const { node } = info;
  const add = (term: Term, sign: number, weight = term.weight) => scores.add(node, term.topologyKey, sign * weight);
  // With no wishes of its own, only pods that have wishes matter.
  for (const other of hasOwn ? info.pods : info.podsWithAffinity) {
    for (const term of terms.preferred) if (term.matches(other)) add(term, 1);
    for (const term of terms.preferredAnti) if (term.matches(other)) add(term, -1);
  }
  for (const other of info.podsWithAffinity) {
    const theirs = affinityTermsOf(other, cluster);
    for (const term of theirs.required) if (term.matches(pod)) add(term, 1, REQUIRED_WEIGHT);
    for (const term of theirs.preferred) if (term.matches(pod)) add(term, 1);
    for (const term of theirs.preferredAnti) if (term.matches(pod)) add(term, -1);
  }
}
