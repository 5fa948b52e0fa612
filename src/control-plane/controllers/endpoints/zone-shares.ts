/**
 * Endpoints for zones by their share of the cluster's CPU, with as few moved as can be. No zone may have so few that each
 * of them gets more than a fifth above its part. Source: KEP-2433.
 */
import type { Endpoint, EndpointSlice, Node } from '#api/generated/schema.ts';
import { quantityMilliValue } from '#api/machinery/quantity.ts';
import { isReadyEndpoint, type Layout } from './hints.ts';

const ZONE = 'topology.kubernetes.io/zone';
const EXCLUDED = ['node-role.kubernetes.io/control-plane', 'node-role.kubernetes.io/master'];
const OVERLOAD = 0.2;

/** By zone, what share of the CPU it has; undefined where that cannot be told. */
export type Capacities = ReadonlyMap<string, number> | undefined;

/** What of a node counts. */
export const capacityOf = ({ metadata: { labels }, status }: Node) => ({
  isCounted:
    !EXCLUDED.some((name) => labels?.[name] !== undefined) &&
    status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') === true,
  zone: labels?.[ZONE] ?? '',
  cpu: quantityMilliValue(status?.allocatable?.['cpu'] ?? '0'),
});

export function capacitiesOf(nodes: readonly Node[]): Capacities {
  const counted = nodes.map(capacityOf).filter(({ isCounted }) => isCounted);
  if (counted.some(({ zone, cpu }) => zone === '' || cpu === 0)) return undefined;
  const byZone = new Map<string, number>();
  for (const { zone, cpu } of counted) byZone.set(zone, (byZone.get(zone) ?? 0) + cpu);
  const total = [...byZone.values()].reduce((sum, cpu) => sum + cpu, 0);
  if (byZone.size < 2) return undefined;
  return new Map([...byZone].sort(([a], [b]) => (a < b ? -1 : 1)).map(([zone, cpu]) => [zone, cpu / total]));
}

interface Allocation {
  minimum: number;
  maximum: number;
  desired: number;
}
type Allocations = ReadonlyMap<string, Allocation>;

/** Of ready endpoints the zone, and the slices that have to be written for it alone; or why there are no hints. */
export type Shares = { zoneOf: ReadonlyMap<Endpoint, string>; redone: EndpointSlice[] } | { refusal: string };

export function sharesOfZones({ create, update, unchanged }: Layout, capacities: Capacities): Shares {
  const readyIn = (slices: readonly Pick<EndpointSlice, 'endpoints'>[]) =>
    slices.flatMap(({ endpoints }) => endpoints.filter(isReadyEndpoint));
  const allocations = allocationsFor(readyIn([...create, ...update, ...unchanged]).length, capacities);
  if ('refusal' in allocations) return allocations;

  const hinted = new Map<string, number>();
  const redone = unchanged.filter((slice) => !keeps(slice, allocations.byZone, hinted));
  const free = readyIn([...create, ...update, ...redone]);
  const zoneOf = new Map<Endpoint, string>();
  for (const endpoint of free) {
    if (!endpoint.zone) return { refusal: 'One or more endpoints do not have a zone specified' };
    zoneOf.set(endpoint, endpoint.zone);
    hinted.set(endpoint.zone, (hinted.get(endpoint.zone) ?? 0) + 1);
  }
  redistribute(free, zoneOf, exchangeOf(allocations.byZone, hinted));
  if (hinted.size === 0) return { refusal: 'No hints allocated for zones' };
  return { zoneOf, redone };
}

function allocationsFor(count: number, capacities: Capacities): { byZone: Allocations } | { refusal: string } {
  if (!capacities)
    return { refusal: 'Insufficient Node information: allocatable CPU or zone not specified on one or more nodes' };
  const counts = `(${count} endpoints, ${capacities.size} zones)`;
  if (capacities.size > count) return { refusal: `Insufficient number of endpoints ${counts}` };
  const wanted = [...capacities].map(([zone, share]) => {
    const minimum = Math.ceil((share * count) / (1 + OVERLOAD));
    return { zone, minimum, desired: Math.max(share * count, minimum) };
  });
  const spare = wanted.reduce((left, { minimum }) => left - minimum, count);
  if (spare < 0)
    return {
      refusal: `Unable to allocate minimum required endpoints to each zone without exceeding overload threshold ${counts}`,
    };
  return {
    byZone: new Map(wanted.map(({ zone, minimum, desired }) => [zone, { minimum, desired, maximum: minimum + spare }])),
  };
}

/** Whether its hints still do; then they count. */
function keeps({ endpoints }: EndpointSlice, allocations: Allocations, hinted: Map<string, number>): boolean {
  const own = new Map<string, number>();
  for (const { hints } of endpoints.filter(isReadyEndpoint)) {
    if (!hints?.forZones?.length) return false;
    for (const { name } of hints.forZones) own.set(name, (own.get(name) ?? 0) + 1);
  }
  for (const [zone, count] of own) {
    const allocation = allocations.get(zone);
    if (!allocation || count + (hinted.get(zone) ?? 0) > allocation.maximum) return false;
  }
  for (const [zone, count] of own) hinted.set(zone, (hinted.get(zone) ?? 0) + count);
  return true;
}

interface Exchange {
  gives: Map<string, number>;
  gets: Map<string, number>;
}

/** How many endpoints each zone gives away, or gets: one at a time from who has most too many to who has most too few. */
function exchangeOf(allocations: Allocations, hinted: ReadonlyMap<string, number>): Exchange {
  const surplus = new Map<string, number>();
  const want = new Map<string, number>();
  for (const [zone, { desired }] of allocations) {
    const over = (hinted.get(zone) ?? 0) - desired;
    if (over > 0) surplus.set(zone, over);
    if (over < 0) want.set(zone, -over);
  }
  const exchange: Exchange = { gives: new Map(), gets: new Map() };
  const move = (from: Map<string, number>, to: Map<string, number>, zone: string) => {
    from.set(zone, (from.get(zone) ?? 0) - 1);
    to.set(zone, (to.get(zone) ?? 0) + 1);
  };
  for (;;) {
    const [giver, toGive] = most(surplus);
    const [taker, toGet] = most(want);
    if ((toGive < 1 && toGet < 1) || toGive < 0.5 || toGet < 0.5) return exchange;
    move(surplus, exchange.gives, giver);
    move(want, exchange.gets, taker);
  }
}

const most = (zones: ReadonlyMap<string, number>): [zone: string, count: number] =>
  [...zones].reduce<[string, number]>((best, entry) => (entry[1] > best[1] ? entry : best), ['', 0]);

function redistribute(endpoints: readonly Endpoint[], zoneOf: Map<Endpoint, string>, { gives, gets }: Exchange): void {
  for (const endpoint of endpoints) {
    const own = endpoint.zone ?? '';
    const taker = [...gets].find(([, count]) => count > 0)?.[0];
    if (taker === undefined) return;
    if ((gives.get(own) ?? 0) <= 0) continue;
    zoneOf.set(endpoint, taker);
    gives.set(own, (gives.get(own) ?? 0) - 1);
    gets.set(taker, (gets.get(taker) ?? 0) - 1);
  }
}
