/** Where the pods behind a port of a Service are. */
import type { EndpointSlice, Service } from '#api/generated/schema.ts';

export interface Endpoint {
  address: string;
  port: number;
}

/** Ready ones, sorted; when there is none, those that still serve while they end, so that a last pod loses nothing. */
export function endpointsOf(
  service: Service | undefined,
  portName: string,
  slices: readonly EndpointSlice[],
): Endpoint[] {
  const wanted = service?.spec.ports?.find(({ name, port }) => name === portName || String(port) === portName);
  if (!wanted || service?.spec.type === 'ExternalName') return [];
  const found = slices.flatMap((slice) => {
    const port = slice.ports?.find(({ name }) => (name ?? '') === (wanted.name ?? ''))?.port;
    if (!port || slice.addressType === 'FQDN') return [];
    return (slice.endpoints ?? []).flatMap(({ addresses: [address], conditions }) => {
      const isReady = conditions?.ready ?? true; // unknown counts as ready (EndpointConditions)
      return address ? [{ address, port, isReady, isServing: conditions?.serving ?? isReady }] : [];
    });
  });
  const ready = found.filter(({ isReady }) => isReady);
  const usable = ready.length > 0 ? ready : found.filter(({ isServing }) => isServing);
  const byAddress = new Map(usable.map(({ address, port }) => [`${address} ${port}`, { address, port }]));
  return [...byAddress].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, endpoint]) => endpoint);
}
