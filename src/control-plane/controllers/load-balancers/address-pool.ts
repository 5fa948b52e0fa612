/** Which address of a pool a Service gets. Nothing is stored: what is taken stands in the Services' statuses. */
import type { Service } from '#api/core/v1/service.ts';
import { canonicalIp, formatIp, type IpRange, isInRange, maskedIp, parseCidr } from '#api/machinery/ip.ts';
import { NotYet } from '../errors.ts';

const MOST_TRIED = 65_536;

/**
 * The one that it has, or wishes (`spec.loadBalancerIP`), or the first that is free; never the first and the last of the
 * range, which mean the network and everybody in it. Throws NotYet when there is none.
 */
export function addressFor(service: Service, pool: string, taken: ReadonlySet<string>): string {
  const { spec, status } = service;
  // In the one way of writing it: what is taken is compared as text.
  const wished = spec.loadBalancerIP && (canonicalIp(spec.loadBalancerIP) ?? spec.loadBalancerIP);
  const range = parseCidr(pool);
  const edges = range ? edgesOf(range) : [];
  if (wished) {
    if (!isInRange(pool, wished)) throw new NotYet(`the address ${wished} is not in the pool ${pool}`);
    if (edges.includes(wished)) throw new NotYet(`the address ${wished} is the first or the last of the pool ${pool}`);
    if (taken.has(wished)) throw new NotYet(`the address ${wished} is taken`);
    return wished;
  }
  const isFree = (ip: string) => isInRange(pool, ip) && !edges.includes(ip) && !taken.has(ip);
  const present = status?.loadBalancer?.ingress?.find(({ ip }) => ip && isFree(ip))?.ip;
  const found = present ?? (range && firstFree(range, taken));
  if (!found) throw new NotYet(`the pool ${pool} has no free address`);
  return found;
}

function firstFree(range: IpRange, taken: ReadonlySet<string>): string | undefined {
  const first = maskedIp(range);
  const size = Math.min(MOST_TRIED, 2 ** (first.length * 8 - range.prefixLength));
  for (let offset = 1; offset < size - 1; offset++) {
    const ip = formatIp(at(first, offset));
    if (!taken.has(ip)) return ip;
  }
  return undefined;
}

function edgesOf(range: IpRange): string[] {
  const first = maskedIp(range);
  const ones = maskedIp({ ...range, address: first.map(() => 0xff) });
  return [first, first.map((byte, i) => byte | (~(ones[i] ?? 0) & 0xff))].map(formatIp);
}

function at(base: Uint8Array, offset: number): Uint8Array {
  const address = Uint8Array.from(base);
  let carry = offset;
  for (let i = address.length - 1; carry > 0 && i >= 0; i--) {
    carry += address[i] ?? 0;
    address[i] = carry & 0xff;
    carry >>= 8;
  }
  return address;
}
