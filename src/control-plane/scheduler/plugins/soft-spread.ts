/**
 * How crowded a node is with the pods that one is to be spread among: where nothing forbids it, the least crowded node is the
 * best. Source: KEP-895.
 */
import type { ClusterView } from '../define-plugin.ts';
import { type Domains, EACH_NODE } from '../domains.ts';
import type { NodeInfo } from '../node-info.ts';
import type { TopologyCounts } from './topology-counts.ts';

export const HOSTNAME = 'kubernetes.io/hostname';

interface Wanted {
  topologyKey: string;
  maxSkew: number;
}

export interface SoftSpread extends Wanted {
  counts: TopologyCounts;
  weight: number;
  /** Which nodes have the label. */
  labelled: Domains;
  /** In which the pods are counted. */
  domains: Domains;
  /** By the ids of `domains`. */
  pods: Int32Array;
}

interface Among {
  counts: TopologyCounts;
  cluster: ClusterView;
  /** Those that are scored. */
  nodes: readonly NodeInfo[];
  /** Of them those without all the labels. */
  ignored: ReadonlySet<NodeInfo>;
}

export function softSpread(wanted: Wanted, { counts, cluster, nodes, ignored }: Among): SoftSpread {
  const { topologyKey, maxSkew } = wanted;
  const labelled = cluster.domains(topologyKey);
  const domains = topologyKey === HOSTNAME ? cluster.domains(EACH_NODE) : labelled;
  const weight = Math.log(sizeOf(topologyKey, nodes, ignored) + 2);
  return { topologyKey, maxSkew, counts, weight, labelled, domains, pods: counts.inOrder(domains) };
}

/** How many domains the nodes that are scored are in. */
function sizeOf(topologyKey: string, nodes: readonly NodeInfo[], ignored: ReadonlySet<NodeInfo>): number {
  if (topologyKey === HOSTNAME) return nodes.length - ignored.size;
  const domains = new Set<string>();
  for (const info of nodes) {
    const value = info.node.metadata.labels?.[topologyKey];
    if (value !== undefined && !ignored.has(info)) domains.add(value);
  }
  return domains.size;
}

/** `place`: where the node stands in the cluster's list, which tells it without a look at the node. */
export function crowdingOf(info: NodeInfo, spreads: readonly SoftSpread[], place: number | undefined): number {
  let sum = 0;
  for (const spread of spreads) {
    const pods = place === undefined ? podsAround(info, spread) : podsAt(place, spread);
    if (pods !== undefined) sum += pods * spread.weight + (spread.maxSkew - 1);
  }
  return Math.round(sum);
}

/** undefined: the node has not the label. */
function podsAround({ node }: NodeInfo, { topologyKey, counts }: SoftSpread): number | undefined {
  const value = node.metadata.labels?.[topologyKey];
  return value === undefined ? undefined : counts.at(topologyKey === HOSTNAME ? node.metadata.name : value);
}

const podsAt = (place: number, { labelled, domains, pods }: SoftSpread): number | undefined =>
  (labelled.ids[place] as number) < 0 ? undefined : pods[domains.ids[place] as number];

/** From how crowded they are to 0…100, in place. */
export function leastCrowdedFirst(
  scores: Float64Array,
  nodes: readonly NodeInfo[],
  ignored: ReadonlySet<NodeInfo>,
): void {
  const counts = (index: number) => ignored.size === 0 || !ignored.has(nodes[index] as NodeInfo);
  let least = Number.POSITIVE_INFINITY;
  let most = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < scores.length; i++) {
    if (!counts(i)) continue;
    const score = scores[i] as number;
    if (score < least) least = score;
    if (score > most) most = score;
  }
  for (let i = 0; i < scores.length; i++) {
    if (!counts(i)) scores[i] = 0;
    else scores[i] = most === 0 ? 100 : Math.floor((100 * (most + least - (scores[i] as number))) / most);
  }
}
