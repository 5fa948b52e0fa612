/**
 * Which zone or node each endpoint is meant for. The Service asks for it: with `trafficDistribution`, an endpoint is for where
 * it is; with the annotation of topology-aware routing, zones get endpoints by their share of CPU. Source: KEP-4444, KEP-3015,
 * KEP-2433.
 */
import type { Endpoint, EndpointHints, EndpointSlice, Service } from '#api/generated/schema.ts';
import { isEqual } from '#api/machinery/equal.ts';
import { keyOf, type ObjectKey } from '#api/machinery/object.ts';
import type { Draft } from '#client/client.ts';
import { type Capacities, sharesOfZones } from './zone-shares.ts';

/** The slices of one family, before hints. */
export interface Layout {
  family: string;
  create: Draft<EndpointSlice>[];
  update: EndpointSlice[];
  unchanged: EndpointSlice[];
}

export interface Hinted {
  create: Draft<EndpointSlice>[];
  update: EndpointSlice[];
  events: HintEvent[];
}

export interface HintEvent {
  type: 'Normal' | 'Warning';
  reason: string;
  message: string;
}

const ANNOTATIONS = ['service.kubernetes.io/topology-aware-hints', 'service.kubernetes.io/topology-mode'];
const DISTRIBUTIONS = ['PreferClose', 'PreferSameZone', 'PreferSameNode'];

/** The older annotation counts where both are there. */
export function asksForZoneShares({ metadata: { annotations } }: Service): boolean {
  const value = ANNOTATIONS.map((name) => annotations?.[name]).find((each) => each !== undefined);
  return value === 'Auto' || value === 'auto';
}

export interface HintSources {
  capacities(): Capacities;
  /** Services whose hints follow shares of zones, by key: kept here. */
  byShares: Set<ObjectKey>;
}

export function withHints(service: Service, layout: Layout, { capacities, byShares }: HintSources): Hinted {
  const key = keyOf(service);
  const had = byShares.delete(key);
  if (asksForZoneShares(service)) {
    const hinted = hintedByShares(layout, capacities());
    if (hinted.areGiven) byShares.add(key);
    return had ? { ...hinted, events: hinted.events.filter(({ type }) => type === 'Warning') } : hinted;
  }
  const { trafficDistribution = '' } = service.spec;
  const isNear = DISTRIBUTIONS.includes(trafficDistribution);
  const forNodes = trafficDistribution === 'PreferSameNode';
  const hinted = each(layout, isNear ? (endpoint) => nearHints(endpoint, forNodes) : () => undefined);
  return { ...hinted, events: had ? [disabled('Topology Aware Hints has been disabled', layout)] : [] };
}

export const hasHints = ({ endpoints }: Pick<EndpointSlice, 'endpoints'>): boolean =>
  endpoints.some(({ hints }) => hints !== undefined);

export const isReadyEndpoint = ({ conditions }: Endpoint): boolean => conditions?.ready === true;

function nearHints(endpoint: Endpoint, forNodes: boolean): EndpointHints | undefined {
  const { zone, nodeName } = endpoint;
  if (!isReadyEndpoint(endpoint) || (!zone && !(forNodes && nodeName))) return undefined;
  return {
    ...(zone && { forZones: [{ name: zone }] }),
    ...(forNodes && nodeName && { forNodes: [{ name: nodeName }] }),
  };
}

/** A slice that nothing else changes is written where a hint does. */
function each(layout: Layout, hintsOf: (endpoint: Endpoint) => EndpointHints | undefined): Omit<Hinted, 'events'> {
  const apply = <S extends Pick<EndpointSlice, 'endpoints'>>(slice: S): S => ({
    ...slice,
    endpoints: slice.endpoints.map((endpoint) => withHint(endpoint, hintsOf(endpoint))),
  });
  const stale = layout.unchanged.filter(({ endpoints }) =>
    endpoints.some((endpoint) => !isEqual(endpoint.hints, hintsOf(endpoint))),
  );
  return { create: layout.create.map(apply), update: [...layout.update, ...stale].map(apply) };
}

function withHint({ hints: _, ...endpoint }: Endpoint, hints: EndpointHints | undefined): Endpoint {
  return hints ? { ...endpoint, hints } : endpoint;
}

function hintedByShares(layout: Layout, capacities: Capacities): Hinted & { areGiven: boolean } {
  const shares = sharesOfZones(layout, capacities);
  if ('refusal' in shares)
    return { ...each(layout, () => undefined), areGiven: false, events: [disabled(shares.refusal, layout)] };
  const { zoneOf, redone } = shares;
  const apply = <S extends Pick<EndpointSlice, 'endpoints'>>(slice: S): S => ({
    ...slice,
    endpoints: slice.endpoints.map((endpoint) => {
      const zone = zoneOf.get(endpoint);
      return withHint(endpoint, zone === undefined ? undefined : { forZones: [{ name: zone }] });
    }),
  });
  const message = `Topology Aware Hints has been enabled, addressType: ${layout.family}`;
  return {
    create: layout.create.map(apply),
    update: [...layout.update, ...redone].map(apply),
    areGiven: true,
    events: [{ type: 'Normal', reason: 'TopologyAwareHintsEnabled', message }],
  };
}

const disabled = (why: string, { family }: Layout): HintEvent => ({
  type: 'Warning',
  reason: 'TopologyAwareHintsDisabled',
  message: `${why}, addressType: ${family}`,
});
