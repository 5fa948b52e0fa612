/** Which node for one pod: prepare, filter, score, choose. Reads only the view that it is given. */
import type { Pod } from '#api/core/v1/pod.ts';
import type { Random } from '#base/random.ts';
import type { Extender } from './define-extender.ts';
import type { ClusterView, Plugin } from './define-plugin.ts';
import { definePlugin } from './define-plugin.ts';
import type { NodeInfo } from './node-info.ts';
import { pointsOf } from './points.ts';
import type { RememberedAnswers } from './remembered-answers.ts';
import { bestOf, totalsOf } from './scoring.ts';
import { type Filtering, type Found, search, trialWith } from './search.ts';
import { type FilterOf, filtersOf, type RefusedOn, type States, type Trial } from './trial.ts';
import { type Refused, unresolvable } from './verdict.ts';

/** Why a pod fits nowhere. */
export interface Refusal {
  nodeCount: number;
  /** By node. */
  verdicts: ReadonlyMap<NodeInfo, Refused>;
  /** Said once for all nodes, by a plugin that refused the pod before any node. */
  general: string | undefined;
  refusedBy: readonly Plugin[];
  states: States;
  /** The same object for pods about which all filters say the same of a node as long as its NodeInfo is the same. */
  alike: object | undefined;
  /** How it would be on a node if other pods came there or went; those that were nominated there are taken in. */
  trialOn(node: NodeInfo): Trial;
}

/** `looked`: at so many nodes. */
export type Decision = { looked: number } & ({ nodeName: string; states: States } | { refusal: Refusal });

export interface CycleOptions {
  plugins: readonly Plugin[];
  extenders?: readonly Extender[];
  random: Random;
  /** Awaited between nodes when it is time to let others run; undefined: not yet. */
  breathe(): Promise<void> | undefined;
  /** Pods that room was made for on a node; undefined: there are none. */
  nominatedOn: ((nodeName: string) => readonly Pod[]) | undefined;
  /** Where to begin: so that in a large cluster not always the same nodes are looked at. */
  startAt: number;
  /** Of all nodes, so many are found that fit before the best is chosen; 0: fewer, the larger the cluster. */
  percentageOfNodesToScore?: number;
  remembered?: RememberedAnswers;
}

/** Throws what an extender throws that must be asked and cannot. */
export async function decide(pod: Pod, cluster: ClusterView, options: CycleOptions): Promise<Decision> {
  const prepared = prepareAll(pod, cluster, options);
  if ('refusal' in prepared) return { ...prepared, looked: 0 };
  const { states } = prepared;
  const filtering = { ...options, prepared };
  const found =
    (pod.status?.nominatedNodeName && (await onNominated(pod, cluster, filtering))) ||
    (await filterAll(pod, cluster, filtering));
  const { feasible, looked, answers, places } = found;
  if (feasible.length === 0) return { refusal: refusalAfter(pod, cluster, { ...filtering, found }), looked };
  if (feasible.length === 1) return { nodeName: (feasible[0] as NodeInfo).node.metadata.name, states, looked };
  const remembered = answers && places.length === feasible.length ? { answers, places } : undefined;
  const further = options.extenders && (await furtherScores(pod, feasible, options.extenders));
  const totals = totalsOf(pod, feasible, { plugins: options.plugins, cluster, states, remembered, further });
  const best = bestOf(feasible, totals, options.random);
  return { nodeName: best.node.metadata.name, states, looked };
}

export interface PreparedAll {
  states: Map<Plugin, unknown>;
  filters: readonly FilterOf[];
  candidates: readonly NodeInfo[];
  narrowedBy: readonly Plugin[];
}

/** What all plugins make of the pod and the cluster, before any node is looked at. */
export function prepareAll(
  pod: Pod,
  cluster: ClusterView,
  { plugins, nominatedOn }: Pick<CycleOptions, 'plugins' | 'nominatedOn'>,
): PreparedAll | { refusal: Refusal } {
  const states = new Map<Plugin, unknown>();
  const narrowedBy: Plugin[] = [];
  let only: ReadonlySet<string> | undefined;
  for (const plugin of pointsOf(plugins).all) {
    const prepared = plugin.prepare ? plugin.prepare(pod, cluster) : NO_STATE;
    if (prepared === 'skip') continue;
    if ('fits' in prepared) {
      if (prepared.fits) continue;
      return { refusal: refusedByOne(pod, cluster, { plugin, verdict: prepared, states, plugins, nominatedOn }) };
    }
    states.set(plugin, prepared.state);
    const { onlyNodes } = prepared;
    if (!onlyNodes) continue;
    narrowedBy.push(plugin);
    only = only ? both(only, onlyNodes) : onlyNodes;
  }
  return { states, filters: filtersOf(plugins, states), candidates: candidatesOf(cluster, only), narrowedBy };
}

const NO_STATE: { state: unknown; onlyNodes?: ReadonlySet<string> } = { state: undefined };

const both = (a: ReadonlySet<string>, b: ReadonlySet<string>): ReadonlySet<string> =>
  new Set([...a].filter((name) => b.has(name)));

function candidatesOf({ nodes, nodeNamed }: ClusterView, only: ReadonlySet<string> | undefined): readonly NodeInfo[] {
  if (!only) return nodes;
  return [...only].flatMap((name) => nodeNamed(name) ?? []);
}

/** Room was made for it there: if it fits there now, nothing else is looked at. */
async function onNominated(pod: Pod, cluster: ClusterView, options: Filtering): Promise<Found | undefined> {
  const info = cluster.nodeNamed(pod.status?.nominatedNodeName ?? '');
  if (!info || !options.prepared.candidates.includes(info)) return undefined;
  const only = { ...options.prepared, candidates: [info] };
  const found = await filterAll(pod, cluster, { ...options, prepared: only });
  return found.feasible.length > 0 ? { ...found, looked: 0 } : undefined;
}

async function filterAll(pod: Pod, cluster: ClusterView, options: Filtering): Promise<Found> {
  const found = await search(pod, cluster, options);
  return options.extenders ? withoutRefused(pod, found, options.extenders) : found;
}

/** Nobody knows what would help a pod that one has refused: every change may. */
const anyExtender = definePlugin({ name: 'Extender' });

async function withoutRefused(pod: Pod, found: Found, extenders: readonly Extender[]): Promise<Found> {
  let { feasible } = found;
  for (const extender of extenders) {
    if (!extender.filter || feasible.length === 0 || !extender.isInterested(pod)) continue;
    const refused = await extender.filter(pod, feasible);
    for (const [node, verdict] of refused) {
      found.refused.push(node);
      found.refusals.push({ plugin: anyExtender, verdict });
    }
    feasible = feasible.filter((node) => !refused.has(node));
  }
  return { ...found, feasible };
}

async function furtherScores(pod: Pod, nodes: readonly NodeInfo[], extenders: readonly Extender[]) {
  let sums: number[] | undefined;
  for (const extender of extenders) {
    if (!extender.prioritize || !extender.isInterested(pod)) continue;
    const scores = await extender.prioritize(pod, nodes);
    sums = nodes.map((_, index) => (sums?.[index] ?? 0) + (scores[index] ?? 0));
  }
  return sums;
}

function refusalAfter(pod: Pod, cluster: ClusterView, options: Filtering & { found: Found }): Refusal {
  const { nodes } = cluster;
  const { prepared, found, nominatedOn } = options;
  const { narrowedBy, filters } = prepared;
  const verdicts = new Map<NodeInfo, Refused>();
  const refusedBy = new Set<Plugin>();
  for (let i = 0; i < found.refused.length; i++) {
    const { plugin, verdict } = found.refusals[i] as RefusedOn;
    verdicts.set(found.refused[i] as NodeInfo, verdict);
    refusedBy.add(plugin);
  }
  for (const plugin of narrowedBy) refusedBy.add(plugin);
  if (verdicts.size < nodes.length) {
    const names = narrowedBy.map(({ name }) => name).sort();
    const notConsidered = unresolvable(`node(s) didn't satisfy plugin(s) [${names.join(' ')}]`);
    for (const node of nodes) if (!verdicts.has(node)) verdicts.set(node, notConsidered);
  }
  return {
    nodeCount: nodes.length,
    verdicts,
    general: undefined,
    refusedBy: [...refusedBy],
    states: prepared.states,
    alike: found.alike,
    trialOn: trialOver(pod, filters, nominatedOn),
  };
}

interface RefusedByOne extends Pick<CycleOptions, 'plugins' | 'nominatedOn'> {
  plugin: Plugin;
  verdict: Refused;
  states: States;
}

function refusedByOne(
  pod: Pod,
  { nodes }: ClusterView,
  { plugin, verdict, plugins, states, nominatedOn }: RefusedByOne,
): Refusal {
  return {
    nodeCount: nodes.length,
    verdicts: new Map(nodes.map((node) => [node, verdict])),
    general: verdict.reasons.join(', '),
    refusedBy: [plugin],
    states,
    alike: undefined,
    trialOn: trialOver(pod, filtersOf(plugins, states), nominatedOn),
  };
}

const trialOver =
  (pod: Pod, filters: readonly FilterOf[], nominatedOn: CycleOptions['nominatedOn']) => (node: NodeInfo) =>
    trialWith(nominatedOn?.(node.node.metadata.name) ?? [], pod, { node, filters });
