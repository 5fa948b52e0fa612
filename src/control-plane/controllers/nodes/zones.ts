/**
 * How much of a zone is down decides whether its pods are sent away: when everything seems down, it is more likely that we
 * are cut off. Source: nodelifecycle, ComputeZoneState and handleDisruption.
 */
import type { Node } from '#api/generated/schema.ts';
import { readinessOf } from './node-taints.ts';

type ZoneState = 'normal' | 'partial' | 'full';

/** Above this share of nodes that are not ready a zone is partially down. */
const UNHEALTHY_SHARE = 0.55;
/** A zone of more nodes goes on, slowly, when it is partially down; a smaller one stops. */
const LARGE_ZONE = 50;
/** Source: --node-eviction-rate and --secondary-node-eviction-rate, in nodes a second. */
const EVERY_MS = 10_000;
const SLOWLY_EVERY_MS = 100_000;

export const zoneOf = ({ metadata: { labels = {} } }: Node): string =>
  `${labels['topology.kubernetes.io/region'] ?? ''}:${labels['topology.kubernetes.io/zone'] ?? ''}`;

const isCounted = ({ metadata }: Node): boolean =>
  metadata.labels?.['node.kubernetes.io/exclude-disruption'] === undefined;

function stateOf(nodes: readonly Node[]): ZoneState {
  const down = nodes.filter((node) => readinessOf(node) !== 'True').length;
  if (down === nodes.length && down > 0) return 'full';
  return down > 2 && down / nodes.length >= UNHEALTHY_SHARE ? 'partial' : 'normal';
}

/** The pace at which nodes may be tainted for eviction, one zone at a time. */
export class EvictionPace {
  readonly #nextMs = new Map<string, number>();

  /** 0: now (and that is then used up); undefined: not as things are; else how long to wait, in ms. */
  waitMs(node: Node, all: readonly Node[], nowMs: number): number | undefined {
    const zones = groupByZone(all);
    const zone = zoneOf(node);
    if ([...zones.values()].every((nodes) => stateOf(nodes) === 'full')) return undefined;
    const nodes = zones.get(zone) ?? [];
    const isPartial = stateOf(nodes) === 'partial';
    if (isPartial && nodes.length <= LARGE_ZONE) return undefined;
    const waitMs = Math.max(0, (this.#nextMs.get(zone) ?? 0) - nowMs);
    if (waitMs === 0) this.#nextMs.set(zone, nowMs + (isPartial ? SLOWLY_EVERY_MS : EVERY_MS));
    return waitMs;
  }
}

function groupByZone(nodes: readonly Node[]): Map<string, Node[]> {
  const zones = new Map<string, Node[]>();
  for (const node of nodes.filter(isCounted)) {
    const zone = zones.get(zoneOf(node));
    if (zone) zone.push(node);
    else zones.set(zoneOf(node), [node]);
  }
  return zones;
}

/** Everything seems down: then nothing is sent away, and what was begun is taken back. */
export const isAllDown = (nodes: readonly Node[]): boolean =>
  nodes.length > 0 && [...groupByZone(nodes).values()].every((zone) => stateOf(zone) === 'full');
