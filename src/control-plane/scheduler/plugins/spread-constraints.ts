/** What a pod is spread over, and among which pods: as it says itself, as a profile says for it, or as is usual. Source: KEP-895. */
import { ReplicaSet } from '#api/apps/v1/replica-set.ts';
import { StatefulSet } from '#api/apps/v1/stateful-set.ts';
import type { Pod } from '#api/core/v1/pod.ts';
import { ReplicationController } from '#api/core/v1/replication-controller.ts';
import { Service } from '#api/core/v1/service.ts';
import type { LabelSelector, TopologySpreadConstraint } from '#api/generated/schema.ts';
import type { Labels, Selector } from '#api/machinery/label-selector.ts';
import { selectorFrom, selectorOfLabels } from '#api/machinery/label-selector.ts';
import type { ObjectKey } from '#api/machinery/object.ts';
import type { ClusterView } from '../define-plugin.ts';
import { HOSTNAME } from './soft-spread.ts';

const ZONE = 'topology.kubernetes.io/zone';

export interface Constraint {
  topologyKey: string;
  maxSkew: number;
  minDomains: number;
  selector: Selector;
  honorsAffinity: boolean;
  honorsTaints: boolean;
}

export const ownConstraints = (pod: Pod, when: TopologySpreadConstraint['whenUnsatisfiable']): Constraint[] =>
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

interface Listed {
  cluster: ClusterView;
  listed: readonly TopologySpreadConstraint[];
  when: TopologySpreadConstraint['whenUnsatisfiable'];
}

/** What a profile says of pods that say nothing, among the pods of the same Services and the same owner. */
export function listedConstraints(pod: Pod, { cluster, listed, when }: Listed): Constraint[] {
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

/** Over nodes a skew of 3, over zones of 5, among the pods of the same Services and the same owner. */
export function defaultConstraints(pod: Pod, cluster: ClusterView): Constraint[] {
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
    .flatMap(({ spec: { selector } }) => (selector && leadsTo(selector, labels) ? selectorOfLabels(selector) : []));
  const owner = ownerReferences?.find(({ controller }) => controller);
  const ofOwner = owner && selectorOfOwner(owner.kind, `${namespace}/${owner.name}`, cached);
  if (!ofOwner || ofOwner.nothing) return { requirements: services.flatMap(({ requirements }) => requirements) };
  if (services.length === 0) return ofOwner;
  return { requirements: [...services, ofOwner].flatMap(({ requirements }) => requirements) };
}

function leadsTo(selector: Labels, labels: Labels = {}): boolean {
  const wanted = Object.entries(selector);
  return wanted.length > 0 && wanted.every(([key, value]) => labels[key] === value);
}

function selectorOfOwner(kind: string, key: ObjectKey, cached: ClusterView['cached']): Selector | undefined {
  if (kind === 'ReplicaSet') return madeOf(cached(ReplicaSet).get(key)?.spec.selector);
  if (kind === 'StatefulSet') return madeOf(cached(StatefulSet).get(key)?.spec.selector);
  if (kind !== 'ReplicationController') return undefined;
  return selectorOfLabels(cached(ReplicationController).get(key)?.spec.selector ?? {});
}

/** Made once for all pods of an owner: an object that is cached does not change. */
const made = new WeakMap<LabelSelector, Selector>();

function madeOf(given: LabelSelector | undefined): Selector | undefined {
  if (!given) return undefined;
  const selector = made.get(given) ?? selectorFrom(given);
  made.set(given, selector);
  return selector;
}
