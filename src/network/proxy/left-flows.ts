/**
 * Flows of UDP that lead to nobody who serves: to endpoints that went while nobody kept the rules, or nowhere, as there were none.
 * Judged by what the kernel lists. Source: conntrack(8).
 */
import { canonicalIp } from '#api/machinery/ip.ts';
import type { IpFamily } from '#network/netfilter/ip-family.ts';
import { type ConntrackCall, type FlowPort, servingAt } from './conntrack.ts';

/** As the client sent it, and who answers. `src=10.244.1.7 dst=10.96.0.20 sport=4711 dport=53 [UNREPLIED] src=10.244.1.2 …` */
const FLOW = /^\s*udp .*?\bdst=(\S+) sport=\d+ dport=(\d+) .*?\bsrc=(\S+) /;

export interface Arrivals {
  family: IpFamily;
  /** Of UDP, all there are. */
  ports: readonly FlowPort[];
  /** At others nobody asks for a port of the node: who only passes through it does not, whatever port he asks. */
  nodeIPs: ReadonlySet<string>;
}

/** @param lines as conntrack(8) lists flows. Where nobody serves flows stay: nobody else would take them. */
export async function leftFlows(
  lines: AsyncIterable<string>,
  { family, ports, nodeIPs }: Arrivals,
): Promise<ConntrackCall[]> {
  const serving = servingAt(ports);
  const calls = new Map<string, ConntrackCall>();
  for await (const line of lines) {
    const [, to = '', port = '', from = ''] = FLOW.exec(line) ?? [];
    const at = canonicalIp(to) ?? '';
    const answering = serving.get(`${at} ${port}`) ?? (nodeIPs.has(at) ? serving.get(port) : undefined);
    if (!answering || answering.has(canonicalIp(from) ?? '')) continue;
    const where = ['--orig-dst', to, '--orig-port-dst', port, '--reply-src', from];
    calls.set(where.join(), ['-D', '-f', family, '-p', 'udp', ...where]);
  }
  return [...calls.values()];
}
