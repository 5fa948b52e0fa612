/** Addresses of a node in the mode `ipvs`: its own, and those of Services on a device made for them. Pure. Source: ip-address(8). */
import { canonicalIp, formatIp, parseIp } from '#api/machinery/ip.ts';
import { familyOf, type IpFamily } from '#network/netfilter/ip-family.ts';

/** By upstream's name. Nothing is sent through it: it only makes the addresses the node's. */
export const DUMMY = 'kube-ipvs0';

export interface Addresses {
  /** On the device. */
  bound: ReadonlySet<string>;
  /** How many there are with those of the other family; undefined: there is no such device. */
  boundOfAll: number | undefined;
  /** At which ports of the node are answered. */
  node: string[];
  /** Of its networks. */
  broadcasts: ReadonlySet<string>;
}

interface Listed {
  ifname: string;
  addr_info: { local?: string; prefixlen?: number }[];
}

/** @param listing of `ip -j address show`. */
export function addressesIn(
  listing: string,
  { family, ownAddresses }: { family: IpFamily; ownAddresses: readonly string[] },
): Addresses {
  const devices = JSON.parse(listing) as Listed[];
  const addressesOf = ({ addr_info: infos }: Listed) => infos.flatMap(({ local }) => canonicalIp(local ?? '') ?? []);
  const dummy = devices.find(({ ifname }) => ifname === DUMMY);
  const bound = dummy && addressesOf(dummy);
  const others = devices.filter((device) => device !== dummy).flatMap(addressesOf);
  const isOfNode = (ip: string) => familyOf(ip) === family && isReached(ip) && !ownAddresses.includes(ip);
  return {
    bound: new Set(bound?.filter((ip) => familyOf(ip) === family)),
    boundOfAll: bound?.length,
    node: [...new Set(others)].filter(isOfNode).sort(),
    broadcasts: new Set(devices.flatMap(({ addr_info: infos }) => infos.flatMap(broadcastsOf))),
  };
}

/** The last address of a network of IPv4, unless it is one of two or the only one. */
function broadcastsOf({ local = '', prefixlen = 32 }: Listed['addr_info'][number]): string[] {
  const address = prefixlen < 31 ? parseIp(local) : undefined;
  if (address?.length !== 4) return [];
  return [formatIp(address.map((byte, i) => byte | (0xff >> Math.min(8, Math.max(0, prefixlen - 8 * i)))))];
}

/** Neither loopback nor an address of one link only. */
const isReached = (ip: string): boolean => !/^(127\.|::1$|fe[89ab][0-9a-f]:)/.test(ip);

/** For `ip -batch`. */
export const addressLines = (verb: 'add' | 'delete', ips: readonly string[]): string[] =>
  ips.map((ip) =>
    ip.includes(':') ? `address ${verb} ${ip}/128 dev ${DUMMY}` : `address ${verb} ${ip}/32 dev ${DUMMY}`,
  );
