/** Which address of a pool a Service gets. Nothing is stored: what is taken stands in the Services' statuses. */
import type { Service } from '#api/core/v1/service.ts';
import { formatIp, parseCidr, parseIp, rangeContains } from '#api/machinery/ip.ts';
import { NotYet } from '../errors.ts';

const MOST_TRIED = 65_536;

/**
 * The one that it has, or wishes (`spec.loadBalancerIP`), or the first that is free; never the first and the last of the
 * range, which mean the network and everybody in it. Throws NotYet when there is none.
 */
export function addressFor(service: Service, pool: string, taken: ReadonlySet<string>): string {
  const { spec, status } = service;
  const wished = spec.loadBalancerIP;
  const isFree = (ip: string) => isInPool(ip, pool) && !taken.has(ip);
  if (wished) {
    if (!isInPool(wished, pool)) throw new NotYet(`the address ${wished} is not in the pool ${pool}`);
    if (taken.has(wished)) throw new NotYet(`the address ${wished} is another Service's`);
    return wished;
  }
  const present = status?.loadBalancer?.ingress?.find(({ ip }) => ip && isFree(ip))?.ip;
  const found = present ?? firstFree(pool, taken);
  if (!found) throw new NotYet(`the pool ${pool} has no free address`);
  return found;
}

function firstFree(pool: string, taken: ReadonlySet<string>): string | undefined {
  const range = parseCidr(pool);
  if (!range) return undefined;
  const size = Math.min(MOST_TRIED, 2 ** (range.address.length * 8 - range.prefixLength));
  for (let offset = 1; offset < size - 1; offset++) {
    const ip = formatIp(at(range.address, offset));
    if (!taken.has(ip)) return ip;
  }
  return undefined;
}

function isInPool(ip: string, pool: string): boolean {
  const [address, range] = [parseIp(ip), parseCidr(pool)];
  return !!address && !!range && rangeContains(range, address);
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
