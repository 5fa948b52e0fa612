/** Which of the nodes that fit is the best one. */
import type { Pod } from '#api/core/v1/pod.ts';
import type { Random } from '#base/random.ts';
import { wholeBelow } from '#base/random.ts';
import type { ClusterView, Plugin } from './define-plugin.ts';
import type { NodeInfo } from './node-info.ts';
import { pointsOf } from './points.ts';
import type { Answers, Scorer } from './remembered-answers.ts';
import type { States } from './trial.ts';

export interface Scoring {
  plugins: readonly Plugin[];
  cluster: ClusterView;
  states: States;
  /** Kept from pods that asked the same; and where the nodes stand in them. */
  remembered: { answers: Answers; places: readonly number[] } | undefined;
  /** What others than plugins give, by node. */
  further: readonly number[] | undefined;
}

/** Used for one decision after the other: hundreds of numbers for every pod are not to be thrown away. */
let scratch = { scores: new Float64Array(), totals: new Float64Array() };

/** Of all that have a say, with their weights, in the order of the nodes. Holds until it is called again. */
export function totalsOf(pod: Pod, nodes: readonly NodeInfo[], scoring: Scoring): Float64Array {
  const { remembered, further } = scoring;
  const scorers = scorersOf(pod, nodes, scoring);
  remembered?.answers.score(pod, nodes, { places: remembered.places, scorers });
  if (scratch.totals.length !== nodes.length)
    scratch = { scores: new Float64Array(nodes.length), totals: new Float64Array(nodes.length) };
  const { scores, totals } = scratch;
  if (further) totals.set(further);
  else totals.fill(0);
  for (const scorer of scorers) {
    if (remembered && scorer.plugin.sign) remembered.answers.copyScores(scorer.plugin, remembered.places, scores);
    else giveScores(scores, scorer, { pod, nodes, places: remembered?.places });
    add(finalScores(scorer, scores, nodes), scorer.plugin.weight ?? 1, totals);
  }
  return totals;
}

function add(scores: Float64Array, weight: number, totals: Float64Array): void {
  for (let i = 0; i < totals.length; i++) totals[i] = (totals[i] as number) + (scores[i] as number) * weight;
}

/** From what a plugin gave to each node to what counts, 0…100 each, its weight not yet in it; in place. */
export function finalScores({ plugin, state }: Scorer, scores: Float64Array, nodes: readonly NodeInfo[]): Float64Array {
  if (plugin.normalize) plugin.normalize(scores, nodes, state);
  else if (plugin.prefer) normalize(scores, plugin.prefer);
  return scores;
}

/** Those that have a say, each with what it has prepared. */
export function scorersOf(
  pod: Pod,
  nodes: readonly NodeInfo[],
  { plugins, cluster, states }: Pick<Scoring, 'plugins' | 'cluster' | 'states'>,
): Scorer[] {
  const scorers: Scorer[] = [];
  for (const plugin of pointsOf(plugins).score) {
    const prepared = states.get(plugin);
    const state = plugin.prepareScore ? plugin.prepareScore(pod, nodes, cluster, prepared) : prepared;
    if (state !== 'skip') scorers.push({ plugin, state });
  }
  return scorers;
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

interface Given {
  pod: Pod;
  nodes: readonly NodeInfo[];
  places: readonly number[] | undefined;
}

function giveScores(scores: Float64Array, { plugin, state }: Scorer, { pod, nodes, places }: Given): void {
  for (let i = 0; i < nodes.length; i++) scores[i] = plugin.score(pod, nodes[i] as NodeInfo, state, places?.[i]);
}

/** The largest becomes 100; turned round where the lower is preferred. */
function normalize(scores: Float64Array, prefer: 'lower' | 'higher'): void {
  let most = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < scores.length; i++) if ((scores[i] as number) > most) most = scores[i] as number;
  for (let i = 0; i < scores.length; i++) {
    const share = most === 0 ? 0 : Math.floor(((scores[i] as number) * 100) / most);
    scores[i] = prefer === 'lower' ? 100 - share : share;
  }
}
