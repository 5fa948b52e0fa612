/**
 * Spreads pods of a kind over nodes, zones or any other topology: strictly where a constraint says DoNotSchedule, as well as
 * may be elsewhere. A pod that says nothing is spread by default: over nodes and zones. Source: KEP-895, KEP-1258.
 */
import { ReplicaSet } from '#api/apps/v1/replica-set.ts';
import { StatefulSet } from '#api/apps/v1/stateful-set.ts';
import { Node } from '#api/core/v1/node.ts';
import { wantsNode } from '#api/core/v1/node-affinity.ts';
import { Pod } from '#api/core/v1/pod.ts';
import { ReplicationController } from '#api/core/v1/replication-controller.ts';
import { Service } from '#api/core/v1/service.ts';
import { isTolerated, repels } from '#api/core/v1/taint.ts';
import type { TopologySpreadConstraint } from '#api/generated/schema.ts';
import { isEqual } from '#api/machinery/equal.ts';
import type { Selector } from '#api/machinery/label-selector.ts';
import { matchesLabels, selectorFrom, selectorOfLabels } from '#api/machinery/label-selector.ts';
import type { KubeObject } from '#api/machinery/object.ts';
import type { ClusterChange, ClusterView } from '../define-plugin.ts';
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
import { crowdingOf, HOSTNAME, leastCrowdedFirst, type SoftSpread, softSpread } from './soft-spread.ts';
import { TopologyCounts } from './topology-counts.ts';

const ZONE = 'topology.kubernetes.io/zone';
const NOT_LABELLED = unresolvable("node(s) didn't match pod topology spread constraints (missing required label)");
const TOO_MANY = unschedulable("node(s) didn't match pod topology spread constraints");
const NO_NODES: ReadonlySet<NodeInfo> = new Set();

interface Constraint {
  topologyKey: string;
  maxSkew: number;
  minDomains: number;
  selector: Selector;
  honorsAffinity: boolean;
  honorsTaints: boolean;
}

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
      return leastCrowdedFirst(scores, nodes, state?.ignored ?? NO_NODES);
    },

    retryWhen: [
      when(changed(Node, 'metadata.labels', 'spec.taints'), couldShift),
      when(removed(Node), couldShift),
      when(changed(Pod, 'metadata.labels', 'spec.nodeName'), couldBalance),
      when(removed(Pod), couldBalance),
    ],
  });

export const podTopologySpread = podTopologySpreadWith();

const strictByPod = new WeakMap<Pod, readonly Constraint[]>();

/** Its own; none where a profile says what counts for pods that say nothing. */
function strictOf(pod: Pod): readonly Constraint[] {
  let strict = strictByPod.get(pod);
  if (!strict) {
    strict = ownConstraints(pod, 'DoNotSchedule');
    strictByPod.set(pod, strict);
  }
  return strict;
}

/** A node of these domains came or went, or is of others now, or has other taints. */
function couldShift({ now, before }: ClusterChange, pod: Pod): boolean {
  const constraints = strictOf(pod);
  if (constraints.length === 0) return true;
  const isIn = (node: Node) =>
    constraints.every(({ topologyKey }) => node.metadata.labels?.[topologyKey] !== undefined);
  const [is, was] = [now as Node | undefined, before as Node | undefined];
  if (!is || !was) return isIn((is ?? was) as Node);
  if (isIn(is) !== isIn(was)) return true;
  const moved = ({ topologyKey }: Constraint) =>
    is.metadata.labels?.[topologyKey] !== was.metadata.labels?.[topologyKey];
  return isIn(is) && (constraints.some(moved) || !isEqual(is.spec.taints, was.spec.taints));
}

/** A pod that is counted came or went, or one is counted now that was not, or the other way round. */
function couldBalance({ now, before }: ClusterChange, pod: Pod): boolean {
  const constraints = strictOf(pod);
  const { uid, namespace } = ((now ?? before) as Pod).metadata;
  if (constraints.length === 0 || uid === pod.metadata.uid) return true;
  if (namespace !== pod.metadata.namespace) return false;
  const isCounted = ({ selector }: Constraint, other: KubeObject) => matchesLabels(selector, other.metadata.labels);
  if (now && before) return constraints.some((each) => isCounted(each, now) !== isCounted(each, before));
  return constraints.some((each) => isCounted(each, (now ?? before) as Pod));
}

interface Listed {
  cluster: ClusterView;
  listed: readonly TopologySpreadConstraint[];
  when: TopologySpreadConstraint['whenUnsatisfiable'];
}

/** What a profile says of pods that say nothing, among the pods of the same Services and the same owner. */
function listedConstraints(pod: Pod, { cluster, listed, when }: Listed): Constraint[] {
  const mine = listed.filter(({ whenUnsatisfiable }) => whenUnsatisfiable === when);
  const selector = mine.length > 0 ? ownersSelector(pod, cluster) : undefined;
  if (!selector || selector.requirements.length === 0) return [];
  return mine.map(({ topologyKey, maxSkew, minDomains = 1 }) => ({
    topologyKey,
    maxSkew,
    minDomains,
    selector,
    honorsAffinity: true,
    honorsTaints: false,
  }));
}

function verdictIn(domain: string, { counts, maxSkew, minDomains, self, extra }: Counted): Verdict {
  // With too few domains an empty one is still to come: it counts as the least.
  const least = counts.domains < minDomains ? 0 : counts.leastWith(domain, extra);
  const there = counts.has(domain) ? counts.at(domain) + extra : 0;
  return there + self - least > maxSkew ? TOO_MANY : fits;
}

const ownConstraints = (pod: Pod, when: TopologySpreadConstraint['whenUnsatisfiable']): Constraint[] =>
  (pod.spec.topologySpreadConstraints ?? [])
    .filter(({ whenUnsatisfiable }) => whenUnsatisfiable === when)
    .map((constraint) => ({
      topologyKey: constraint.topologyKey,
      maxSkew: constraint.maxSkew,
      minDomains: constraint.minDomains ?? 1,
      selector: withLabelKeys(pod, constraint),
      honorsAffinity: (constraint.nodeAffinityPolicy ?? 'Honor') === 'Honor',
      honorsTaints: constraint.nodeTaintsPolicy === 'Honor',
    }));

/** With the values of its own labels; those that are part of the selector since it was made stay as they were. */
function withLabelKeys(pod: Pod, { labelSelector, matchLabelKeys = [] }: TopologySpreadConstraint): Selector {
  const selector = selectorFrom(labelSelector);
  const labels = pod.metadata.labels ?? {};
  const own = matchLabelKeys
    .filter((key) => !selector.requirements.some((each) => each.key === key))
    .flatMap((key) => (labels[key] === undefined ? [] : [{ key, operator: 'in' as const, values: [labels[key]] }]));
  return own.length > 0 ? { ...selector, requirements: [...selector.requirements, ...own] } : selector;
}

/** Over nodes a skew of 3, over zones of 5, among the pods of the same Services and the same owner. */
function defaultConstraints(pod: Pod, cluster: ClusterView): Constraint[] {
  const selector = ownersSelector(pod, cluster);
  if (selector.requirements.length === 0) return [];
  const of = (topologyKey: string, maxSkew: number): Constraint => ({
    topologyKey,
    maxSkew,
    minDomains: 1,
    selector,
    honorsAffinity: true,
    honorsTaints: false,
  });
  return [of(HOSTNAME, 3), of(ZONE, 5)];
}

/** What the Services that lead to the pod and the object that controls it select, all together. */
function ownersSelector({ metadata }: Pod, { cached }: ClusterView): Selector {
  const { namespace = '', labels, ownerReferences } = metadata;
  const services = cached(Service)
    .inNamespace(namespace)
    .map(({ spec }) => spec.selector ?? {})
    .filter((selector) => Object.keys(selector).length > 0 && matchesLabels(selectorOfLabels(selector), labels))
    .map(selectorOfLabels);
  const owner = ownerReferences?.find(({ controller }) => controller);
  const key = `${namespace}/${owner?.name}`;
  const ofOwner = () => {
    if (owner?.kind === 'ReplicaSet') return selectorFrom(cached(ReplicaSet).get(key)?.spec.selector);
    if (owner?.kind === 'StatefulSet') return selectorFrom(cached(StatefulSet).get(key)?.spec.selector);
    if (owner?.kind === 'ReplicationController')
      return selectorOfLabels(cached(ReplicationController).get(key)?.spec.selector ?? {});
    return undefined;
  };
  const all = [...services, ofOwner()].filter((selector) => selector !== undefined && !selector.nothing);
  return { requirements: all.flatMap((selector) => selector?.requirements ?? []) };
}

const hasAllLabels = ({ node }: NodeInfo, constraints: readonly Constraint[]): boolean =>
  constraints.every(({ topologyKey }) => node.metadata.labels?.[topologyKey] !== undefined);

/** Whether the pods of a node count for this constraint. */
function isCounted(pod: Pod, { node }: NodeInfo, { honorsAffinity, honorsTaints }: Constraint): boolean {
  if (honorsAffinity && !wantsNode(pod.spec, node)) return false;
  if (!honorsTaints) return true;
  return !node.spec.taints?.some((taint) => repels(taint) && !isTolerated(taint, pod.spec.tolerations));
}

interface Counting {
  cluster: ClusterView;
  /** Only nodes count that have the labels of all of these. */
  labelled: readonly Constraint[];
  /** For the score every host counts by itself, whoever may go there. */
  isSoft?: boolean;
}

/** One count for all pods that are spread alike. */
function countsOf(pod: Pod, constraint: Constraint, { cluster, labelled, isSoft = false }: Counting): TopologyCounts {
  const { topologyKey, selector, honorsAffinity, honorsTaints } = constraint;
  const { namespace } = pod.metadata;
  const isByNode = isSoft && topologyKey === HOSTNAME;
  const { nodeSelector, affinity, tolerations } = pod.spec;
  const key = JSON.stringify([
    'PodTopologySpread',
    isByNode,
    namespace,
    topologyKey,
    selector,
    isByNode || labelled.map((each) => each.topologyKey),
    !isByNode &&
      honorsAffinity && [nodeSelector, affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution],
    !isByNode && honorsTaints && (tolerations ?? []),
  ]);
  const domainOf = (info: NodeInfo): string | undefined => {
    if (isByNode) return info.node.metadata.name;
    return hasAllLabels(info, labelled) && isCounted(pod, info, constraint)
      ? info.node.metadata.labels?.[topologyKey]
      : undefined;
  };
  const matches = (other: Pod) => isOneOf(other, namespace, selector);
  return cluster.tally(key, () => new TopologyCounts({ domainOf, matches }));
}

const isOneOf = ({ metadata }: Pod, namespace: string | undefined, selector: Selector): boolean =>
  metadata.namespace === namespace && !metadata.deletionTimestamp && matchesLabels(selector, metadata.labels);

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
