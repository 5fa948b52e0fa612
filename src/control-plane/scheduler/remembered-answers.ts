/**
 * What plugins have said of nodes, kept for the next pods that ask the same: most pods are one of many of a template. An answer
 * holds as long as the node and what is placed on it are the same: a placement makes another NodeInfo, which the version of its
 * place tells without a look at hundreds of them. Kept are only answers of plugins that say what of a pod they depend on (`sign`),
 * and of filters only those before the first that does not. Compare KEP-5598, opportunistic batching.
 */
import type { Pod } from '#api/core/v1/pod.ts';
import { isEqual } from '#api/machinery/equal.ts';
import type { ClusterView, Plugin } from './define-plugin.ts';
import type { NodeInfo } from './node-info.ts';
import { pointsOf, type With } from './points.ts';
import { type FilterOf, type RefusedOn, refusedOn } from './trial.ts';

/** So many different pods are remembered; each takes about 50 bytes a node. */
const MOST_DIFFERENT = 32;

interface Signed {
  /** Plugins of two profiles may sign alike and answer differently. */
  schedulerName: string | undefined;
  parts: readonly unknown[];
}

export class RememberedAnswers {
  readonly #answers = new Map<string, Answers>();
  /** What was asked for last is mostly asked for again. */
  #latest: { signed: Signed; answers: Answers } | undefined;
  #nodes: readonly NodeInfo[] | undefined;

  /** By places in the list of the cluster's nodes, as long as it is the same list. */
  about(pod: Pod, { nodes, versions }: Pick<ClusterView, 'nodes' | 'versions'>, plugins: readonly Plugin[]): Answers {
    if (nodes !== this.#nodes) {
      this.#answers.clear();
      this.#latest = undefined;
      this.#nodes = nodes;
    }
    const signed = { schedulerName: pod.spec.schedulerName, parts: signedParts(pod, plugins) };
    if (!this.#latest || !isEqual(signed, this.#latest.signed))
      this.#latest = { signed, answers: this.#answersTo(signed, versions) };
    return this.#latest.answers;
  }

  #answersTo(signed: Signed, versions: ClusterView['versions']): Answers {
    const key = JSON.stringify(signed);
    const answers = this.#answers.get(key) ?? new Answers(versions);
    this.#answers.delete(key);
    this.#answers.set(key, answers);
    if (this.#answers.size > MOST_DIFFERENT) this.#answers.delete(this.#answers.keys().next().value as string);
    return answers;
  }
}

function signedParts(pod: Pod, plugins: readonly Plugin[]): unknown[] {
  const { sign } = pointsOf(plugins);
  const parts = new Array<unknown>(sign.length);
  for (let i = 0; i < sign.length; i++) parts[i] = (sign[i] as With<'sign'>).sign(pod);
  return parts;
}

/** About one sort of pods; by the places of the nodes. */
export class Answers {
  /** Stands for these pods. Whoever keeps it for long does not keep the answers, which are as large as the cluster. */
  readonly alike = {};
  readonly #versions: ClusterView['versions'];
  /** The versions of the nodes that were meant. */
  readonly #filtered: Uint32Array;
  readonly #scored: Uint32Array;
  readonly #refused: (RefusedOn | undefined)[];
  readonly #scores = new Map<Plugin, Float64Array>();

  constructor(versions: ClusterView['versions']) {
    this.#versions = versions;
    this.#filtered = new Uint32Array(versions.length);
    this.#scored = new Uint32Array(versions.length);
    this.#refused = new Array<RefusedOn | undefined>(versions.length).fill(undefined);
  }

  /** By the filters that sign. */
  refusedAt(place: number, pod: Pod, { node, filters }: { node: NodeInfo; filters: readonly FilterOf[] }) {
    const version = this.#versions[place] as number;
    if (this.#filtered[place] !== version) {
      this.#refused[place] = refusedOn(pod, node, filters);
      this.#filtered[place] = version;
    }
    return this.#refused[place];
  }

  /** Has those that sign score the nodes that are not what they were. */
  score(
    pod: Pod,
    nodes: readonly NodeInfo[],
    { places, scorers }: { places: readonly number[]; scorers: readonly Scorer[] },
  ): void {
    const signing = scorers.filter(({ plugin }) => plugin.sign);
    const kept = signing.map(({ plugin }) => this.#keptFor(plugin));
    for (let i = 0; i < places.length; i++) {
      const place = places[i] as number;
      const version = this.#versions[place] as number;
      if (this.#scored[place] === version) continue;
      for (let s = 0; s < signing.length; s++) {
        const { plugin, state } = signing[s] as Scorer;
        (kept[s] as Float64Array)[place] = plugin.score(pod, nodes[i] as NodeInfo, state);
      }
      this.#scored[place] = version;
    }
  }

  /** What this one, that signs, gave to the nodes at these places, before it is normalised. */
  copyScores(plugin: Plugin, places: readonly number[], to: Float64Array): void {
    const kept = this.#keptFor(plugin);
    for (let i = 0; i < places.length; i++) to[i] = kept[places[i] as number] as number;
  }

  #keptFor(plugin: Plugin): Float64Array {
    let scores = this.#scores.get(plugin);
    if (!scores) {
      scores = new Float64Array(this.#scored.length);
      this.#scores.set(plugin, scores);
      this.#scored.fill(0);
    }
    return scores;
  }
}

/** A plugin that has a say in the score of this pod. */
export interface Scorer {
  plugin: With<'score'>;
  state: unknown;
}
