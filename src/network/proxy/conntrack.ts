/**
 * The kernel leads a flow to the endpoint that it began with. UDP has no end: when that endpoint goes, its entries must go
 * too, or a client that keeps its port talks to nobody. Of TCP those that nobody has answered yet must. Source: conntrack(8).
 */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { IpFamily } from '#network/netfilter/ip-family.ts';
import type { ServicePort } from './service-port.ts';

/** Arguments for one call of `conntrack`. */
export type ConntrackCall = string[];
export type RunConntrack = (call: ConntrackCall) => Promise<void>;

/** Where flows arrive, and who may have those of UDP: a port of a Service's, or of a pod's on its node. */
export type FlowPort = Pick<
  ServicePort,
  'id' | 'protocol' | 'port' | 'clusterIPs' | 'externalIPs' | 'nodePort' | 'servingIPs'
>;

/** Which entries to delete when a Service changes from one state to another: those that lead to who serves no more. */
export function staleFlows(before: readonly FlowPort[], after: readonly FlowPort[], family: IpFamily): ConntrackCall[] {
  const next = new Map(after.map((port) => [port.id, port]));
  return before
    .filter(({ protocol }) => protocol === 'udp')
    .flatMap((port) => {
      const left = new Set(next.get(port.id)?.servingIPs);
      const gone = [...new Set(port.servingIPs)].filter((ip) => !left.has(ip));
      return gone.flatMap((ip) => flowsTo(port, family).map((call) => [...call, '--dst-nat', ip]));
    });
}

/** No address in those to a port of the node says the family, so it is told. */
const flowsTo = ({ nodePort, clusterIPs, externalIPs }: FlowPort, family: IpFamily): ConntrackCall[] => [
  ...[...clusterIPs, ...externalIPs].map((ip) => ['-D', '-p', 'udp', '--orig-dst', ip]),
  ...(nodePort ? [['-D', '-f', family, '-p', 'udp', '--orig-port-dst', String(nodePort)]] : []),
];

const MOST_ENDPOINTS = 8;

/**
 * Who began to ask an endpoint that is lost asks it for two minutes, and so does who takes the same port meanwhile: many behind
 * one address do. Without its entry the next try is led to one that is there. Upstream leaves them.
 * @param gone addresses of one family. For many at once all that are half open are forgotten, which costs the others one try.
 */
export function halfOpenFlows(gone: readonly string[], family: IpFamily): ConntrackCall[] {
  const halfOpen = ['-D', '-f', family, '-p', 'tcp', '--state', 'SYN_SENT', '--dst-nat'];
  return gone.length > MOST_ENDPOINTS ? [halfOpen] : gone.map((ip) => [...halfOpen, ip]);
}

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

/** Flows of UDP, one a line: there may be hundreds of thousands. */
export type ListFlows = (family: IpFamily) => AsyncIterable<string>;

export const listFlows: ListFlows = async function* (family) {
  const child = spawn('conntrack', ['-L', '-f', family, '-p', 'udp'], {
    stdio: ['ignore', 'pipe', 'ignore'],
    timeout: 10_000,
    killSignal: 'SIGKILL',
  });
  const ended = once(child, 'close');
  ended.catch(() => undefined);
  yield* createInterface({ input: child.stdout });
  const [code, signal] = (await ended) as [number | null, NodeJS.Signals | null];
  if (code !== 0) throw new Error(`conntrack ended with ${signal ?? code}`);
};
