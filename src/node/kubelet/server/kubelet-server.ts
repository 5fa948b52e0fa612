/**
 * The kubelet's own API on HTTPS: every call is authenticated and authorised before anything else is looked at. Source:
 * "Kubelet authentication/authorization"; paths are upstream's, PUT /images is ours (decision 10 of the design).
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { StatusError } from '#api/machinery/status.ts';
import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { Client } from '#client/client.ts';
import { Unreachable } from '#client/transport.ts';
import { RuntimeError } from '#node/runtime/runtime-error.ts';
import type { Kubelet } from '../kubelet.ts';
import { Authentication } from './authentication.ts';
import { Authorization, subresourcesOf } from './authorization.ts';
import { HttpError } from './http-error.ts';
import type { ReadNetwork } from './network-facts.ts';
import { type RouteServices, routes } from './routes.ts';
import { Stats } from './stats.ts';
import { serveStream, streamPathOf } from './streams.ts';
import { refuseUpgrade } from './tunnel.ts';

export interface KubeletServerOptions {
  kubelet: Kubelet;
  client: Client;
  clock: Clock;
  log: Log;
  /** PEM: what the server shows, and who may issue its clients' certificates. */
  certificate: string;
  key: string;
  clientCA: string;
  /** All addresses of the node by default. */
  host?: string;
  port: number;
  memoryBytes: number;
  cpus: number;
  root: string;
  /** Absent: nobody is told of the node's packet rules. */
  readNetwork?: ReadNetwork;
}

export interface KubeletServer {
  /** The one that was taken, when 0 was asked for. */
  port: number;
  /** For connections that come from now on. PEM. */
  useCertificate(pair: { certificate: string; key: string }): void;
  close(): Promise<void>;
}

const MAX_HEADER_BYTES = 64 * 1024;
const HEADERS_TIMEOUT_MS = 30_000;
/** Upstream's: who reads metrics comes again and again. */
const IDLE_MS = 90_000;

export async function startKubeletServer(options: KubeletServerOptions): Promise<KubeletServer> {
  const { certificate, key, clientCA, host, port, log, kubelet, clock } = options;
  const guard = new Guard(options);
  const stats = new Stats({ ...options, startedAtMs: clock.now() });
  const { cpus, memoryBytes, readNetwork } = options;
  const services: RouteServices = { kubelet, clock, stats, machine: { cpus, memoryBytes }, readNetwork };
  const server = createServer({
    cert: certificate,
    key,
    ca: clientCA,
    requestCert: true,
    rejectUnauthorized: false, // a caller without a certificate may bring a token
    minVersion: 'TLSv1.2',
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: HEADERS_TIMEOUT_MS,
    keepAliveTimeout: IDLE_MS,
    requestTimeout: 0, // logs are followed for hours
  });
  const sockets = new Set<Duplex>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  server.on('request', (request, response) => void answer(request, response, { guard, services, log }));
  server.on('upgrade', (request, socket, head) => void connect({ request, socket, head }, { guard, kubelet, log }));
  await listen(server, port, host);
  return {
    port: (server.address() as { port: number }).port,
    useCertificate: (pair) =>
      server.setSecureContext({ cert: pair.certificate, key: pair.key, ca: clientCA, minVersion: 'TLSv1.2' }),
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

function listen(server: Server, port: number, host: string | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, ...(host && { host }) }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

class Guard {
  readonly #authentication: Authentication;
  readonly #authorization: Authorization;

  constructor({ client, clock, kubelet }: KubeletServerOptions) {
    this.#authentication = new Authentication({ client, clock });
    this.#authorization = new Authorization({ client, clock, nodeName: kubelet.nodeName });
  }

  /** @throws HttpError */
  async admit(request: IncomingMessage, path: string): Promise<void> {
    const user = await this.#authentication.userOf(request);
    if (!user) throw new HttpError(401, 'Unauthorized');
    const method = request.method ?? 'GET';
    if (await this.#authorization.isAllowed(user, method, path)) return;
    const verb = { GET: 'get', HEAD: 'get', POST: 'create', PUT: 'update', DELETE: 'delete' }[method] ?? method;
    const subresources = subresourcesOf(path).join(' ');
    throw new HttpError(
      403,
      `Forbidden (user=${user.name}, verb=${verb}, resource=nodes, subresource(s)=[${subresources}])\n`,
    );
  }
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  { guard, services, log }: { guard: Guard; services: RouteServices; log: Log },
): Promise<void> {
  try {
    const url = new URL(request.url ?? '/', 'https://kubelet');
    await guard.admit(request, url.pathname);
    const route = routes.find(({ method, path }) => method === request.method && path.test(url.pathname));
    if (!route) throw new HttpError(404, '404 page not found');
    await route.serve({ request, response, url }, services);
  } catch (error) {
    const { code, message } = errorAnswer(error, log);
    if (response.headersSent) response.destroy();
    else {
      response.writeHead(code, { 'Content-Type': 'text/plain; charset=utf-8', 'X-Content-Type-Options': 'nosniff' });
      response.end(`${message}\n`);
    }
  }
}

async function connect(
  upgrade: { request: IncomingMessage; socket: Duplex; head: Buffer },
  { guard, kubelet, log }: { guard: Guard; kubelet: Kubelet; log: Log },
): Promise<void> {
  const { socket, request } = upgrade;
  socket.on('error', () => socket.destroy());
  const bytesBefore = (socket as Socket).bytesWritten;
  try {
    const url = new URL(request.url ?? '/', 'https://kubelet');
    await guard.admit(request, url.pathname);
    const path = streamPathOf(url);
    if (!path) throw new HttpError(404, '404 page not found');
    await serveStream(path, upgrade, kubelet);
  } catch (error) {
    const { code, message } = errorAnswer(error, log);
    const isAnswered = (socket as Socket).bytesWritten !== bytesBefore;
    if (isAnswered || socket.destroyed) socket.destroy();
    else refuseUpgrade(socket, code, message);
  }
}

function errorAnswer(error: unknown, log: Log): { code: number; message: string } {
  if (error instanceof HttpError) return error;
  if (error instanceof RuntimeError) return { code: 500, message: error.message };
  if (error instanceof StatusError || error instanceof Unreachable)
    return { code: 500, message: `Internal Error: ${error.message}` };
  if (error instanceof URIError) return { code: 400, message: 'bad path' };
  const message = error instanceof Error ? error.message : String(error);
  // Connections break at any time; what is no broken connection is a bug.
  if (!(error instanceof Error && 'code' in error))
    log.error('kubelet server', { error: message, stack: error instanceof Error ? error.stack : '' });
  return { code: 500, message: 'Internal Server Error' };
}
