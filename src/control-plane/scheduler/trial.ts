/** Whether a pod would fit on one node, and whether it would if other pods came there or went. Nothing real is changed. */
import type { Pod } from '#api/core/v1/pod.ts';
import type { Plugin } from './define-plugin.ts';
import type { NodeInfo } from './node-info.ts';
import { pointsOf, type With } from './points.ts';
import { fits, type Refused, type Verdict } from './verdict.ts';

/** What the plugins prepared, by plugin; those that are missing do not filter. */
export type States = ReadonlyMap<Plugin, unknown>;

export interface FilterOf {
  plugin: With<'filter'>;
  state: unknown;
}

/** Those that have a say about this pod, in their order. */
export function filtersOf(plugins: readonly Plugin[], states: States): FilterOf[] {
  const filters: FilterOf[] = [];
  for (const plugin of pointsOf(plugins).filter)
    if (states.has(plugin)) filters.push({ plugin, state: states.get(plugin) });
  return filters;
}

export interface RefusedOn {
  plugin: Plugin;
  verdict: Refused;
}

/** The first that refuses, from the `first` on; undefined: the pod fits. */
export function refusedOn(pod: Pod, node: NodeInfo, filters: readonly FilterOf[], first = 0): RefusedOn | undefined {
  for (let i = first; i < filters.length; i++) {
    const { plugin, state } = filters[i] as FilterOf;
    const verdict = plugin.filter(pod, node, state);
    if (!verdict.fits) return { plugin, verdict };
  }
  return undefined;
}

/** For the node at this place of the whole list; only where the state is what `prepare` made. */
export function refusedAt(
  place: number,
  pod: Pod,
  { node, filters, first }: { node: NodeInfo; filters: readonly FilterOf[]; first: number },
): RefusedOn | undefined {
  for (let i = first; i < filters.length; i++) {
    const { plugin, state } = filters[i] as FilterOf;
    const verdict = plugin.filterAt ? plugin.filterAt(place, state) : plugin.filter(pod, node, state);
    if (!verdict.fits) return { plugin, verdict };
  }
  return undefined;
}

export class Trial {
  readonly #pod: Pod;
  readonly #filters: readonly FilterOf[];
  readonly node: NodeInfo;

  constructor(pod: Pod, node: NodeInfo, filters: readonly FilterOf[]) {
    this.#pod = pod;
    this.node = node;
    this.#filters = filters;
  }

  verdict(): Verdict {
    return this.refused()?.verdict ?? fits;
  }

  refused(): RefusedOn | undefined {
    return refusedOn(this.#pod, this.node, this.#filters);
  }

  /** As if this pod were there as well. */
  with(other: Pod): Trial {
    const node = this.node.withPod(other);
    return this.#changed(node, (plugin, state) => plugin.withPod?.(state, other, node, this.#pod) ?? state);
  }

  /** As if these of its pods were not there. */
  without(...others: readonly Pod[]): Trial {
    const node = this.node.withoutPods(others);
    return this.#changed(node, (plugin, before) => {
      let state = before;
      for (const other of others) state = plugin.withoutPod?.(state, other, node, this.#pod) ?? state;
      return state;
    });
  }

  #changed(node: NodeInfo, stateOf: (plugin: Plugin, state: unknown) => unknown): Trial {
    const isSame = this.#filters.every(({ plugin }) => !plugin.withPod && !plugin.withoutPod);
    if (isSame) return new Trial(this.#pod, node, this.#filters);
    const filters = this.#filters.map(({ plugin, state }) => ({ plugin, state: stateOf(plugin, state) }));
    return new Trial(this.#pod, node, filters);
  }
}
