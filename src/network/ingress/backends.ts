/** Where the pods behind a port of a Service are. */
import { endpointStateOf, type Place, usableOf } from '#api/discovery/v1/usable-endpoints.ts';
import type { EndpointSlice, Service } from '#api/generated/schema.ts';

export interface Endpoint {
  address: string;
  port: number;
}

/** As in a URL. */
export const at = ({ address, port }: Endpoint): string =>
  address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;

/** Those that traffic from a place may use, sorted. */
export function endpointsOf(
  service: Service | undefined,
  portName: string,
  slices: readonly EndpointSlice[],
  place?: Place,
): Endpoint[] {
  const wanted = service?.spec.ports?.find(({ name, port }) => name === portName || String(port) === portName);
  if (!wanted || service?.spec.type === 'ExternalName') return [];
  const found = slices.flatMap((slice) => {
    const port = slice.ports?.find(({ name }) => (name ?? '') === (wanted.name ?? ''))?.port;
    if (!port || slice.addressType === 'FQDN') return [];
    return (slice.endpoints ?? []).flatMap(({ addresses: [address], conditions, hints }) => {
      return address ? [{ address, port, ...endpointStateOf(conditions), hints }] : [];
    });
  });
  const byAddress = new Map(
    usableOf(found, place).map(({ address, port }) => [`${address} ${port}`, { address, port }]),
  );
  return [...byAddress].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, endpoint]) => endpoint);
}
