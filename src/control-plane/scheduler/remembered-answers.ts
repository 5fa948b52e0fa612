/**
 * What plugins have said of nodes, kept for the next pods that ask the same: most pods are one of many of a template. An answer
 * holds as long as the node and what is placed on it are the same, which a NodeInfo is or is not: a placement makes another one.
 * Kept are only answers of plugins that say what of a pod they depend on (`sign`), and of filters only those before the first
 * that does not. Compare KEP-5598, opportunistic batching.
 */
import type { Pod } from '#api/core/v1/pod.ts';
import type { Plugin } from './define-plugin.ts';
import type { NodeInfo } from './node-info.ts';
import { pointsOf, type With } from './points.ts';
import { type FilterOf, type RefusedOn, refusedOn } from './trial.ts';

/** So many different pods are remembered; each takes about 50 bytes a node. */
const MOST_DIFFERENT = 32;

export class RememberedAnswers {
  readonly #answers = new Map<string, Answers>();
  #nodes: readonly NodeInfo[] | undefined;

  /** Places are those in this list, which may be changed but not exchanged for another one. */
  about(pod: Pod, nodes: readonly NodeInfo[], plugins: readonly Plugin[]): Answers {
    if (nodes !== this.#nodes) {
      this.#answers.clear();
      this.#nodes = nodes;
    }
    const key = signatureOf(pod, plugins);
    const known = this.#answers.get(key);
    const answers = known ?? new Answers(nodes.length);
    if (known) this.#answers.delete(key);
    this.#answers.set(key, answers);
    if (this.#answers.size > MOST_DIFFERENT) this.#answers.delete(this.#answers.keys().next().value as string);
    return answers;
  }
}

/** Plugins of two profiles may sign alike and answer differently. */
function signatureOf(pod: Pod, plugins: readonly Plugin[]): string {
  const { sign } = pointsOf(plugins);
  const parts = new Array<unknown>(sign.length);
  for (let i = 0; i < sign.length; i++) parts[i] = (sign[i] as With<'sign'>).sign(pod);
  return JSON.stringify([pod.spec.schedulerName, parts]);
}

/** About one sort of pods; by the places of the nodes. */
export class Answers {
  /** The nodes that were meant. */
  readonly #filtered: (NodeInfo | undefined)[];
  readonly #refused: (RefusedOn | undefined)[];
  readonly #scored: (NodeInfo | undefined)[];
  readonly #scores = new Map<Plugin, Float64Array>();

  constructor(count: number) {
    this.#filtered = new Array<NodeInfo | undefined>(count).fill(undefined);
    this.#refused = new Array<RefusedOn | undefined>(count).fill(undefined);
    this.#scored = new Array<NodeInfo | undefined>(count).fill(undefined);
  }

  /** By the filters that sign. */
  refusedAt(place: number, pod: Pod, { node, filters }: { node: NodeInfo; filters: readonly FilterOf[] }) {
    if (this.#filtered[place] !== node) {
      this.#refused[place] = refusedOn(pod, node, filters);
      this.#filtered[place] = node;
    }
    return this.#refused[place];
  }

  /** Of plugins that sign, in the order of `places`; each list before it is normalised. */
  scoresAt(
    places: readonly number[],
    pod: Pod,
    { nodes, scorers }: { nodes: readonly NodeInfo[]; scorers: readonly Scorer[] },
  ) {
    const kept = scorers.map(({ plugin }) => this.#keptFor(plugin));
    for (let i = 0; i < places.length; i++) {
      const place = places[i] as number;
      const node = nodes[i] as NodeInfo;
      if (this.#scored[place] === node) continue;
      for (let s = 0; s < scorers.length; s++) {
        const { plugin, state } = scorers[s] as Scorer;
        (kept[s] as Float64Array)[place] = plugin.score(pod, node, state);
      }
      this.#scored[place] = node;
    }
    return new Map(scorers.map(({ plugin }, s) => [plugin as Plugin, gathered(kept[s] as Float64Array, places)]));
  }

  #keptFor(plugin: Plugin): Float64Array {
    let scores = this.#scores.get(plugin);
    if (!scores) {
      scores = new Float64Array(this.#scored.length);
      this.#scores.set(plugin, scores);
      this.#scored.fill(undefined);
    }
    return scores;
  }
}

/** A plugin that has a say in the score of this pod. */
export interface Scorer {
  plugin: With<'score'>;
  state: unknown;
}

function gathered(scores: Float64Array, places: readonly number[]): number[] {
  const found = new Array<number>(places.length);
  for (let i = 0; i < places.length; i++) found[i] = scores[places[i] as number] as number;
  return found;
}
