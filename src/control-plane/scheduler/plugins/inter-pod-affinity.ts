/** Places pods beside, or away from, pods that run already; what those say of newcomers counts as well. */
import { Namespace } from '#api/core/v1/namespace.ts';
import { Node } from '#api/core/v1/node.ts';
import { Pod } from '#api/core/v1/pod.ts';
import type { ClusterView } from '../define-plugin.ts';
import {
  changed,
  definePlugin,
  fits,
  type Plugin,
  removed,
  unresolvable,
  unschedulable,
  when,
} from '../define-plugin.ts';
import type { Domains } from '../domains.ts';
import type { NodeInfo } from '../node-info.ts';
import { countsOf } from './affinity-counts.ts';
import { couldMiss, couldOffer, couldWelcome } from './affinity-hints.ts';
import { ownWishes, type Wish, wishesAbout } from './affinity-wishes.ts';
import { OwnedTerms } from './owned-terms.ts';
import { type AffinityTerms, affinityTermsOf, matchesTerm, type Term } from './pod-affinity-terms.ts';
import type { TopologyCounts } from './topology-counts.ts';

/** How much a required term of a pod that is there counts towards the score. Source: hardPodAffinityWeight. */
const REQUIRED_WEIGHT = 1;

const NOT_BESIDE_WANTED = unresolvable("node(s) didn't match pod affinity rules");
const BESIDE_UNWANTED = unschedulable("node(s) didn't match pod anti-affinity rules");
const GUARDED = unschedulable("node(s) didn't satisfy existing pods anti-affinity rules");

type Labels = Readonly<Record<string, string>>;
const NO_LABELS: Labels = {};

/** Pods by domain, and what would be different there if others came or went. */
interface Counted {
  topologyKey: string;
  domains: Domains;
  at(domain: string): number;
  /** Of all domains together. */
  total: number;
  changes: readonly { domain: string; by: number }[];
}

interface State {
  terms: AffinityTerms;
  /** Pods that every required term of this pod matches, by the topology of each; and that each of its anti terms matches. */
  wanted: readonly Counted[];
  unwanted: readonly Counted[];
  /** Pods that want to be without this one. */
  guarded: readonly Counted[];
  isOneOfWanted: boolean;
  scores: readonly Wish[];
  cluster: ClusterView;
}

/** Source: InterPodAffinityArgs. */
export interface PodAffinityOptions {
  hardPodAffinityWeight?: number;
  /** A pod without wishes of its own is not judged by those of others. */
  ignorePreferredTermsOfExistingPods?: boolean;
}

export const interPodAffinityWith = ({
  hardPodAffinityWeight = REQUIRED_WEIGHT,
  ignorePreferredTermsOfExistingPods: ignoresOthers = false,
}: PodAffinityOptions = {}): Plugin =>
  definePlugin<State>({
    name: 'InterPodAffinity',
    weight: 2,
    reads: [Namespace],

    prepare(pod, cluster) {
      const terms = affinityTermsOf(pod);
      const guarded = guardsOf(cluster).about(pod, cluster);
      if (terms.required.length + terms.requiredAnti.length + guarded.length === 0) return 'skip';
      return {
        state: {
          terms,
          wanted: wantedBy(terms.required, cluster),
          unwanted: terms.requiredAnti.map((term) =>
            countedBy(term, countsOf([term], term.topologyKey, cluster), cluster),
          ),
          guarded: guarded.map(({ term, domains }) => guardedBy(term, domains, cluster)),
          isOneOfWanted: terms.required.every((term) => matchesTerm(term, pod, cluster)),
          scores: [],
          cluster,
        },
      };
    },

    filter(_, { node }, { terms, wanted, unwanted, guarded, isOneOfWanted }) {
      const labels = node.metadata.labels ?? NO_LABELS;
      if (terms.required.length > 0 && !isBesideWanted(labels, wanted, isOneOfWanted)) return NOT_BESIDE_WANTED;
      if (isAtAny(unwanted, labels)) return BESIDE_UNWANTED;
      return isAtAny(guarded, labels) ? GUARDED : fits;
    },

    filterAt(place, { wanted, unwanted, guarded, isOneOfWanted }) {
      let isBeside = true;
      for (let i = 0; i < wanted.length; i++) {
        const count = countAtPlace(place, wanted[i] as Counted);
        if (count === undefined) return NOT_BESIDE_WANTED;
        if (count <= 0) isBeside = false;
      }
      if (!isBeside && !(isOneOfWanted && wanted.every(({ total }) => total === 0))) return NOT_BESIDE_WANTED;
      for (let i = 0; i < unwanted.length; i++)
        if ((countAtPlace(place, unwanted[i] as Counted) ?? 0) > 0) return BESIDE_UNWANTED;
      for (let i = 0; i < guarded.length; i++)
        if ((countAtPlace(place, guarded[i] as Counted) ?? 0) > 0) return GUARDED;
      return fits;
    },

    withPod: (state, other, node, pod) => changedBy(state, { other, node, pod, by: 1 }),
    withoutPod: (state, other, node, pod) => changedBy(state, { other, node, pod, by: -1 }),

    prepareScore(pod, _, cluster, state) {
      const terms = affinityTermsOf(pod);
      if (ignoresOthers && terms.preferred.length + terms.preferredAnti.length === 0) return 'skip';
      const scores = [...ownWishes(terms, cluster), ...wishesAbout(pod, cluster, hardPodAffinityWeight)];
      return scores.length > 0 ? { ...state, terms, scores } : 'skip';
    },

    score(_, { node }, { scores }) {
      const labels = node.metadata.labels ?? NO_LABELS;
      let sum = 0;
      for (const { topologyKey, weight, at } of scores) {
        const domain = labels[topologyKey];
        if (domain !== undefined) sum += weight * at(domain);
      }
      return sum;
    },

    normalize(scores) {
      let least = Number.POSITIVE_INFINITY;
      let most = Number.NEGATIVE_INFINITY;
      for (const score of scores) {
        least = Math.min(least, score);
        most = Math.max(most, score);
      }
      const range = most - least;
      for (let i = 0; i < scores.length; i++)
        scores[i] = range === 0 ? 0 : Math.floor((((scores[i] as number) - least) * 100) / range);
    },

    retryWhen: [
      when(changed(Node, 'metadata.labels'), ({ now, before }, pod) =>
        couldOffer(pod, now as Node, before as Node | undefined),
      ),
      changed(Namespace, 'metadata.labels'),
      when(changed(Pod, 'metadata.labels', 'spec.nodeName'), ({ now, before }, pod) =>
        couldWelcome(pod, now as Pod, before as Pod | undefined),
      ),
      when(removed(Pod), ({ before }, pod) => couldMiss(pod, before as Pod)),
    ],
  });

export const interPodAffinity = interPodAffinityWith();

const wantedBy = (required: readonly Term[], cluster: ClusterView): Counted[] =>
  required.map((term) => countedBy(term, countsOf(required, term.topologyKey, cluster), cluster));

const countedBy = ({ topologyKey }: Term, counts: TopologyCounts, cluster: ClusterView): Counted => ({
  topologyKey,
  domains: cluster.domains(topologyKey),
  at: (domain) => counts.at(domain),
  total: counts.total,
  changes: [],
});

const guardedBy = ({ topologyKey }: Term, said: ReadonlyMap<string, number>, cluster: ClusterView): Counted => ({
  topologyKey,
  domains: cluster.domains(topologyKey),
  at: (domain) => said.get(domain) ?? 0,
  total: said.size,
  changes: [],
});

const guardsOf = (cluster: ClusterView): OwnedTerms =>
  cluster.tally('InterPodAffinity guards', () => new OwnedTerms((pod) => affinityTermsOf(pod).requiredAnti));

function countAt({ topologyKey, at, changes }: Counted, labels: Labels): number {
  const domain = labels[topologyKey];
  if (domain === undefined) return 0;
  let count = at(domain);
  for (const change of changes) if (change.domain === domain) count += change.by;
  return count;
}

/** undefined: the node is in no domain of this topology. Without changes. */
function countAtPlace(place: number, { domains, at }: Counted): number | undefined {
  const id = domains.ids[place] as number;
  return id < 0 ? undefined : at(domains.names[id] as string);
}

function isAtAny(counted: readonly Counted[], labels: Labels): boolean {
  for (let i = 0; i < counted.length; i++) if (countAt(counted[i] as Counted, labels) > 0) return true;
  return false;
}

/** The first of a group that wants to be together has nobody to be with: it may go anywhere that has the topology. */
function isBesideWanted(labels: Labels, wanted: readonly Counted[], isOneOfWanted: boolean): boolean {
  let isBeside = true;
  for (const counted of wanted) {
    if (labels[counted.topologyKey] === undefined) return false;
    if (countAt(counted, labels) <= 0) isBeside = false;
  }
  return isBeside || (isOneOfWanted && wanted.every(({ total }) => total === 0));
}

interface PodMoved {
  other: Pod;
  node: NodeInfo;
  pod: Pod;
  by: number;
}

function changedBy(state: State, { other, node, pod, by }: PodMoved): State {
  const { terms, cluster } = state;
  const { labels = NO_LABELS } = node.node.metadata;
  const change = (counted: Counted, counts: boolean): Counted => {
    const domain = labels[counted.topologyKey];
    if (!counts || domain === undefined) return counted;
    return { ...counted, total: counted.total + by, changes: [...counted.changes, { domain, by }] };
  };
  const isWanted = terms.required.length > 0 && terms.required.every((term) => matchesTerm(term, other, cluster));
  const theirs = affinityTermsOf(other).requiredAnti.filter((term) => matchesTerm(term, pod, cluster));
  return {
    ...state,
    wanted: state.wanted.map((counted) => change(counted, isWanted)),
    unwanted: state.unwanted.map((counted, index) =>
      change(counted, matchesTerm(terms.requiredAnti[index] as Term, other, cluster)),
    ),
    guarded: [...state.guarded, ...theirs.map((term) => change(guardedBy(term, NOWHERE, cluster), true))],
  };
}

const NOWHERE: ReadonlyMap<string, number> = new Map();
