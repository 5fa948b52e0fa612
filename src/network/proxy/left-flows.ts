/**
 * Flows of UDP that lead to nobody who serves: to endpoints that went while nobody kept the rules, or many at once, or nowhere, as
 * there were none. Judged by what the kernel lists. Source: conntrack(8).
 */
import { canonicalIp } from '#api/machinery/ip.ts';
import type { IpFamily } from '#network/netfilter/ip-family.ts';
import { type ConntrackCall, type FlowPort, type Gone, servingAt } from './conntrack.ts';

/** As the client sent it, and who answers. `src=10.244.1.7 dst=10.96.0.20 sport=4711 dport=53 [UNREPLIED] src=10.244.1.2 …` */
const FLOW = /^\s*udp .*?\bdst=(\S+) sport=\d+ dport=(\d+) .*?\bsrc=(\S+) /;

export interface Arrivals {
  family: IpFamily;
  /** Of UDP, all there are. */
  ports: readonly FlowPort[];
  /** At others nobody asks for a port of the node: who only passes through it does not, whatever port he asks. */
  nodeIPs: ReadonlySet<string>;
  /** Flows to them are left also where nobody serves now. */
  gone?: readonly Gone[];
}

/** @param lines as conntrack(8) lists flows. Where nobody serves others stay: nobody would take them. */
export async function leftFlows(
  lines: AsyncIterable<string>,
  { family, ports, nodeIPs, gone = [] }: Arrivals,
): Promise<ConntrackCall[]> {
  const serving = servingAt(ports);
  const toGone = new Set(gone.map(({ at, ip }) => `${at} ${ip}`));
  const calls = new Map<string, ConntrackCall>();
  for await (const line of lines) {
    const [, to = '', port = '', from = ''] = FLOW.exec(line) ?? [];
    const [address = '', ip = ''] = [canonicalIp(to), canonicalIp(from)];
    const at = `${address} ${port}`;
    const answering = serving.get(at) ?? (nodeIPs.has(address) ? serving.get(port) : undefined);
    const isLeft = answering ? !answering.has(ip) : toGone.has(`${at} ${ip}`) || toGone.has(`${port} ${ip}`);
    if (!isLeft) continue;
    const where = ['--orig-dst', to, '--orig-port-dst', port, '--reply-src', from];
    calls.set(where.join(), ['-D', '-f', family, '-p', 'udp', ...where]);
  }
  return [...calls.values()];
}
