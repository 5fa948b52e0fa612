/** Nodes that are machines of their own: what the cluster's machine keeps for them is an address range, a route and an invitation. */
import { isIPv4 } from 'node:net';
import type { ClusterRecord, NodeRecord } from '#node/machine/cluster-dir.ts';
import { type RoutedNode, wayTo } from '#node/machine/host-network.ts';
import { freeIndex } from '#node/machine/node-layout.ts';
import { nodePlanOf, planOf } from '#node/machine/slots.ts';
import type { Invitation } from '../agent/invitation.ts';
import type { Pki } from '../pki/pki.ts';
import { nodeCredentials } from './node-credentials.ts';
import { NodeRefused } from './node-refused.ts';

export interface FarNode extends RoutedNode {
  name: string;
}

export function farNodes({ nodes, slot }: ClusterRecord): FarNode[] {
  return Object.entries(nodes).flatMap(([name, { index, address }]) => {
    if (!address) return [];
    const { podRanges } = nodePlanOf(planOf(slot), index);
    return { name, addresses: [address], podRanges, isElsewhere: true };
  });
}

export interface InvitationWish {
  name: string;
  address: string;
  /** The API server's URL; undefined: at an address of this machine that the node reaches. */
  server?: string;
}

/** The place of the node in the cluster's record: the one it has, or a new one. Throws NodeRefused. */
export function placeFor(cluster: ClusterRecord, { name, address }: InvitationWish): NodeRecord {
  if (!isIPv4(address)) throw new NodeRefused(`"${address}" is not an IPv4 address`);
  const there = cluster.nodes[name];
  if (there && there.address === undefined) throw new NodeRefused(`node "${name}" runs on this machine`);
  if (there && there.address !== address) {
    throw new NodeRefused(`node "${name}" is at ${there.address}; remove it first`);
  }
  const [other] = farNodes(cluster).filter((node) => node.name !== name && node.addresses.includes(address));
  if (other) throw new NodeRefused(`${address} is node "${other.name}" already`);
  return there ?? { index: freeIndex(cluster.nodes), address };
}

/** Where the node and this machine reach one another. Throws NodeRefused when they do not. */
export async function linkTo(
  cluster: ClusterRecord,
  wish: InvitationWish,
  lookUp = wayTo,
): Promise<{ gateway: string; server: string }> {
  const { address } = wish;
  const way = await lookUp(address).catch((error: Error) => {
    throw new NodeRefused(`this machine has no way to ${address}: ${error.message}`);
  });
  if (way.isLocal) throw new NodeRefused(`${address} is an address of this machine; use \`kedge node add\``);
  if (!way.isDirect) {
    throw new NodeRefused(
      `${address} is behind a router, which knows no way to the nodes and pods behind this machine (\`--overlay\` does not ` +
        'help: its ends are those nodes); give the two machines a link of their own that passes the pods on, as VXLAN, GRE ' +
        'or WireGuard do, and invite the address at its other end',
    );
  }
  const listen = cluster.listen ?? [];
  const host = listen.find((each) => each === way.from) ?? listen[0];
  const server = wish.server ?? (host && `https://${host}:${cluster.apiServerPort}`);
  if (!server) {
    throw new NodeRefused(
      'the API server listens for this machine only; ' +
        `take the cluster down and start it with \`kedge up --listen ${way.from}\``,
    );
  }
  if (!/^https:\/\/[^/\s]+$/.test(server)) throw new NodeRefused(`"${server}" is not a URL like https://HOST:PORT`);
  return { gateway: way.from, server };
}

export function invitationFor(
  { pki, cluster }: { pki: Pki; cluster: ClusterRecord },
  wish: InvitationWish,
  { gateway, server }: { gateway: string; server: string },
): Invitation {
  const { name, address } = wish;
  const { index = 0 } = cluster.nodes[name] ?? {};
  return {
    cluster: cluster.name,
    node: { name, index, address },
    server,
    gateway,
    // A machine of its own is at one IPv4 address: its pods have IPv4 only, whatever the others have.
    plan: planOf(cluster.slot),
    settings: cluster.settings,
    credentials: nodeCredentials(pki, { name, addresses: [address] }, server),
  };
}
