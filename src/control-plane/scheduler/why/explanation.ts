/**
 * Why a pod is where it is, or nowhere: every plugin is asked about every node, as of now. A pod that has its node is looked
 * at as if it had none. Nothing is changed. On many nodes that takes time: others run in between, and the cluster must hold
 * still meanwhile.
 */
import type { Node } from '#api/core/v1/node.ts';
import type { Pod } from '#api/core/v1/pod.ts';
import { conditionOf } from '#api/core/v1/pod-conditions.ts';
import type {
  Complaint,
  NodeExplanation,
  PluginScore,
  SchedulingExplanation,
} from '#api/kedge/v1alpha1/scheduling-explanation.ts';
import { type PreparedAll, prepareAll } from '../cycle.ts';
import type { ClusterView, Plugin } from '../define-plugin.ts';
import { PluginFailed } from '../define-plugin.ts';
import type { NodeInfo } from '../node-info.ts';
import { pointsOf } from '../points.ts';
import type { Profile } from '../profile.ts';
import { finalScores, scorersOf } from '../scoring.ts';
import { type States, Trial } from '../trial.ts';
import type { Refused } from '../verdict.ts';
import { changesFor } from './remedies.ts';

interface Known {
  cluster: ClusterView;
  /** undefined: it is another scheduler's. */
  profile: Profile | undefined;
  /** Awaited when it is time to let others run; undefined: not yet. */
  breathe(): Promise<void> | undefined;
}

export async function explain(pod: Pod, { cluster, profile, breathe }: Known): Promise<SchedulingExplanation> {
  const { namespace = '', name } = pod.metadata;
  const { nodeName, schedulerName } = pod.spec;
  const message = nodeName ? undefined : conditionOf(pod, 'PodScheduled')?.message;
  const { nominatedNodeName } = pod.status ?? {};
  const about = {
    pod: { namespace, name },
    schedulerName,
    ...(nodeName && { nodeName }),
    ...(nominatedNodeName && !nodeName && { nominatedNodeName }),
    ...(message && { message }),
  };
  if (!profile) return { ...about, state: nodeName ? 'placed' : 'elsewhere', nodes: [] };
  const { plugins } = profile;
  const gate = nodeName ? undefined : gateOf(pod, plugins);
  if (gate) return { ...about, state: 'gated', general: gate, nodes: [] };
  const state = nodeName ? 'placed' : 'waiting';
  const unplaced: Pod = { ...pod, spec: { ...pod.spec } };
  delete (unplaced.spec as { nodeName?: string }).nodeName;
  try {
    return { ...about, state, ...(await explained(unplaced, { pod, cluster, plugins, breathe })) };
  } catch (error) {
    if (!(error instanceof PluginFailed)) throw error;
    return { ...about, state, general: { plugin: '', reasons: [error.message], changes: [] }, nodes: [] };
  }
}

function gateOf(pod: Pod, plugins: readonly Plugin[]): Complaint | undefined {
  for (const plugin of pointsOf(plugins).preEnqueue) {
    const verdict = plugin.preEnqueue(pod);
    if (verdict.fits) continue;
    const changes = (pod.spec.schedulingGates ?? []).map((gate) => `remove scheduling gate ${gate.name}`);
    return { plugin: plugin.name, reasons: verdict.reasons, changes };
  }
  return undefined;
}

interface Question {
  /** As the API has it. */
  pod: Pod;
  cluster: ClusterView;
  plugins: readonly Plugin[];
  breathe: Known['breathe'];
}

async function explained(
  unplaced: Pod,
  { pod, cluster, plugins, breathe }: Question,
): Promise<Pick<SchedulingExplanation, 'general' | 'nodes'>> {
  const prepared = prepareAll(unplaced, cluster, { plugins, nominatedOn: undefined });
  if ('refusal' in prepared) {
    const [plugin] = prepared.refusal.refusedBy;
    const [node, verdict] = [...prepared.refusal.verdicts][0] ?? [];
    const reasons = verdict?.reasons ?? [prepared.refusal.general ?? ''];
    const changes = node && verdict && plugin ? changesFor(plugin.name, unplaced, { node, verdict }) : [];
    return { general: { plugin: plugin?.name ?? '', reasons, changes }, nodes: [] };
  }
  const own = ownPlace(pod, cluster);
  const states = own ? statesWithout(prepared.states, own) : prepared.states;
  const nodes = cluster.nodes.map((node) => (node.node === own?.node.node ? own.node : node));
  const candidates = new Set(prepared.candidates.map(({ node }) => node));
  const asked: { node: NodeInfo; complaints: Complaint[] }[] = [];
  for (const node of nodes) {
    asked.push({ node, complaints: complaintsAbout(unplaced, node, { prepared, states, candidates }) });
    const pause = breathe();
    if (pause) await pause;
  }
  const feasible = asked.filter(({ complaints }) => complaints.length === 0).map(({ node }) => node);
  const scores = feasible.length > 0 ? await byNode(unplaced, feasible, { plugins, cluster, states, breathe }) : NONE;
  return {
    nodes: asked
      .map(({ node, complaints }) => asNode(node, complaints, scores.get(node) ?? []))
      .sort((a, b) => a.complaints.length - b.complaints.length || b.total - a.total || (a.name < b.name ? -1 : 1)),
  };
}

interface OwnPlace {
  pod: Pod;
  /** Without the pod. */
  node: NodeInfo;
}

function ownPlace(pod: Pod, cluster: ClusterView): OwnPlace | undefined {
  const info = pod.spec.nodeName ? cluster.nodeNamed(pod.spec.nodeName) : undefined;
  const there = info?.pods.find(({ metadata }) => metadata.uid === pod.metadata.uid);
  return info && there ? { pod: there, node: new Trial(pod, info, []).without(there).node } : undefined;
}

const statesWithout = (states: States, { pod, node }: OwnPlace): States =>
  new Map([...states].map(([plugin, state]) => [plugin, plugin.withoutPod?.(state, pod, node, pod) ?? state]));

const NONE: ReadonlyMap<NodeInfo, PluginScore[]> = new Map();

interface Asking {
  prepared: PreparedAll;
  states: States;
  /** Those that no plugin left out beforehand. */
  candidates: ReadonlySet<Node>;
}

/** All of them, where deciding would stop at the first. */
function complaintsAbout(pod: Pod, node: NodeInfo, { prepared, states, candidates }: Asking): Complaint[] {
  const complaints: Complaint[] = [];
  for (const { plugin } of prepared.filters) {
    const verdict = plugin.filter(pod, node, states.get(plugin));
    if (!verdict.fits) complaints.push(complaint(plugin.name, pod, { node, verdict }));
  }
  if (complaints.length === 0 && !candidates.has(node.node)) {
    const names = prepared.narrowedBy.map(({ name }) => name);
    const reasons = [`node(s) didn't satisfy plugin(s) [${[...names].sort().join(' ')}]`];
    complaints.push({ plugin: names[0] ?? '', reasons, changes: [] });
  }
  return complaints;
}

const complaint = (plugin: string, pod: Pod, of: { node: NodeInfo; verdict: Refused }): Complaint => ({
  plugin,
  reasons: of.verdict.reasons,
  changes: changesFor(plugin, pod, of),
});

interface Scoring {
  plugins: readonly Plugin[];
  cluster: ClusterView;
  states: States;
  breathe: Known['breathe'];
}

async function byNode(
  pod: Pod,
  nodes: readonly NodeInfo[],
  { breathe, ...scoring }: Scoring,
): Promise<ReadonlyMap<NodeInfo, PluginScore[]>> {
  const scores = new Map<NodeInfo, PluginScore[]>(nodes.map((node) => [node, []]));
  for (const scorer of scorersOf(pod, nodes, scoring)) {
    const { plugin, state } = scorer;
    const raw = new Float64Array(nodes.length);
    for (const [index, node] of nodes.entries()) {
      raw[index] = plugin.score(pod, node, state);
      const pause = breathe();
      if (pause) await pause;
    }
    const given = finalScores(scorer, raw, nodes);
    for (const [index, node] of nodes.entries())
      scores.get(node)?.push({ plugin: plugin.name, score: given[index] ?? 0, weight: plugin.weight ?? 1 });
    const pause = breathe();
    if (pause) await pause;
  }
  return scores;
}

const asNode = (
  { node }: NodeInfo,
  complaints: readonly Complaint[],
  scores: readonly PluginScore[],
): NodeExplanation => ({
  name: node.metadata.name,
  complaints,
  scores,
  total: scores.reduce((sum, { score, weight }) => sum + score * weight, 0),
});
