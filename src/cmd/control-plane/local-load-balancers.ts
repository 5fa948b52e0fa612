/** The provider of load balancers that every cluster with real nodes has: addresses of a pool, routed from this machine to its nodes. */
import type { Node } from '#api/core/v1/node.ts';
import { parseCidr, parseIp, rangeContains } from '#api/machinery/ip.ts';
import { NotYet } from '#control-plane/controllers/errors.ts';
import { addressFor } from '#control-plane/controllers/load-balancers/address-pool.ts';
import type { LoadBalancers } from '#control-plane/controllers/load-balancers/load-balancers.ts';
import { dropRoute, routeToBalancer } from '#node/machine/host-network.ts';
import { CommandFailed } from '#node/machine/run-command.ts';
import type { SlotPlan } from '#node/machine/slots.ts';

export function localLoadBalancers({
  balancerRanges: [pool = ''],
  ingressAddresses,
  nodeRanges,
}: SlotPlan): LoadBalancers {
  return {
    async ensure({ service, nodes, taken }) {
      const ip = addressFor(service, pool, new Set([...taken, ...ingressAddresses]));
      const gateways = nodes.flatMap((node) => addressOnBridge(node, nodeRanges) ?? []);
      await routeToBalancer(ip, gateways).catch(throwNotYet);
      return [{ ip }];
    },
    async remove({ status }) {
      for (const { ip } of status?.loadBalancer?.ingress ?? []) if (ip) await dropRoute(`${ip}/32`).catch(throwNotYet);
    },
  };
}

/** Nodes on machines of their own are not next to this one: traffic for their pods goes through one that is. */
function addressOnBridge({ status }: Node, nodeRanges: readonly string[]): string | undefined {
  const isHere = (ip: string) => nodeRanges.some((range) => isIn(range, ip));
  return status?.addresses?.find(({ type, address }) => type === 'InternalIP' && isHere(address))?.address;
}

function isIn(range: string, ip: string): boolean {
  const [parsed, address] = [parseCidr(range), parseIp(ip)];
  return !!parsed && !!address && rangeContains(parsed, address);
}

function throwNotYet(error: unknown): never {
  if (error instanceof CommandFailed) throw new NotYet(error.message);
  throw error;
}
