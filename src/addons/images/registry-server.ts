/**
 * Listens for a registry: on loopback for who owns the cluster, on the nodes' network for nodes, which only read. Without
 * TLS, as everything that says `localhost:PORT` expects; so what a browser sends for a page, or a pod, is turned away.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Log } from '#base/log.ts';
import { type Registry, refuse } from './registry.ts';
import { RegistryError } from './registry-error.ts';
import { socketOwner } from './socket-owner.ts';

export interface RegistryServerOptions {
  registry: Registry;
  port: number;
  log: Log;
  /** Addresses on the nodes' network; those that this machine does not have are left out. */
  nodeAddresses: readonly string[];
  /** Whether an address is a node's. */
  isNode: (address: string) => boolean;
  /** Users of this machine who may push and delete, besides root. */
  owner: number | undefined;
}

export interface RegistryServer {
  port: number;
  close(): Promise<void>;
}

const LOOPBACK = '127.0.0.1';
const MOST_CONNECTIONS = 256;
const SILENCE_MS = 60_000;

/** Throws what listening on loopback throws: EADDRINUSE above all. */
export async function serveRegistry(options: RegistryServerOptions): Promise<RegistryServer> {
  const { nodeAddresses, log } = options;
  const near = serverOf(options, (request) => localAccess(request, options));
  await listen(near, options.port, LOOPBACK);
  const { port } = near.address() as AddressInfo;
  const servers = [near];
  for (const address of nodeAddresses) {
    const server = serverOf(options, (request) => nodeAccess(request, options));
    try {
      await listen(server, port, address);
      servers.push(server);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRNOTAVAIL') throw error;
    }
  }
  log.info('the image registry listens', { port });
  return {
    port,
    async close() {
      await Promise.all(servers.map(ended));
    },
  };
}

function serverOf(
  { registry }: RegistryServerOptions,
  access: (request: IncomingMessage) => Promise<RegistryError | undefined>,
): Server {
  const server = createServer({ requestTimeout: 0, headersTimeout: 15_000 }, (request, response) => {
    void answer(registry, access, { request, response });
  });
  server.maxConnections = MOST_CONNECTIONS;
  server.setTimeout(SILENCE_MS);
  return server;
}

async function answer(
  registry: Registry,
  access: (request: IncomingMessage) => Promise<RegistryError | undefined>,
  { request, response }: { request: IncomingMessage; response: ServerResponse },
): Promise<void> {
  const refusal = await access(request);
  if (refusal) return refuse({ request, response }, refusal);
  await registry.handle(request, response);
}

const isRead = ({ method }: IncomingMessage): boolean => method === 'GET' || method === 'HEAD';
const denied = (why: string): RegistryError => new RegistryError('DENIED', why);

/** A page in a browser is no client of a registry, whatever name it has found for this address. */
function browserRefusal({ headers }: IncomingMessage): RegistryError | undefined {
  if (headers.origin !== undefined || headers['sec-fetch-site'] !== undefined)
    return denied('this registry does not answer to web pages');
  const host = (headers.host ?? '').replace(/:\d+$/, '');
  return host === 'localhost' || /^[\d.]+$/.test(host) ? undefined : denied('this registry is localhost');
}

const owners = new WeakMap<Socket, Promise<number | undefined>>();

async function localAccess(
  request: IncomingMessage,
  { owner }: RegistryServerOptions,
): Promise<RegistryError | undefined> {
  const refusal = browserRefusal(request);
  if (refusal || isRead(request)) return refusal;
  const known = owners.get(request.socket) ?? socketOwner(request.socket);
  owners.set(request.socket, known);
  const user = await known;
  if (user !== undefined && (user === 0 || user === owner)) return undefined;
  return denied('only the user who runs the cluster, and root, may change its images');
}

async function nodeAccess(
  request: IncomingMessage,
  { isNode }: RegistryServerOptions,
): Promise<RegistryError | undefined> {
  if (!isNode((request.socket.remoteAddress ?? '').replace(/^::ffff:/, ''))) return denied('only nodes pull from here');
  return browserRefusal(request) ?? (isRead(request) ? undefined : denied('images are pushed on the host'));
}

const listen = (server: Server, port: number, host: string): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, host, exclusive: true }, () => {
      server.removeListener('error', reject);
      resolve();
    });
  });

const ended = (server: Server): Promise<void> =>
  new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
