/** How the kubelet of a node is reached. */
import { Node } from '#api/core/v1/node.ts';
import { internalError, notFound, StatusError } from '#api/machinery/status.ts';
import { dialProblem } from '../remote/dial-problem.ts';
import type { VerbServices } from './behaviour.ts';

export interface KubeletAddress {
  host: string;
  port: number;
  nodeName: string;
}

/** Upstream's default of --kubelet-preferred-address-types. */
const PREFERRED = ['Hostname', 'InternalDNS', 'InternalIP', 'ExternalDNS', 'ExternalIP'];
/** A name is of use only where something resolves it, which one machine's nodes have not: addresses first. */
const ORDER = ['InternalIP', 'ExternalIP', ...PREFERRED.filter((type) => !type.endsWith('IP'))];
const DEFAULT_PORT = 10250;

/** Throws NotFound for an unknown node, InternalError for one that has told no address. */
export async function kubeletOf(
  nodeName: string,
  { stored, nearKubelet }: Pick<VerbServices, 'stored' | 'nearKubelet'>,
): Promise<KubeletAddress> {
  const node = await stored.peek(Node, { name: nodeName });
  if (!node) throw notFound(Node, nodeName);
  const near = nearKubelet?.(nodeName);
  if (near) return { ...near, nodeName };
  const addresses = node.status?.addresses ?? [];
  for (const type of ORDER) {
    const found = addresses.find((address) => address.type === type && address.address);
    const port = node.status?.daemonEndpoints?.kubeletEndpoint?.Port || DEFAULT_PORT;
    if (found) return { host: found.address, port, nodeName };
  }
  throw internalError(`no preferred addresses found; known addresses: []`);
}

/** What a dial that failed tells the client. */
export const dialFailed = (to: { host: string; port: number }, error: Error): StatusError =>
  new StatusError('InternalError', `error dialing backend: ${dialProblem(error, to)}`, { cause: error });

/** The same where a proxy leads there. */
export const notReached = (to: { host: string; port: number }, error: Error): StatusError =>
  new StatusError('ServiceUnavailable', `error trying to reach service: ${dialProblem(error, to)}`, { cause: error });
