/** Subsets in one form, whatever they say in another one: the ports that the same addresses offer stand together. */
import type { EndpointAddress, EndpointPort, EndpointSubset } from '#api/generated/schema.ts';

interface Offer {
  /** undefined: a subset without ports. */
  port: EndpointPort | undefined;
  /** By address and target; whether it is ready there. */
  addresses: Map<string, boolean>;
}

/** An address that is not ready once for a port is not ready for it. Source: upstream's RepackSubsets. */
export function repackSubsets(subsets: readonly EndpointSubset[]): EndpointSubset[] {
  const known = new Map<string, EndpointAddress>();
  const offers = new Map<string, Offer>();
  for (const { addresses = [], notReadyAddresses = [], ports = [] } of subsets)
    for (const port of ports.length > 0 ? ports : [undefined]) {
      const offer = entry(offers, portKeyOf(port), (): Offer => ({ port, addresses: new Map() }));
      const add = (address: EndpointAddress, isReady: boolean) => {
        const key = keyOf(address);
        entry(known, key, () => address);
        offer.addresses.set(key, isReady && offer.addresses.get(key) !== false);
      };
      for (const address of addresses) add(address, true);
      for (const address of notReadyAddresses) add(address, false);
    }
  const byAddresses = new Map<string, Offer[]>();
  for (const offer of offers.values()) entry(byAddresses, textOf(offer.addresses), (): Offer[] => []).push(offer);
  return [...byAddresses.values()].map((same) => subsetOf(same, known));
}

/** They are offered by the same addresses. */
function subsetOf(offers: readonly Offer[], known: ReadonlyMap<string, EndpointAddress>): EndpointSubset {
  const all = [...(offers[0]?.addresses ?? [])].sort(([a], [b]) => (a < b ? -1 : 1));
  const those = (isReady: boolean) => all.filter(([, ready]) => ready === isReady).map(([key]) => known.get(key)!);
  const [addresses, notReadyAddresses] = [those(true), those(false)];
  const ports = offers.flatMap(({ port }) => port ?? []);
  return {
    ...(addresses.length > 0 && { addresses }),
    ...(notReadyAddresses.length > 0 && { notReadyAddresses }),
    ...(ports.length > 0 && { ports }),
  };
}

const textOf = (addresses: Offer['addresses']): string =>
  [...addresses]
    .map(([key, isReady]) => `${key} ${isReady}`)
    .sort()
    .join();

/** Whatever the order in which somebody wrote its fields. */
const portKeyOf = (port: EndpointPort | undefined): string =>
  port ? [port.name, port.protocol, port.port, port.appProtocol].join() : '';

const keyOf = ({ ip, targetRef }: EndpointAddress): string => `${ip} ${targetRef?.uid ?? ''}`;

function entry<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}
