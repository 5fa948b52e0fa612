/**
 * The tunnels that nodes have opened, and which of them leads to an address. Only the node itself may open one, under its own
 * name, and it is used for nothing but its kubelet and the addresses of its own pods: a node that claims a range that is not
 * its own alone is not believed.
 */
import type { Duplex } from 'node:stream';
import type { Node } from '#api/core/v1/node.ts';
import { isInRange, parseCidr, rangeContains } from '#api/machinery/ip.ts';
import { forbidden } from '#api/machinery/status.ts';
import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { Informer } from '#client/informer.ts';
import type { UserInfo } from '#client/transport.ts';
import { Tunnel } from './tunnel.ts';

export interface TunnelServices {
  /** Asked for with the first tunnel. */
  nodes(): Informer<Node>;
  clock: Clock;
  log: Log;
}

/** Opens a connection. Throws as a dial does. */
export type Way = () => Promise<Duplex>;

export interface Destination {
  host: string;
  port: number;
  /** Whose kubelet it is; undefined: a pod's address, or anything else. */
  kubeletOf?: string | undefined;
}

export class Tunnels {
  readonly #services: TunnelServices;
  readonly #tunnels = new Map<string, Tunnel>();
  #nodes: Informer<Node> | undefined;

  constructor(services: TunnelServices) {
    this.#services = services;
  }

  /** undefined: dialled directly. */
  wayTo({ host, port, kubeletOf }: Destination): Way | undefined {
    if (this.#tunnels.size === 0) return undefined;
    const tunnel = this.#tunnels.get(kubeletOf ?? this.#nodeOf(host) ?? '');
    return tunnel && (async () => tunnel.open(host, port));
  }

  /** Throws Forbidden. A node that comes again has lost its former connection, whether or not that is known here. */
  accept(nodeName: string, user: UserInfo, socket: Duplex): Promise<void> {
    refuseOthers(nodeName, user);
    const { clock, log } = this.#services;
    this.#nodes ??= this.#services.nodes();
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: kedge-tunnel\r\n\r\n');
    const tunnel = new Tunnel(socket, clock);
    this.#tunnels.get(nodeName)?.close();
    this.#tunnels.set(nodeName, tunnel);
    log.info('a node has opened its tunnel', { node: nodeName });
    return tunnel.closed.then(() => {
      if (this.#tunnels.get(nodeName) !== tunnel) return;
      this.#tunnels.delete(nodeName);
      log.info('the tunnel of a node is gone', { node: nodeName });
    });
  }

  close(): void {
    for (const tunnel of this.#tunnels.values()) tunnel.close();
  }

  /** The one node that has the address among its pods'. Nodes themselves are among nobody's pods. */
  #nodeOf(host: string): string | undefined {
    const nodes = this.#nodes?.list() ?? [];
    for (const name of this.#tunnels.keys()) {
      const node = this.#nodes?.get(name);
      const range = node && podRangesOf(node).find((each) => isInRange(each, host));
      if (range === undefined) continue;
      const isAlone = nodes.every(
        (other) =>
          !addressesOf(other).some((address) => isInRange(range, address)) &&
          (other === node || !podRangesOf(other).some((each) => overlap(each, range))),
      );
      return isAlone ? name : undefined;
    }
    return undefined;
  }
}

/** RBAC may let others: a tunnel is the node's own all the same. */
function refuseOthers(nodeName: string, user: UserInfo): void {
  if (user.name === `system:node:${nodeName}` && user.groups.includes('system:nodes')) return;
  throw forbidden({ group: '', plural: 'nodes' }, nodeName, 'only the node itself may open its tunnel');
}

const podRangesOf = ({ spec }: Node): string[] => spec.podCIDRs ?? (spec.podCIDR ? [spec.podCIDR] : []);

const addressesOf = ({ status }: Node): string[] => (status?.addresses ?? []).map(({ address }) => address);

function overlap(one: string, other: string): boolean {
  const [a, b] = [parseCidr(one), parseCidr(other)];
  return !!a && !!b && (rangeContains(a, b.address) || rangeContains(b, a.address));
}
