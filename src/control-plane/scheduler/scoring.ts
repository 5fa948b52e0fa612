/** Which of the nodes that fit is the best one. */
import type { Pod } from '#api/core/v1/pod.ts';
import type { Random } from '#base/random.ts';
import { wholeBelow } from '#base/random.ts';
import type { ClusterView, Plugin } from './define-plugin.ts';
import type { NodeInfo } from './node-info.ts';
import { pointsOf, type With } from './points.ts';
import type { Answers, Scorer } from './remembered-answers.ts';
import type { States } from './trial.ts';

export interface Scoring {
  plugins: readonly Plugin[];
  cluster: ClusterView;
  states: States;
  /** Kept from pods that asked the same; and where the nodes stand in them. */
  remembered?: { answers: Answers; places: readonly number[] };
}

/** What one plugin makes of the nodes, in their order: 0…100 each, its weight not yet in it. */
export interface PluginScores {
  plugin: Plugin;
  scores: readonly number[];
}

/** Of the plugins that have a say. */
export function scoresOf(pod: Pod, nodes: readonly NodeInfo[], scoring: Scoring): PluginScores[] {
  const scorers = scorersOf(pod, nodes, scoring);
  const known = scoring.remembered?.answers.scoresAt(scoring.remembered.places, pod, {
    nodes,
    scorers: scorers.filter(({ plugin }) => plugin.sign),
  });
  return scorers.map(({ plugin, state }) => {
    const raw = known?.get(plugin) ?? rawScores(plugin, pod, { nodes, state, places: scoring.remembered?.places });
    return { plugin, scores: finalScores({ plugin, state }, raw, nodes) };
  });
}

/** From what a plugin gave to each node to what counts. */
export const finalScores = (
  { plugin, state }: Scorer,
  raw: readonly number[],
  nodes: readonly NodeInfo[],
): readonly number[] => plugin.normalize?.(raw, nodes, state) ?? normalized(raw, plugin.prefer);

/** Those that have a say, each with what it has prepared. */
export function scorersOf(pod: Pod, nodes: readonly NodeInfo[], { plugins, cluster, states }: Scoring): Scorer[] {
  const scorers: Scorer[] = [];
  for (const plugin of pointsOf(plugins).score) {
    const prepared = states.get(plugin);
    const state = plugin.prepareScore ? plugin.prepareScore(pod, nodes, cluster, prepared) : prepared;
    if (state !== 'skip') scorers.push({ plugin, state });
  }
  return scorers;
}

/** Used for one decision after the other, and not longer than until the best has been found. */
let scratch = new Float64Array(512);

/** With all weights; `further`: what others than plugins give, by node. Holds until it is called again. */
export function totalsOf(given: readonly PluginScores[], count: number, further?: readonly number[]): Float64Array {
  if (scratch.length < count) scratch = new Float64Array(count * 2);
  const totals = scratch.subarray(0, count).fill(0);
  for (const { plugin, scores } of given) {
    const weight = plugin.weight ?? 1;
    for (let i = 0; i < count; i++) totals[i] = (totals[i] as number) + (scores[i] as number) * weight;
  }
  if (further) for (let i = 0; i < count; i++) totals[i] = (totals[i] as number) + (further[i] as number);
  return totals;
}

/** Of several that are equally good any one. */
export function bestOf(nodes: readonly NodeInfo[], totals: Float64Array, random: Random): NodeInfo {
  let most = Number.NEGATIVE_INFINITY;
  let count = 0;
  for (let i = 0; i < totals.length; i++) {
    const total = totals[i] as number;
    if (total > most) {
      most = total;
      count = 1;
    } else if (total === most) count++;
  }
  let left = wholeBelow(random, count);
  let place = 0;
  while (totals[place] !== most || left-- > 0) place++;
  return nodes[place] as NodeInfo;
}

function rawScores(
  plugin: With<'score'>,
  pod: Pod,
  { nodes, state, places }: { nodes: readonly NodeInfo[]; state: unknown; places: readonly number[] | undefined },
): number[] {
  const scores = new Array<number>(nodes.length);
  for (let i = 0; i < nodes.length; i++) scores[i] = plugin.score(pod, nodes[i] as NodeInfo, state, places?.[i]);
  return scores;
}

/** The largest becomes 100; turned round where the lower is preferred. */
function normalized(scores: readonly number[], prefer: Plugin['prefer']): readonly number[] {
  if (!prefer) return scores;
  const most = largest(scores);
  const found = new Array<number>(scores.length);
  for (let i = 0; i < scores.length; i++) {
    const share = most === 0 ? 0 : Math.floor(((scores[i] as number) * 100) / most);
    found[i] = prefer === 'lower' ? 100 - share : share;
  }
  return found;
}

function largest(scores: readonly number[]): number {
  let most = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < scores.length; i++) if ((scores[i] as number) > most) most = scores[i] as number;
  return most;
}
