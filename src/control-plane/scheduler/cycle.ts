/** Which node for one pod: prepare, filter, score, choose. Reads only the view that it is given. */
import type { Pod } from '#api/core/v1/pod.ts';
import type { Random } from '#base/random.ts';
import { wholeBelow } from '#base/random.ts';
import type { ClusterView, Plugin } from './define-plugin.ts';
import type { NodeInfo } from './node-info.ts';
import { withPod } from './node-info.ts';
import { fits, unresolvable, type Verdict } from './verdict.ts';

/** Why a pod fits nowhere. */
export interface Refusal {
  nodeCount: number;
  /** By node; those that were not even looked at are missing. */
  verdicts: ReadonlyMap<NodeInfo, Refused>;
  /** Said once for all nodes, by a plugin that refused the pod before any node. */
  general: string | undefined;
  refusedBy: readonly Plugin[];
}

export type Refused = Verdict & { fits: false };
export type Decision = { nodeName: string; states: States } | { refusal: Refusal };
export type States = ReadonlyMap<Plugin, unknown>;

export interface CycleOptions {
  plugins: readonly Plugin[];
  random: Random;
  /** Awaited between nodes when it is time to let others run; undefined: not yet. */
  breathe(): Promise<void> | undefined;
  /** Pods that room was made for on a node. */
  nominatedOn?(nodeName: string): readonly Pod[];
  /** Where to begin: so that in a large cluster not always the same nodes are looked at. */
  startAt: number;
}

export async function decide(pod: Pod, cluster: ClusterView, options: CycleOptions): Promise<Decision> {
  const { nodes } = cluster;
  const prepared = prepareAll(pod, cluster, options.plugins);
  if ('refusal' in prepared) return prepared;
  const { states, candidates } = prepared;
  const filtering = options.plugins.filter((plugin) => plugin.filter && states.has(plugin));
  const verdicts = new Map<NodeInfo, Refused>();
  const refusedBy = new Set<Plugin>();
  const feasible: NodeInfo[] = [];
  const enough = howManyAreEnough(nodes.length);

  for (let i = 0; i < candidates.length && feasible.length < enough; i++) {
    const node = candidates[(options.startAt + i) % candidates.length] as NodeInfo;
    const refused = filterOn(pod, withNominated(pod, node, options), { filtering, states });
    if (refused) {
      verdicts.set(node, refused.verdict);
      refusedBy.add(refused.plugin);
    } else feasible.push(node);
    const pause = options.breathe();
    if (pause) await pause;
  }

  if (feasible.length === 0) {
    for (const plugin of prepared.narrowedBy) refusedBy.add(plugin);
    const names = prepared.narrowedBy.map(({ name }) => name).sort();
    const notConsidered = unresolvable(`node(s) didn't satisfy plugin(s) [${names.join(' ')}]`) as Refused;
    for (const node of nodes) if (!verdicts.has(node)) verdicts.set(node, notConsidered);
    return { refusal: { nodeCount: nodes.length, verdicts, general: undefined, refusedBy: [...refusedBy] } };
  }
  const chosen = feasible.length === 1 ? feasible[0] : best(pod, feasible, { cluster, states, ...options });
  return { nodeName: (chosen as NodeInfo).node.metadata.name, states };
}

interface Filters {
  filtering: readonly Plugin[];
  states: States;
}

function filterOn(pod: Pod, node: NodeInfo, { filtering, states }: Filters) {
  for (const plugin of filtering) {
    const verdict = plugin.filter?.(pod, node, states.get(plugin)) as Verdict;
    if (!verdict.fits) return { plugin, verdict };
  }
  return undefined;
}

/** Room that was made for others, of no lower priority, is taken. */
export function withNominated(pod: Pod, info: NodeInfo, { nominatedOn }: Pick<CycleOptions, 'nominatedOn'>): NodeInfo {
  const others = nominatedOn?.(info.node.metadata.name) ?? [];
  const counting = others.filter(
    ({ metadata, spec }) => metadata.uid !== pod.metadata.uid && (spec.priority ?? 0) >= (pod.spec.priority ?? 0),
  );
  return counting.reduce(withPod, info);
}

/** Whether the pod would fit on this one node of the view. */
export function fitsOn(pod: Pod, info: NodeInfo, cluster: ClusterView, plugins: readonly Plugin[]): Verdict {
  const prepared = prepareAll(pod, cluster, plugins);
  if ('refusal' in prepared) return unresolvable(prepared.refusal.general ?? '');
  const { states } = prepared;
  const filtering = plugins.filter((plugin) => plugin.filter && states.has(plugin));
  return filterOn(pod, info, { filtering, states })?.verdict ?? fits;
}

interface PreparedAll {
  states: Map<Plugin, unknown>;
  candidates: readonly NodeInfo[];
  narrowedBy: readonly Plugin[];
}

function prepareAll(pod: Pod, cluster: ClusterView, plugins: readonly Plugin[]): PreparedAll | { refusal: Refusal } {
  const states = new Map<Plugin, unknown>();
  const narrowedBy: Plugin[] = [];
  let candidates = cluster.nodes;
  for (const plugin of plugins) {
    const prepared = plugin.prepare?.(pod, cluster) ?? { state: undefined };
    if (prepared === 'skip') continue;
    if ('fits' in prepared) {
      if (!prepared.fits) return { refusal: refusalOf(plugin, prepared, cluster) };
      continue;
    }
    states.set(plugin, prepared.state);
    const { onlyNodes } = prepared;
    if (!onlyNodes) continue;
    narrowedBy.push(plugin);
    candidates = candidates.filter(({ node }) => onlyNodes.has(node.metadata.name));
  }
  return { states, candidates, narrowedBy };
}

function refusalOf(plugin: Plugin, verdict: Refused, { nodes }: ClusterView): Refusal {
  const verdicts = new Map(nodes.map((node) => [node, verdict]));
  return { nodeCount: nodes.length, verdicts, general: verdict.reasons.join(', '), refusedBy: [plugin] };
}

const FEW_NODES = 100;

/** Of many nodes a share is looked at: enough to choose well. Source: "Scheduler Performance Tuning", percentageOfNodesToScore. */
function howManyAreEnough(count: number): number {
  if (count < FEW_NODES) return count;
  const percent = Math.max(5, 50 - Math.floor(count / 125));
  return Math.max(FEW_NODES, Math.floor((count * percent) / 100));
}

interface Scoring extends CycleOptions {
  cluster: ClusterView;
  states: ReadonlyMap<Plugin, unknown>;
}

function best(pod: Pod, nodes: readonly NodeInfo[], { plugins, cluster, states, random }: Scoring): NodeInfo {
  const totals = new Array<number>(nodes.length).fill(0);
  for (const plugin of plugins) {
    if (!plugin.score) continue;
    const state = plugin.prepareScore
      ? plugin.prepareScore(pod, nodes, cluster, states.get(plugin))
      : states.get(plugin);
    if (state === 'skip') continue;
    const scores = nodes.map((node) => plugin.score?.(pod, node, state) ?? 0);
    const normal = plugin.normalize?.(scores, nodes, state) ?? normalized(scores, plugin.prefer);
    for (const [index, score] of normal.entries()) totals[index] = (totals[index] ?? 0) + score * (plugin.weight ?? 1);
  }
  const most = Math.max(...totals);
  const equal = nodes.filter((_, index) => totals[index] === most);
  return equal[wholeBelow(random, equal.length)] as NodeInfo;
}

/** The largest becomes 100; turned round where the lower is preferred. */
function normalized(scores: readonly number[], prefer: Plugin['prefer']): readonly number[] {
  if (!prefer) return scores;
  const most = Math.max(...scores);
  if (most === 0) return scores.map(() => (prefer === 'lower' ? 100 : 0));
  const scaled = scores.map((score) => Math.floor((score * 100) / most));
  return prefer === 'lower' ? scaled.map((score) => 100 - score) : scaled;
}
