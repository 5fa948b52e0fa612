/** The provider of load balancers that every cluster with real nodes has: addresses of a pool, routed from this machine to its nodes. */
import type { Node } from '#api/core/v1/node.ts';
import type { Service } from '#api/core/v1/service.ts';
import { isInRange } from '#api/machinery/ip.ts';
import { keyOf, type ObjectKey } from '#api/machinery/object.ts';
import { NotYet } from '#control-plane/controllers/errors.ts';
import { addressFor } from '#control-plane/controllers/load-balancers/address-pool.ts';
import type { LoadBalancers } from '#control-plane/controllers/load-balancers/load-balancers.ts';
import { dropRoute, routeToBalancer } from '#node/machine/host-network.ts';
import { CommandFailed } from '#node/machine/run-command.ts';
import type { SlotPlan } from '#node/machine/slots.ts';

/** What is changed on this machine. */
export interface BalancerRoutes {
  routeToBalancer(address: string, gateways: readonly string[]): Promise<void>;
  dropRoute(range: string): Promise<void>;
}

export function localLoadBalancers(
  { balancerRanges: [pool = ''], ingressAddresses, nodeRanges }: SlotPlan,
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
    return [...mine].filter((ip) => isInRange(pool, ip) && !others.has(ip));
  }

  async function drop(addresses: readonly string[]): Promise<void> {
    for (const ip of addresses) await routes.dropRoute(`${ip}/32`).catch(throwNotYet);
  }

  return {
    async ensure({ service, nodes, taken }) {
      const ip = addressFor(service, pool, new Set([...taken, ...ingressAddresses]));
      const gateways = nodes.flatMap((node) => addressOnBridge(node, nodeRanges) ?? []);
      if (nodes.length > 0 && gateways.length === 0) throw new NotYet('none of its nodes is on this machine');
      const old = routedFor(service).filter((other) => other !== ip && !taken.has(other));
      routed.set(keyOf(service), [...old, ip]);
      await routes.routeToBalancer(ip, gateways).catch(throwNotYet);
      await drop(old);
      routed.set(keyOf(service), [ip]);
      return [{ ip }];
    },
    async remove(service) {
      await drop(routedFor(service));
      routed.delete(keyOf(service));
    },
  };
}

/** Nodes on machines of their own are not next to this one: traffic for their pods goes through one that is. */
function addressOnBridge({ status }: Node, nodeRanges: readonly string[]): string | undefined {
  const isHere = (ip: string) => nodeRanges.some((range) => isInRange(range, ip));
  return status?.addresses?.find(({ type, address }) => type === 'InternalIP' && isHere(address))?.address;
}

function throwNotYet(error: unknown): never {
  if (error instanceof CommandFailed) throw new NotYet(error.message);
  throw error;
}
