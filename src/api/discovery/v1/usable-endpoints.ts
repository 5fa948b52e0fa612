/**
 * Which endpoints traffic may use. Source: API reference, EndpointConditions, EndpointHints; KEP-1669 (terminating endpoints),
 * KEP-3015 (hints for zones and nodes).
 */
import type { EndpointConditions, EndpointHints } from '#api/generated/schema.ts';

export interface EndpointState {
  isReady: boolean;
  /** Also while it terminates. */
  isServing: boolean;
  /** Where the traffic is to come from. */
  hints?: EndpointHints | undefined;
}

/** Where traffic comes from. */
export interface Place {
  nodeName: string;
  zone: string | undefined;
}

/** Unknown counts as ready. */
export function endpointStateOf(conditions: EndpointConditions | undefined): EndpointState {
  const isReady = conditions?.ready ?? true;
  return { isReady, isServing: conditions?.serving ?? isReady };
}

/**
 * The ready ones, of them those for this place; when there is none, those that still serve while they terminate, so that a
 * last pod loses nothing.
 */
export function usableOf<T extends EndpointState>(endpoints: readonly T[], place?: Place): readonly T[] {
  const ready = endpoints.every(({ isReady }) => isReady) ? endpoints : endpoints.filter(({ isReady }) => isReady);
  if (ready.length === 0) return endpoints.filter(({ isServing }) => isServing);
  return place && ready[0]?.hints ? forPlace(ready, place) : ready;
}

/** Hints count when every endpoint has one, and one of them is for this place: for the node, else for the zone. */
function forPlace<T extends EndpointState>(ready: readonly T[], { nodeName, zone }: Place): readonly T[] {
  if (ready.every(({ hints }) => hints?.forNodes?.length)) {
    const near = ready.filter(({ hints }) => hints?.forNodes?.some(({ name }) => name === nodeName));
    if (near.length > 0) return near;
  }
  if (!ready.every(({ hints }) => hints?.forZones?.length)) return ready;
  const near = ready.filter(({ hints }) => hints?.forZones?.some(({ name }) => name === zone));
  return near.length > 0 ? near : ready;
}
