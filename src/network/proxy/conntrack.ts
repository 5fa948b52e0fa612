/**
 * UDP has no end, so the kernel keeps sending a flow to the endpoint it began with. When that endpoint goes, its entries
 * must go too, or a client that keeps its port talks to nobody. Source: conntrack(8).
 */
import { execFile } from 'node:child_process';
import { familyOf } from '#network/netfilter/ip-family.ts';
import type { ServicePort } from './service-port.ts';

/** Arguments for one call of `conntrack`. */
export type ConntrackCall = string[];
export type RunConntrack = (call: ConntrackCall) => Promise<void>;

/** Which entries to delete when a Service changes from one state to another. */
export function staleFlows(before: readonly ServicePort[], after: readonly ServicePort[]): ConntrackCall[] {
  const next = new Map(after.map((port) => [port.id, port]));
  return before
    .filter(({ protocol }) => protocol === 'udp')
    .flatMap((port) => {
      const now = next.get(port.id);
      const fronts = [...port.clusterIPs, ...port.externalIPs];
      const began = port.endpoints.length === 0 && (now?.endpoints.length ?? 0) > 0;
      if (began) return [...fronts.map((ip) => ['-D', '-p', 'udp', '--orig-dst', ip]), ...nodePortFlows(port)];
      const left = new Set(now?.endpoints.map(({ ip }) => ip));
      const gone = [...new Set(port.endpoints.map(({ ip }) => ip))].filter((ip) => !left.has(ip));
      return gone.flatMap((ip) => [
        ...fronts.map((front) => ['-D', '-p', 'udp', '--orig-dst', front, '--dst-nat', ip]),
        ...nodePortFlows(port).map((call) => [...call, '--dst-nat', ip]),
      ]);
    });
}

/** No address in it says the family, so it is told. */
const nodePortFlows = ({ nodePort, clusterIPs: [ip = ''] }: ServicePort): ConntrackCall[] =>
  nodePort ? [['-D', '-f', familyOf(ip), '-p', 'udp', '--orig-port-dst', String(nodePort)]] : [];

/** Ends with 1 when nothing matched, which is as good. */
export const runConntrack: RunConntrack = (call) =>
  new Promise((resolve, reject) => {
    const isTold = call.includes('-f') || !call.some((word) => word.includes(':'));
    const family = isTold ? [] : ['-f', 'ipv6'];
    execFile('conntrack', [...call, ...family], { timeout: 10_000 }, (error) => {
      if (!error || error.code === 1) resolve();
      else reject(error);
    });
  });
