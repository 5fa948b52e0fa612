/** Which endpoints traffic may use. Source: API reference, EndpointConditions; KEP-1669 (terminating endpoints). */
import type { EndpointConditions } from '#api/generated/schema.ts';

export interface EndpointState {
  isReady: boolean;
  /** Also while it terminates. */
  isServing: boolean;
}

/** Unknown counts as ready. */
export function endpointStateOf(conditions: EndpointConditions | undefined): EndpointState {
  const isReady = conditions?.ready ?? true;
  return { isReady, isServing: conditions?.serving ?? isReady };
}

/** The ready ones; when there is none, those that still serve while they terminate, so that a last pod loses nothing. */
export function usableOf<T extends EndpointState>(endpoints: readonly T[]): T[] {
  const ready = endpoints.filter(({ isReady }) => isReady);
  return ready.length > 0 ? ready : endpoints.filter(({ isServing }) => isServing);
}
