/**
 * Flows of UDP that lead to nobody who serves: to endpoints that went while nobody kept the rules, or nowhere, as there were none.
 * Judged by what the kernel lists. Source: conntrack(8).
 */
import { canonicalIp } from '#api/machinery/ip.ts';
import type { IpFamily } from '#network/netfilter/ip-family.ts';
import type { ConntrackCall, FlowPort } from './conntrack.ts';

/** As the client sent it, and who answers. `src=10.244.1.7 dst=10.96.0.20 sport=4711 dport=53 [UNREPLIED] src=10.244.1.2 …` */
const FLOW = /^\s*udp .*?\bdst=(\S+) sport=\d+ dport=(\d+) .*?\bsrc=(\S+) /;

/** @param lines as conntrack(8) lists flows. @param ports of UDP, all there are. */
export async function leftFlows(
  lines: AsyncIterable<string>,
  family: IpFamily,
  ports: readonly FlowPort[],
): Promise<ConntrackCall[]> {
  const serving = servingAt(ports);
  const calls = new Map<string, ConntrackCall>();
  for await (const line of lines) {
    const [, to = '', port = '', from = ''] = FLOW.exec(line) ?? [];
    const answering = serving.get(`${canonicalIp(to)} ${port}`) ?? serving.get(port);
    if (!answering || answering.has(canonicalIp(from) ?? '')) continue;
    const where = ['--orig-dst', to, '--orig-port-dst', port, '--reply-src', from];
    calls.set(where.join(), ['-D', '-f', family, '-p', 'udp', ...where]);
  }
  return [...calls.values()];
}

/** By address and port, or port of the node. Where nobody serves flows may stay: nobody else would take them. */
function servingAt(ports: readonly FlowPort[]): Map<string, ReadonlySet<string>> {
  const serving = new Map<string, Set<string>>();
  const add = (at: string, ips: readonly string[]) => {
    const others = serving.get(at);
    if (others) for (const ip of ips) others.add(ip);
    else serving.set(at, new Set(ips));
  };
  for (const { port, nodePort, clusterIPs, externalIPs, servingIPs } of ports) {
    if (servingIPs.length === 0) continue;
    for (const ip of [...clusterIPs, ...externalIPs]) add(`${ip} ${port}`, servingIPs);
    if (nodePort) add(`${nodePort}`, servingIPs);
  }
  return serving;
}
