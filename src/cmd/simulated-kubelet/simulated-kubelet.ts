/**
 * The kubelet's API of all simulated nodes, on one loopback port: which node is meant says the name in the TLS handshake. Logs,
 * exec and usage are what the data of the pods says. Only the API server is let in.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { createSecureContext, type SecureContext, type TLSSocket } from 'node:tls';
import { Pod } from '#api/core/v1/pod.ts';
import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { Informers } from '#client/informer.ts';
import { HttpError } from '#node/kubelet/server/http-error.ts';
import { refuseUpgrade } from '#node/kubelet/server/tunnel.ts';
import type { Answering, SimulatedMembers } from '#node/simulated/simulated-members.ts';
import { type NodeUsage, UsageMeter } from '#node/simulated/usage-meter.ts';
import { kubeletClientIdentity, kubeletServerIdentity } from '../pki/cluster-identities.ts';
import type { Pki } from '../pki/pki.ts';
import { answerCommand } from './answer-command.ts';
import { answerLogs } from './answer-logs.ts';
import { metricsText } from './metrics-text.ts';
import { type OnNode, podOn, podsOn } from './on-node.ts';

export interface SimulatedKubeletOptions {
  nodes: Pick<SimulatedMembers, 'member' | 'isStopped'>;
  informers: Informers;
  pki: Pki;
  clock: Clock;
  log: Log;
}

export interface SimulatedKubelet {
  /** Where the kubelet of this node is; undefined for a node that is not simulated. */
  addressOf(nodeName: string): { host: string; port: number } | undefined;
  /** What its counters say; undefined for a node that is not simulated, or stopped. */
  usageOf(nodeName: string): NodeUsage | undefined;
  close(): Promise<void>;
}

const HOST = '127.0.0.1';

const nodeNameOf = ({ spec }: Pod): string | undefined => spec.nodeName;

export async function startSimulatedKubelet(options: SimulatedKubeletOptions): Promise<SimulatedKubelet> {
  const { nodes, informers, pki, clock, log } = options;
  const pods = informers.indexed(Pod, nodeNameOf);
  const meters = new Map<string, UsageMeter>();
  const certificates = new NodeCertificates(pki);
  const sockets = new Set<Duplex>();
  const server = createServer({
    ca: pki.caCertificate,
    requestCert: true,
    rejectUnauthorized: true,
    minVersion: 'TLSv1.2',
    SNICallback(name, done) {
      if (nodes.member(name) && !nodes.isStopped(name)) done(null, certificates.of(name));
      else done(new Error('there is no such node'));
    },
  });
  const read = ({ name, rules }: Answering): NodeUsage => {
    const meter = meters.get(name) ?? new UsageMeter();
    meters.set(name, meter);
    return meter.read(pods.under(name), rules, clock.now());
  };
  const admitted = (request: IncomingMessage): OnNode => {
    const socket = request.socket as TLSSocket;
    const member = nodes.member(String(socket.servername));
    if (socket.getPeerCertificate().subject?.CN !== kubeletClientIdentity.user) throw new HttpError(403, 'Forbidden');
    if (!member || nodes.isStopped(member.name)) {
      socket.destroy(); // nobody is there
      throw new HttpError(404, 'there is no such node');
    }
    return { member, pods, clock, usage: () => read(member) };
  };
  server.on('secureConnection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  server.on('request', (request, response) => void serve(request, response, { admitted, log }));
  server.on('upgrade', (request, socket, head) => void upgrade({ request, socket, head }, { admitted, log }));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: HOST, port: 0 }, resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    addressOf: (name) => (nodes.member(name) ? { host: HOST, port } : undefined),
    usageOf(name) {
      const member = nodes.member(name);
      if (!member) meters.delete(name);
      return member && !nodes.isStopped(name) ? read(member) : undefined;
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

/** Made when somebody asks the node for the first time. */
class NodeCertificates {
  readonly #pki: Pki;
  readonly #made = new Map<string, SecureContext>();

  constructor(pki: Pki) {
    this.#pki = pki;
  }

  of(name: string): SecureContext {
    const known = this.#made.get(name);
    if (known) return known;
    const pair = this.#pki.issueServer(`${name}-kubelet-server`, kubeletServerIdentity(name, [HOST]));
    const made = createSecureContext({ cert: pair.certificate, key: pair.key, ca: this.#pki.caCertificate });
    this.#made.set(name, made);
    return made;
  }
}

interface Serving {
  /** @throws HttpError */
  admitted(request: IncomingMessage): OnNode;
  log: Log;
}

async function serve(request: IncomingMessage, response: ServerResponse, { admitted, log }: Serving): Promise<void> {
  try {
    const node = admitted(request);
    const url = new URL(request.url ?? '/', 'https://kubelet');
    const [what, namespace = '', pod = '', container = ''] = url.pathname.split('/').slice(1).map(decodeURIComponent);
    if (request.method !== 'GET') throw new HttpError(405, 'Method Not Allowed');
    if (what === 'healthz') return send(response, 'ok');
    if (what === 'containerLogs')
      return await answerLogs({ namespace, pod, container, query: url.searchParams }, response, node);
    if (url.pathname === '/metrics/resource') return send(response, metricsText(node.usage()));
    if (what === 'pods') {
      const items = podsOn(node).map((one) => ({ ...one, apiVersion: 'v1', kind: 'Pod' }));
      return send(response, JSON.stringify({ kind: 'PodList', apiVersion: 'v1', metadata: {}, items }));
    }
    throw new HttpError(404, '404 page not found');
  } catch (error) {
    const { code, message } = answerOf(error, log);
    if (response.headersSent) response.destroy();
    else response.writeHead(code, { 'Content-Type': 'text/plain; charset=utf-8' }).end(`${message}\n`);
  }
}

const send = (response: ServerResponse, text: string): void => {
  response.writeHead(200, { 'Content-Type': 'text/plain; charset=utf-8' }).end(text);
};

async function upgrade(
  asked: { request: IncomingMessage; socket: Duplex; head: Buffer },
  { admitted, log }: Serving,
): Promise<void> {
  const { request, socket } = asked;
  socket.on('error', () => socket.destroy());
  try {
    const node = admitted(request);
    const url = new URL(request.url ?? '/', 'https://kubelet');
    const [what, namespace = '', name = '', ...rest] = url.pathname.split('/').slice(1).map(decodeURIComponent);
    if (what === 'portForward') throw new HttpError(400, 'a simulated pod has no network: no port can be forwarded');
    const container = rest.at(-1);
    if ((what !== 'exec' && what !== 'attach') || !container) throw new HttpError(404, '404 page not found');
    await answerCommand({ what, container, query: url.searchParams }, asked, {
      pod: podOn(node, namespace, name),
      node,
    });
  } catch (error) {
    const { code, message } = answerOf(error, log);
    if (!socket.destroyed) refuseUpgrade(socket, code, message);
  }
}

function answerOf(error: unknown, log: Log): { code: number; message: string } {
  if (error instanceof HttpError) return error;
  if (error instanceof URIError) return { code: 400, message: 'bad path' };
  log.error('simulated kubelet', { error: String(error) });
  return { code: 500, message: 'Internal Server Error' };
}
