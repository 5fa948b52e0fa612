/** The provider of load balancers that every cluster with real nodes has: addresses of a pool, routed from this machine to its nodes. */
import type { Node } from '#api/core/v1/node.ts';
import type { Service } from '#api/core/v1/service.ts';
import { isInRange } from '#api/machinery/ip.ts';
import { keyOf, type ObjectKey } from '#api/machinery/object.ts';
import { NotYet } from '#control-plane/controllers/errors.ts';
import { addressFor } from '#control-plane/controllers/load-balancers/address-pool.ts';
import type { LoadBalancers } from '#control-plane/controllers/load-balancers/load-balancers.ts';
import { hostRange } from '#node/machine/address-range.ts';
import { dropRoute, routeToBalancer } from '#node/machine/host-network.ts';
import { CommandFailed } from '#node/machine/run-command.ts';
import type { SlotPlan } from '#node/machine/slots.ts';

/** What is changed on this machine. */
export interface BalancerRoutes {
  routeToBalancer(address: string, gateways: readonly string[]): Promise<void>;
  dropRoute(range: string): Promise<void>;
}

export function localLoadBalancers(
  { balancerRanges, ingressAddresses, nodeRanges }: SlotPlan,
  routes: BalancerRoutes = { routeToBalancer, dropRoute },
): LoadBalancers {
  /** Also what a step began that then failed, and what no status says. */
  const routed = new Map<ObjectKey, readonly string[]>();

  /** All that may be routed for it; not what another Service has. */
  function routedFor(service: Service): string[] {
    const key = keyOf(service);
    const said = (service.status?.loadBalancer?.ingress ?? []).flatMap(({ ip }) => ip || []);
    const others = new Set([...routed].flatMap(([owner, ips]) => (owner === key ? [] : ips)).concat(ingressAddresses));
    const mine = new Set([...said, ...(routed.get(key) ?? [])]);
    return [...mine].filter((ip) => balancerRanges.some((pool) => isInRange(pool, ip)) && !others.has(ip));
  }

  async function drop(addresses: readonly string[]): Promise<void> {
    for (const ip of addresses) await routes.dropRoute(hostRange(ip)).catch(throwNotYet);
  }

  return {
    async ensure({ service, nodes, taken }) {
      const pools = poolsFor(service, balancerRanges);
      const all = new Set([...taken, ...ingressAddresses]);
      const ips = pools.map((pool) => addressFor(service, pool, all));
      const gatewaysOf = (ip: string) => nodes.flatMap((node) => addressOnBridge(node, nodeRanges, ip) ?? []);
      if (nodes.length > 0 && ips.some((ip) => gatewaysOf(ip).length === 0))
        throw new NotYet('none of its nodes is on this machine');
      const old = routedFor(service).filter((other) => !ips.includes(other) && !taken.has(other));
      routed.set(keyOf(service), [...old, ...ips]);
      for (const ip of ips) await routes.routeToBalancer(ip, gatewaysOf(ip)).catch(throwNotYet);
      await drop(old);
      routed.set(keyOf(service), ips);
      return ips.map((ip) => ({ ip }));
    },
    async remove(service) {
      await drop(routedFor(service));
      routed.delete(keyOf(service));
    },
  };
}

/** One for each family that the Service is offered in, in its order; one that wishes for an address has the wish's alone. */
function poolsFor({ spec }: Service, pools: readonly string[]): string[] {
  const ofFamily = (isIpv6: boolean) => pools.find((pool) => pool.includes(':') === isIpv6);
  if (spec.loadBalancerIP) return [ofFamily(spec.loadBalancerIP.includes(':')) ?? ''];
  const families = spec.ipFamilies?.length ? spec.ipFamilies : ['IPv4'];
  return families.flatMap((family) => ofFamily(family === 'IPv6') ?? []);
}

/** Nodes on machines of their own are not next to this one: traffic for their pods goes through one that is. */
function addressOnBridge({ status }: Node, nodeRanges: readonly string[], balancer: string): string | undefined {
  const isIpv6 = balancer.includes(':');
  const isHere = (ip: string) => ip.includes(':') === isIpv6 && nodeRanges.some((range) => isInRange(range, ip));
  return status?.addresses?.find(({ type, address }) => type === 'InternalIP' && isHere(address))?.address;
}

function throwNotYet(error: unknown): never {
  if (error instanceof CommandFailed) throw new NotYet(error.message);
  throw error;
}
