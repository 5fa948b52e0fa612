/** Looks at nodes in turn until enough are found that a pod fits on. */
import type { Pod } from '#api/core/v1/pod.ts';
import type { CycleOptions, PreparedAll } from './cycle.ts';
import type { ClusterView } from './define-plugin.ts';
import type { NodeInfo } from './node-info.ts';
import type { Answers } from './remembered-answers.ts';
import { type FilterOf, type RefusedOn, refusedAt, refusedOn, Trial } from './trial.ts';

export interface Found {
  feasible: readonly NodeInfo[];
  /** And by whom each; mostly nobody wants to know. */
  refused: NodeInfo[];
  refusals: RefusedOn[];
  looked: number;
  answers: Answers | undefined;
  /** Stands for all pods about which these filters say the same; undefined: one of them says something of this pod alone. */
  alike: object | undefined;
  /** Of the feasible ones, where there are answers. */
  places: readonly number[];
}

export type Filtering = CycleOptions & { prepared: PreparedAll };

/** So many nodes are looked at between two looks at the clock. */
const NODES_AT_ONCE = 64;

export async function search(pod: Pod, cluster: ClusterView, options: Filtering): Promise<Found> {
  const looking = new Search(pod, cluster, options);
  looking.lookAtSome(NODES_AT_ONCE);
  while (!looking.isOver) {
    const pause = options.breathe();
    if (pause) await pause;
    looking.lookAtSome(NODES_AT_ONCE);
  }
  return looking.found;
}

/** Its loop is no part of an async function, where it takes half as long again: hundreds of nodes are looked at for each pod. */
class Search {
  readonly #pod: Pod;
  readonly #candidates: readonly NodeInfo[];
  readonly #filters: readonly FilterOf[];
  readonly #nominatedOn: CycleOptions['nominatedOn'];
  readonly #answers: Answers | undefined;
  /** The filters whose verdicts the answers keep. */
  readonly #kept: readonly FilterOf[];
  readonly #enough: number;
  /** At once as long as they mostly get, as they are made for every pod. */
  readonly #feasible: NodeInfo[];
  readonly #places: number[];
  readonly #refused: NodeInfo[] = [];
  readonly #refusals: RefusedOn[] = [];
  #fitting = 0;
  #looked = 0;
  #place: number;

  constructor(pod: Pod, cluster: ClusterView, options: Filtering) {
    const { candidates, filters } = options.prepared;
    const isWhole = candidates === cluster.nodes && candidates.length > FEW_NODES;
    this.#pod = pod;
    this.#candidates = candidates;
    this.#filters = filters;
    this.#nominatedOn = options.nominatedOn;
    this.#answers = isWhole ? options.remembered?.about(pod, cluster, options.plugins) : undefined;
    this.#kept = this.#answers ? filters.slice(0, signing(filters)) : NO_FILTERS;
    this.#enough = howManyAreEnough(candidates.length, options.percentageOfNodesToScore);
    this.#feasible = new Array<NodeInfo>(this.#enough);
    this.#places = new Array<number>(this.#enough);
    this.#place = options.startAt % candidates.length;
  }

  get isOver(): boolean {
    return this.#looked >= this.#candidates.length || this.#fitting >= this.#enough;
  }

  get found(): Found {
    this.#feasible.length = this.#fitting;
    this.#places.length = this.#fitting;
    return {
      feasible: this.#feasible,
      refused: this.#refused,
      refusals: this.#refusals,
      looked: this.#looked,
      answers: this.#answers,
      alike: this.#kept.length === this.#filters.length ? this.#answers?.alike : undefined,
      places: this.#places,
    };
  }

  lookAtSome(count: number): void {
    for (let left = count; left > 0 && !this.isOver; left--) {
      const place = this.#place;
      const node = this.#candidates[place] as NodeInfo;
      const answer = this.#refusedAt(place, node) ?? this.#refusedBeside(node);
      if (answer) {
        this.#refused.push(node);
        this.#refusals.push(answer);
      } else {
        this.#feasible[this.#fitting] = node;
        this.#places[this.#fitting++] = place;
      }
      this.#looked++;
      this.#place = place + 1 === this.#candidates.length ? 0 : place + 1;
    }
  }

  #refusedAt(place: number, node: NodeInfo): RefusedOn | undefined {
    const filters = this.#filters;
    if (!this.#answers) return refusedOn(this.#pod, node, filters);
    return (
      this.#answers.refusedAt(place, this.#pod, { node, filters: this.#kept }) ??
      refusedAt(place, this.#pod, { node, filters, first: this.#kept.length })
    );
  }

  /** Where it fits by itself, with the pods that room was made for, if they are of no lower priority: they may come. */
  #refusedBeside(node: NodeInfo): RefusedOn | undefined {
    const nominated = this.#nominatedOn?.(node.node.metadata.name);
    if (!nominated || nominated.length === 0) return undefined;
    return trialWith(nominated, this.#pod, { node, filters: this.#filters }).refused();
  }
}

const NO_FILTERS: readonly FilterOf[] = [];

/** How many of the first ones. */
function signing(filters: readonly FilterOf[]): number {
  const first = filters.findIndex(({ plugin }) => !plugin.sign);
  return first < 0 ? filters.length : first;
}

/** How it would be beside those of the nominated pods that count. */
export const trialWith = (
  nominated: readonly Pod[],
  pod: Pod,
  { node, filters }: { node: NodeInfo; filters: readonly FilterOf[] },
): Trial =>
  nominated
    .filter(
      ({ metadata, spec }) => metadata.uid !== pod.metadata.uid && (spec.priority ?? 0) >= (pod.spec.priority ?? 0),
    )
    .reduce((trial, other) => trial.with(other), new Trial(pod, node, filters));

const FEW_NODES = 100;

/** Of many nodes a share is looked at: enough to choose well. Source: "Scheduler Performance Tuning", percentageOfNodesToScore. */
function howManyAreEnough(count: number, percentage = 0): number {
  if (count < FEW_NODES) return count;
  const percent = percentage || Math.max(5, 50 - Math.floor(count / 125));
  return percent >= 100 ? count : Math.max(FEW_NODES, Math.floor((count * percent) / 100));
}
