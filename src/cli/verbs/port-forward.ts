/** `kedge port-forward`: ports of this machine that lead to ports of a pod. Texts are kubectl's. */

import type { AddressInfo } from 'node:net';
import { createServer, type Server, type Socket } from 'node:net';
import { pipeline } from 'node:stream/promises';
import type { Pod, Service } from '#api/generated/schema.ts';
import { parseIp } from '#api/machinery/ip.ts';
import { openPodPort, type PodPort, type ReachedPod, reachPod } from '#client/transport/port-forward.ts';
import type { UpgradeRequest } from '#client/transport/upgrade-request.ts';
import { messageOf } from './error-text.ts';
import { type ForwardedPort, parsePorts, remotePortsOf } from './forwarded-ports.ts';
import { podOf } from './pods.ts';
import { pathOf } from './served-resources.ts';
import { targetsOf } from './targets.ts';
import type { Verb, VerbCall } from './verb.ts';
import { throwIfAny, VerbError } from './verb-error.ts';

export const portForwardVerb: Verb = {
  name: 'port-forward',
  summary: 'lead ports of this machine to a pod',
  usage: 'TYPE/NAME [options] [LOCAL_PORT:]REMOTE_PORT [...[LOCAL_PORT_N:]REMOTE_PORT_N]',
  flags: [
    { name: 'address', type: 'list', summary: 'addresses to listen on (localhost)' },
    { name: 'pod-running-timeout', type: 'duration', default: '1m', summary: 'how long to wait for a pod' },
  ],
  async run(call) {
    const { args, flags, path } = call;
    const [named = '', ...written] = args;
    if (args.length < 2)
      throw new VerbError(
        `TYPE/NAME and list of ports are required for port-forward\nSee '${path} -h' for help and examples`,
      );
    const { targets, errors } = await targetsOf(
      { ...call, args: named.includes('/') ? [named] : ['pods', named] },
      { latest: true },
    );
    throwIfAny(errors);
    const { pod } = await podOf(call, targets[0]!, { timeoutMs: flags.milliseconds('pod-running-timeout') });
    const service = targets[0]!.object as Service & { kind: string };
    const ports = remotePortsOf(written, { pod, ...(service.kind === 'Service' && { service }) });
    const addresses = addressesOf(flags.list('address'));
    const parsed = parsePorts(ports);
    const { phase } = pod.status ?? {};
    if (phase !== 'Running')
      throw new VerbError(`unable to forward port because pod is not running. Current status=${phase}`);
    await forward(call, { pod, ports: parsed, addresses });
  },
};

interface Address {
  host: string;
  /** One of several that stand for the same: it is enough when one of them can be had. */
  isOptional: boolean;
}

function addressesOf(given: readonly string[]): Address[] {
  const found = new Map<string, Address>();
  for (const host of given.length > 0 ? given : ['localhost']) {
    if (host === 'localhost') for (const one of ['127.0.0.1', '::1']) found.set(one, { host: one, isOptional: true });
    else if (parseIp(host)) found.set(host, { host, isOptional: false });
    else throw new VerbError(`${host} is not a valid IP`);
  }
  return [...found.values()].sort((a, b) => (a.host < b.host ? -1 : 1));
}

interface Forwarding {
  pod: Pod;
  ports: readonly ForwardedPort[];
  addresses: readonly Address[];
}

async function forward(call: VerbCall, { pod, ports, addresses }: Forwarding): Promise<void> {
  const servers: Server[] = [];
  const { io } = call;
  const reached = await reachedPod(call, pod, ports[0]!.remote);
  const way = new Way(call, pod);
  try {
    for (const port of ports) {
      try {
        servers.push(...(await listen(port, addresses, way)));
      } catch (error) {
        io.err(`Unable to listen on port ${port.local}: ${(error as Error).message}\n`);
      }
    }
    if (servers.length === 0) {
      const told = ports.map(({ local, remote }) => `{${local} ${remote}}`).join(' ');
      throw new VerbError(`unable to listen on any of the requested ports: [${told}]`);
    }
    await Promise.race([interruption(io.signal), way.lost, reached.lost]);
    if (!io.signal.aborted) throw new VerbError('lost connection to pod');
  } finally {
    reached.close();
    for (const socket of way.sockets) socket.destroy();
    for (const server of servers) server.close();
  }
}

const interruption = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });

/** A pod to which nothing leads is told before anybody is promised anything. */
async function reachedPod(call: VerbCall, pod: Pod, port: number): Promise<ReachedPod> {
  try {
    return await reachPod(await upgradeTo(call, pod), port);
  } catch (error) {
    throw new VerbError(`error upgrading connection: ${messageOf(error)}`);
  }
}

async function upgradeTo({ cluster, io }: VerbCall, pod: Pod): Promise<UpgradeRequest> {
  const pods = (await cluster.resources()).named('pods');
  const { namespace, name } = pod.metadata;
  const { endpoint, headers } = cluster;
  return { endpoint, headers, path: pathOf(pods, { namespace, name, subresource: 'portforward' }), signal: io.signal };
}

/** What all connections share. */
class Way {
  readonly call: VerbCall;
  readonly pod: Pod;
  readonly sockets = new Set<Socket>();
  /** Resolves when a port of the pod could not be reached: as in kubectl, everything ends with the first. */
  readonly lost: Promise<void>;
  lose: () => void = () => undefined;

  constructor(call: VerbCall, pod: Pod) {
    this.call = call;
    this.pod = pod;
    this.lost = new Promise((resolve) => {
      this.lose = resolve;
    });
  }
}

async function listen({ local, remote }: ForwardedPort, addresses: readonly Address[], way: Way): Promise<Server[]> {
  const servers: Server[] = [];
  const problems: { text: string; isOptional: boolean }[] = [];
  let port = local;
  for (const { host, isOptional } of addresses) {
    const server = createServer({ allowHalfOpen: true }, (socket) => void serve(socket, { local: port, remote }, way));
    try {
      port = await listening(server, host, port);
      way.call.io.out(`Forwarding from ${host.includes(':') ? `[${host}]` : host}:${port} -> ${remote}\n`);
      servers.push(server);
    } catch (error) {
      problems.push({ text: `unable to create listener: Error ${(error as Error).message}`, isOptional });
    }
  }
  const hasFailed = servers.length === 0 || problems.some(({ isOptional }) => !isOptional);
  if (!hasFailed) return servers;
  for (const server of servers) server.close();
  const told = problems.map(({ text }) => text).join(' ');
  throw new VerbError(`Listeners failed to create with the following errors: [${told}]`);
}

const listening = (server: Server, host: string, port: number): Promise<number> =>
  new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(new Error(listenProblem(error, host, port))));
    server.listen({ host, port, ipv6Only: host.includes(':') }, () => resolve((server.address() as AddressInfo).port));
  });

const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'address already in use',
  EACCES: 'permission denied',
  EADDRNOTAVAIL: 'cannot assign requested address',
};

/** As Go says it. */
function listenProblem({ code = '', message }: NodeJS.ErrnoException, host: string, port: number): string {
  const [family, shown] = host.includes(':') ? ['tcp6', `[${host}]`] : ['tcp4', host];
  return `listen ${family} ${shown}:${port}: bind: ${REASONS[code] ?? message}`;
}

async function serve(socket: Socket, { local, remote }: ForwardedPort, way: Way): Promise<void> {
  const { io } = way.call;
  way.sockets.add(socket);
  socket.once('close', () => way.sockets.delete(socket));
  socket.on('error', () => socket.destroy());
  io.out(`Handling connection for ${local}\n`);
  try {
    await carry(socket, await openedPort(way, remote));
  } catch (error) {
    const { message, code } = error as NodeJS.ErrnoException;
    // Who has gone away needs no answer.
    if (!io.signal.aborted && code !== 'ERR_STREAM_PREMATURE_CLOSE')
      io.err(`an error occurred forwarding ${local} -> ${remote}: ${message}\n`);
    socket.destroy();
    if (error instanceof PodLost) way.lose();
  }
}

/** The pod, or the way to it, is at fault, and not who came. */
class PodLost extends Error {}

const podLost = (error: unknown): never => {
  throw new PodLost(messageOf(error));
};

async function openedPort({ call, pod }: Way, port: number): Promise<PodPort> {
  const upgrade = await upgradeTo(call, pod);
  return openPodPort(upgrade, port).catch(podLost);
}

/** What the other end says of it counts more than how the streams ended, and may come after that. */
async function carry(socket: Socket, { data, problem }: PodPort): Promise<void> {
  socket.once('close', () => data.destroy());
  const ends = await Promise.allSettled([problem.catch(podLost), pipeline(socket, data), pipeline(data, socket)]);
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
}
