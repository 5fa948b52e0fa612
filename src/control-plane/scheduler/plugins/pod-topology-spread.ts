/**
 * Spreads pods of a kind over nodes, zones or any other topology: strictly where a constraint says DoNotSchedule, as well as
 * may be elsewhere. A pod that says nothing is spread by default: over nodes and zones. Source: KEP-895, KEP-1258.
 */
import { ReplicaSet } from '#api/apps/v1/replica-set.ts';
import { StatefulSet } from '#api/apps/v1/stateful-set.ts';
import { Node } from '#api/core/v1/node.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { ReplicationController } from '#api/core/v1/replication-controller.ts';
import { Service } from '#api/core/v1/service.ts';
import type { TopologySpreadConstraint } from '#api/generated/schema.ts';
import { matchesLabels } from '#api/machinery/label-selector.ts';
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
import type { Verdict } from '../verdict.ts';
import { crowdingOf, leastCrowdedFirst, type SoftSpread, softSpread } from './soft-spread.ts';
import { type Constraint, defaultConstraints, listedConstraints, ownConstraints } from './spread-constraints.ts';
import { countsOf, hasAllLabels, isCounted, isOneOf } from './spread-counts.ts';
import { couldBalance, couldShift } from './spread-hints.ts';
import type { TopologyCounts } from './topology-counts.ts';

const NOT_LABELLED = unresolvable("node(s) didn't match pod topology spread constraints (missing required label)");
const TOO_MANY = unschedulable("node(s) didn't match pod topology spread constraints");
const NO_NODES: ReadonlySet<NodeInfo> = new Set();

interface Counted extends Constraint {
  counts: TopologyCounts;
  /** 1 when the pod itself is one of those that are counted. */
  self: number;
  /** Pods more, or less, than counted, in the domain of the one node that is being tried. */
  extra: number;
  domains: Domains;
  /** What has been found of a domain, by its id. */
  known: (Verdict | undefined)[];
}

interface State {
  strict: readonly Counted[];
  soft: readonly SoftSpread[];
  /** Nodes without all the labels: they get the lowest score. */
  ignored: ReadonlySet<NodeInfo>;
}

/** Source: PodTopologySpreadArgs. */
export interface SpreadOptions {
  /** Of pods that have none, instead of those over nodes and zones. */
  defaultConstraints?: readonly TopologySpreadConstraint[];
  defaultingType?: string;
}

export const podTopologySpreadWith = ({
  defaultConstraints: listed = [],
  defaultingType,
}: SpreadOptions = {}): Plugin =>
  definePlugin<State | undefined>({
    name: 'PodTopologySpread',
    weight: 2,
    reads: [Service, ReplicaSet, StatefulSet, ReplicationController],

    prepare(pod, cluster) {
      const hasOwn = (pod.spec.topologySpreadConstraints?.length ?? 0) > 0;
      const strict =
        hasOwn || listed.length === 0
          ? ownConstraints(pod, 'DoNotSchedule')
          : listedConstraints(pod, { cluster, listed, when: 'DoNotSchedule' });
      if (strict.length === 0) return 'skip';
      const counted = strict.map((constraint) => ({
        counts: countsOf(pod, constraint, { cluster, labelled: strict }),
        self: matchesLabels(constraint.selector, pod.metadata.labels) ? 1 : 0,
        extra: 0,
        domains: cluster.domains(constraint.topologyKey),
        known: [],
        ...constraint,
      }));
      return { state: { strict: counted, soft: [], ignored: NO_NODES } };
    },

    filter(_, { node }, state) {
      for (const constraint of state?.strict ?? []) {
        const domain = node.metadata.labels?.[constraint.topologyKey];
        if (domain === undefined) return NOT_LABELLED;
        const verdict = verdictIn(domain, constraint);
        if (!verdict.fits) return verdict;
      }
      return fits;
    },

    filterAt(place, state) {
      for (const constraint of state?.strict ?? []) {
        const { domains, known } = constraint;
        const id = domains.ids[place] as number;
        if (id < 0) return NOT_LABELLED;
        known[id] ??= verdictIn(domains.names[id] as string, constraint);
        if (!known[id].fits) return known[id];
      }
      return fits;
    },

    withPod: (state, other, node, pod) => changedBy(state, { other, node, pod, by: 1 }),
    withoutPod: (state, other, node, pod) => changedBy(state, { other, node, pod, by: -1 }),

    prepareScore(pod, nodes, cluster) {
      const own = ownConstraints(pod, 'ScheduleAnyway');
      const hasOwn = (pod.spec.topologySpreadConstraints?.length ?? 0) > 0;
      const constraints = hasOwn
        ? own
        : defaultingType === 'List'
          ? listedConstraints(pod, { cluster, listed, when: 'ScheduleAnyway' })
          : defaultConstraints(pod, cluster);
      if (constraints.length === 0) return 'skip';
      const ignored = hasOwn ? new Set(nodes.filter((info) => !hasAllLabels(info, constraints))) : NO_NODES;
      const labelled = hasOwn ? constraints : [];
      // A label that no node has gives all of them the same: most clusters are without zones.
      const telling = constraints.filter(({ topologyKey }) => cluster.domains(topologyKey).names.length > 0);
      const soft = telling.map((constraint) => {
        const counts = countsOf(pod, constraint, { cluster, labelled, isSoft: true });
        return softSpread(constraint, { counts, cluster, nodes, ignored });
      });
      return { strict: [], soft, ignored };
    },

    score(_, info, state, place) {
      if (!state || (state.ignored.size > 0 && state.ignored.has(info))) return 0;
      return crowdingOf(info, state.soft, place);
    },

    normalize(scores, nodes, state) {
      leastCrowdedFirst(scores, nodes, state?.ignored ?? NO_NODES);
    },

    retryWhen: [
      when(changed(Node, 'metadata.labels', 'spec.taints'), couldShift),
      when(removed(Node), couldShift),
      when(changed(Pod, 'metadata.labels', 'spec.nodeName'), couldBalance),
      when(removed(Pod), couldBalance),
    ],
  });

export const podTopologySpread = podTopologySpreadWith();

function verdictIn(domain: string, { counts, maxSkew, minDomains, self, extra }: Counted): Verdict {
  // With too few domains an empty one is still to come: it counts as the least.
  const least = counts.domains < minDomains ? 0 : counts.leastWith(domain, extra);
  const there = counts.has(domain) ? counts.at(domain) + extra : 0;
  return there + self - least > maxSkew ? TOO_MANY : fits;
}

interface PodMoved {
  other: Pod;
  node: NodeInfo;
  pod: Pod;
  by: number;
}

function changedBy(state: State | undefined, { other, node, pod, by }: PodMoved): State | undefined {
  if (!state) return state;
  const strict = state.strict.map((constraint) => {
    const value = node.node.metadata.labels?.[constraint.topologyKey];
    const counts = value !== undefined && constraint.counts.has(value) && isCounted(pod, node, constraint);
    if (!counts || !isOneOf(other, pod.metadata.namespace, constraint.selector)) return constraint;
    return { ...constraint, extra: constraint.extra + by };
  });
  return { ...state, strict };
}
