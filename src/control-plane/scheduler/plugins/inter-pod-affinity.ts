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
import { OwnedTerms } from './owned-terms.ts';
import {
  type AffinityTerms,
  affinityTermsOf,
  couldMatch,
  matchesTerm,
  type Term,
  withNamesOnly,
} from './pod-affinity-terms.ts';
import { TopologyCounts } from './topology-counts.ts';

/** How much a required term of a pod that is there counts towards the score. Source: hardPodAffinityWeight. */
const REQUIRED_WEIGHT = 1;

const NOT_BESIDE_WANTED = unresolvable("node(s) didn't match pod affinity rules");
const BESIDE_UNWANTED = unschedulable("node(s) didn't match pod anti-affinity rules");
const GUARDED = unschedulable("node(s) didn't satisfy existing pods anti-affinity rules");

/** Pods by domain, and what would be different there if others came or went. */
interface Counted {
  topologyKey: string;
  domains: Domains;
  at(domain: string): number;
  /** Of all domains together. */
  total: number;
  changes: readonly { domain: string; by: number }[];
}

interface Weighted {
  topologyKey: string;
  weight: number;
  at(domain: string): number;
}

interface State {
  terms: AffinityTerms;
  /** Pods that every required term of this pod matches, by the topology of each; and that each of its anti terms matches. */
  wanted: readonly Counted[];
  unwanted: readonly Counted[];
  /** Pods that want to be without this one. */
  guarded: readonly Counted[];
  isOneOfWanted: boolean;
  scores: readonly Weighted[];
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
      return scores.map((score) => (range === 0 ? 0 : Math.floor(((score - least) * 100) / range)));
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

type Labels = Readonly<Record<string, string>>;
const NO_LABELS: Labels = {};

/** A node that is new, or stands elsewhere, as the pod's own wishes see it; for a pod without any, it may be free of others' wishes. */
function couldOffer(pod: Pod, { metadata: now }: Node, before: Node | undefined): boolean {
  const { required, requiredAnti } = affinityTermsOf(pod);
  if (required.length + requiredAnti.length === 0) return true;
  const [is, was] = [now.labels ?? NO_LABELS, before?.metadata.labels ?? NO_LABELS];
  const moved = ({ topologyKey }: Term) => is[topologyKey] !== was[topologyKey];
  if (required.some((term) => moved(term) && is[term.topologyKey] !== undefined)) return true;
  return requiredAnti.some((term) => !before || (moved(term) && was[term.topologyKey] !== undefined));
}

/** A pod that is there now, or has other labels: one to be beside, or no longer one to be away from. */
function couldWelcome(pod: Pod, now: Pod, before: Pod | undefined): boolean {
  if (now.metadata.uid === pod.metadata.uid) return true;
  if (isWantedBy(pod, now) && !(before && isWantedBy(pod, before))) return true;
  return before !== undefined && isUnwantedBy(pod, before) && !isUnwantedBy(pod, now);
}

/** Where a pod went that was in the way, wanted to be without this one, or was the last that it had to be beside. */
const couldMiss = (pod: Pod, gone: Pod): boolean =>
  isUnwantedBy(pod, gone) ||
  affinityTermsOf(gone).requiredAnti.some((term) => couldMatch(term, pod)) ||
  isWantedBy(pod, gone);

function isWantedBy(pod: Pod, other: Pod): boolean {
  const { required } = affinityTermsOf(pod);
  return required.length > 0 && required.every((term) => couldMatch(term, other));
}

/** One that any term is about: upstream wants all of them, and has pods wait for its flush that could go. */
const isUnwantedBy = (pod: Pod, other: Pod): boolean =>
  affinityTermsOf(pod).requiredAnti.some((term) => couldMatch(term, other));

/** One count for all pods with these terms: of the pods that all of them match, within the topology of one of them. */
function countsOf(terms: readonly Term[], topologyKey: string, cluster: ClusterView): TopologyCounts {
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

/** Those that somebody meets. */
function ownWishes({ preferred, preferredAnti }: AffinityTerms, cluster: ClusterView): Weighted[] {
  const wishes: Weighted[] = [];
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
function wishesAbout(pod: Pod, cluster: ClusterView, hardWeight: number): Weighted[] {
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
