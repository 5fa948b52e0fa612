/**
 * The kernel leads a flow to the endpoint that it began with. UDP has no end: when that endpoint goes, its entries must go
 * too, or a client that keeps its port talks to nobody. Of TCP those that nobody has answered yet must. Source: conntrack(8).
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { networkInterfaces } from 'node:os';
import { createInterface } from 'node:readline';
import { canonicalIp } from '#api/machinery/ip.ts';
import type { IpFamily } from '#network/netfilter/ip-family.ts';
import type { ServicePort } from './service-port.ts';

/** Arguments for one call of `conntrack`. */
export type ConntrackCall = string[];
export type RunConntrack = (call: ConntrackCall) => Promise<void>;

/** Where flows arrive, and who may have those of UDP: a port of a Service's, or of a pod's on its node. */
export type FlowPort = Pick<
  ServicePort,
  'protocol' | 'port' | 'clusterIPs' | 'externalIPs' | 'nodePort' | 'servingIPs'
>;

/** By where flows of UDP arrive, `10.96.0.20 53`, or a port of the node, `30053`: who serves there. Where nobody does is left out. */
export function servingAt(ports: readonly FlowPort[]): ReadonlyMap<string, ReadonlySet<string>> {
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

/** Who serves no more, of those that flows may lead to which arrived there. */
export interface Gone {
  at: string;
  ip: string;
}

export function goneBetween(before: readonly FlowPort[], after: readonly FlowPort[]): Gone[] {
  const now = servingAt(after);
  return [...servingAt(before)].flatMap(([at, ips]) =>
    [...ips].flatMap((ip) => (now.get(at)?.has(ip) ? [] : [{ at, ip }])),
  );
}

/** Deletes the entries that lead to them. */
export const flowsTo = (gone: readonly Gone[], family: IpFamily): ConntrackCall[] =>
  gone.map(({ at, ip }) => {
    const [port = '', address] = at.split(' ').reverse();
    const arrived = [...(address ? ['--orig-dst', address] : []), '--orig-port-dst', port];
    return ['-D', '-f', family, '-p', 'udp', ...arrived, '--dst-nat', ip];
  });

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
    execFile('conntrack', call, { timeout: 10_000 }, (error) => {
      if (!error || error.code === 1) resolve();
      else reject(error);
    });
  });

/** Flows of UDP, one a line: there may be hundreds of thousands. */
export type ListFlows = (family: IpFamily) => AsyncIterable<string>;

export const listFlows: ListFlows = async function* (family) {
  const child: ChildProcess = spawn('conntrack', ['-L', '-f', family, '-p', 'udp'], {
    stdio: ['ignore', 'pipe', 'ignore'],
    timeout: 10_000,
    killSignal: 'SIGKILL',
  });
  const ended = once(child, 'close');
  ended.catch(() => undefined);
  // Where too many files are open it has no streams.
  if (child.stdout) yield* createInterface({ input: child.stdout });
  const [code, signal] = (await ended) as [number | null, NodeJS.Signals | null];
  if (code !== 0) throw new Error(`conntrack ended with ${signal ?? code}`);
};

/** Where ports of the node may be asked for. Not what it answers itself at its loopback addresses, such as names. */
export const nodeIPs = (): ReadonlySet<string> =>
  new Set(
    Object.values(networkInterfaces()).flatMap((addresses = []) =>
      addresses.flatMap(({ address, internal }) => (internal ? [] : (canonicalIp(address) ?? []))),
    ),
  );
