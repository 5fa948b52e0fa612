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
import type { Selector } from '#api/machinery/label-selector.ts';
import { matchesLabels, selectorFrom, selectorOfLabels } from '#api/machinery/label-selector.ts';
import type { ClusterView } from '../define-plugin.ts';
import { changed, definePlugin, fits, removed, unresolvable, unschedulable } from '../define-plugin.ts';
import type { NodeInfo } from '../node-info.ts';

const HOSTNAME = 'kubernetes.io/hostname';
const ZONE = 'topology.kubernetes.io/zone';

interface Constraint {
  topologyKey: string;
  maxSkew: number;
  minDomains: number;
  selector: Selector;
  honorsAffinity: boolean;
  honorsTaints: boolean;
}

interface Counted extends Constraint {
  /** Matching pods by the topology's value. */
  counts: ReadonlyMap<string, number>;
  least: number;
}

interface State {
  strict: readonly Counted[];
  soft: readonly SoftConstraint[];
  /** Nodes without all the labels: they get the lowest score. */
  ignored: ReadonlySet<NodeInfo>;
}

interface SoftConstraint extends Constraint {
  counts: ReadonlyMap<string, number>;
  weight: number;
}

export const podTopologySpread = definePlugin<State | undefined>({
  name: 'PodTopologySpread',
  weight: 2,
  reads: [Service, ReplicaSet, StatefulSet, ReplicationController],

  prepare(pod, { nodes }) {
    const strict = ownConstraints(pod, 'DoNotSchedule');
    if (strict.length === 0) return 'skip';
    return {
      state: {
        strict: strict.map((constraint) => counted(pod, constraint, { strict, nodes })),
        soft: [],
        ignored: new Set(),
      },
    };
  },

  filter(pod, { node }, state) {
    for (const { topologyKey, counts, least, maxSkew, selector } of state?.strict ?? []) {
      const value = node.metadata.labels?.[topologyKey];
      if (value === undefined)
        return unresolvable("node(s) didn't match pod topology spread constraints (missing required label)");
      const self = matchesLabels(selector, pod.metadata.labels) ? 1 : 0;
      if ((counts.get(value) ?? 0) + self - least > maxSkew)
        return unschedulable("node(s) didn't match pod topology spread constraints");
    }
    return fits;
  },

  prepareScore(pod, nodes, cluster) {
    const own = ownConstraints(pod, 'ScheduleAnyway');
    const hasOwn = (pod.spec.topologySpreadConstraints?.length ?? 0) > 0;
    const constraints = hasOwn ? own : defaultConstraints(pod, cluster);
    if (constraints.length === 0) return 'skip';
    const ignored = new Set(hasOwn ? nodes.filter((info) => !hasAllLabels(info, constraints)) : []);
    const soft = constraints.map((constraint) =>
      softly(pod, constraint, { nodes: nodes.filter((info) => !ignored.has(info)), cluster, constraints, hasOwn }),
    );
    return { strict: [], soft, ignored };
  },

  score(pod, info, state) {
    if (!state || state.ignored.has(info)) return 0;
    const sum = state.soft.reduce((total, { topologyKey, counts, maxSkew, weight, selector }) => {
      const value = info.node.metadata.labels?.[topologyKey];
      if (value === undefined) return total;
      const count = topologyKey === HOSTNAME ? countOn(info, selector, pod) : (counts.get(value) ?? 0);
      return total + count * weight + (maxSkew - 1);
    }, 0);
    return Math.round(sum);
  },

  normalize(scores, nodes, state) {
    const counting = scores.filter((_, index) => !state?.ignored.has(nodes[index] as NodeInfo));
    const [least, most] = [Math.min(...counting), Math.max(...counting)];
    return scores.map((score, index) => {
      if (state?.ignored.has(nodes[index] as NodeInfo)) return 0;
      return most === 0 ? 100 : Math.floor((100 * (most + least - score)) / most);
    });
  },

  retryWhen: [
    changed(Node, 'metadata.labels', 'spec.taints'),
    removed(Node),
    changed(Pod, 'metadata.labels', 'spec.nodeName'),
    removed(Pod),
  ],
});

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

function withLabelKeys(pod: Pod, { labelSelector, matchLabelKeys = [] }: TopologySpreadConstraint): Selector {
  const selector = selectorFrom(labelSelector);
  const labels = pod.metadata.labels ?? {};
  const own = matchLabelKeys.flatMap((key) =>
    labels[key] === undefined ? [] : [{ key, operator: 'in' as const, values: [labels[key]] }],
  );
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

const countOn = ({ pods }: NodeInfo, selector: Selector, { metadata }: Pod): number =>
  pods.filter(
    (other) =>
      !other.metadata.deletionTimestamp &&
      other.metadata.namespace === metadata.namespace &&
      matchesLabels(selector, other.metadata.labels),
  ).length;

function counted(
  pod: Pod,
  constraint: Constraint,
  { strict, nodes }: { strict: readonly Constraint[]; nodes: readonly NodeInfo[] },
): Counted {
  const counts = new Map<string, number>();
  for (const info of nodes) {
    if (!hasAllLabels(info, strict) || !isCounted(pod, info, constraint)) continue;
    const value = info.node.metadata.labels?.[constraint.topologyKey] as string;
    counts.set(value, (counts.get(value) ?? 0) + countOn(info, constraint.selector, pod));
  }
  // With too few domains an empty one is still to come: it counts as the least.
  const least = counts.size < constraint.minDomains ? 0 : Math.min(...counts.values());
  return { ...constraint, counts, least: Number.isFinite(least) ? least : 0 };
}

interface Softly {
  /** Those that are being scored. */
  nodes: readonly NodeInfo[];
  cluster: ClusterView;
  constraints: readonly Constraint[];
  hasOwn: boolean;
}

function softly(pod: Pod, constraint: Constraint, { nodes, cluster, constraints, hasOwn }: Softly): SoftConstraint {
  const { topologyKey } = constraint;
  const counts = new Map<string, number>();
  if (topologyKey === HOSTNAME) return { ...constraint, counts, weight: Math.log(nodes.length + 2) };
  for (const { node } of nodes) {
    const value = node.metadata.labels?.[topologyKey];
    if (value !== undefined) counts.set(value, 0);
  }
  for (const info of cluster.nodes) {
    const value = info.node.metadata.labels?.[topologyKey];
    if (value === undefined || !counts.has(value) || !isCounted(pod, info, constraint)) continue;
    if (hasOwn && !hasAllLabels(info, constraints)) continue;
    counts.set(value, (counts.get(value) ?? 0) + countOn(info, constraint.selector, pod));
  }
  return { ...constraint, counts, weight: Math.log(counts.size + 2) };
}
