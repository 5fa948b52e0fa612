/**
 * Listens for a registry: on loopback for who owns the cluster, on the nodes' network for nodes, which only read. Without
 * TLS, as everything that says `localhost:PORT` expects; so what a browser sends for a page, or a pod, is turned away. For
 * nodes elsewhere with TLS, and by their certificates.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Log } from '#base/log.ts';
import { refuse } from './exchange.ts';
import type { Registry } from './registry.ts';
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
  /** The user of this machine who may pull, push and delete, besides root. */
  owner: number | undefined;
  /** For nodes that are machines of their own: by TLS, for holders of a certificate. */
  elsewhere?: { addresses: readonly string[]; certificate: string; key: string; clientCA: string };
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
  const servers: Server[] = [];
  const close = async () => void (await Promise.all(servers.map(ended)));
  const open = async (server: Server, port: number, address: string) => {
    await listen(server, port, address);
    servers.push(server);
  };
  try {
    const near = plainServer(options, (request) => localAccess(request, options));
    await open(near, options.port, LOOPBACK);
    const { port } = near.address() as AddressInfo;
    for (const address of nodeAddresses) {
      const server = plainServer(options, (request) => nodeAccess(request, options));
      await open(server, port, address).catch(ignoreAbsent);
    }
    for (const address of options.elsewhere?.addresses ?? []) {
      await open(securedServer(options), port, address).catch(ignoreAbsent);
    }
    log.info('the image registry listens', { port });
    return { port, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** An address that this machine does not have at the moment. */
function ignoreAbsent(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EADDRNOTAVAIL') throw error;
}

type Access = (request: IncomingMessage) => Promise<RegistryError | undefined>;

/** Uploads may take as long as they do, but not be silent. */
const TIMES = { requestTimeout: 0, headersTimeout: 15_000 };

const plainServer = ({ registry }: RegistryServerOptions, access: Access): Server =>
  limited(createServer(TIMES, (request, response) => void answer(registry, access, { request, response })));

function securedServer({ registry, elsewhere }: RegistryServerOptions): Server {
  const { certificate: cert, key, clientCA: ca } = elsewhere ?? {};
  const tls = { cert, key, ca, requestCert: true, rejectUnauthorized: true, minVersion: 'TLSv1.2' } as const;
  const listener = (request: IncomingMessage, response: ServerResponse) =>
    void answer(registry, certifiedAccess, { request, response });
  return limited(createSecureServer({ ...TIMES, ...tls }, listener));
}

function limited(server: Server): Server {
  server.maxConnections = MOST_CONNECTIONS;
  server.setTimeout(SILENCE_MS);
  return server;
}

async function answer(
  registry: Registry,
  access: Access,
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
  if (refusal) return refusal;
  const known = owners.get(request.socket) ?? socketOwner(request.socket);
  owners.set(request.socket, known);
  const user = await known;
  if (user !== undefined && (user === 0 || user === owner)) return undefined;
  return denied('only the user who runs the cluster, and root, may have its images');
}

async function nodeAccess(
  request: IncomingMessage,
  { isNode }: RegistryServerOptions,
): Promise<RegistryError | undefined> {
  if (!isNode((request.socket.remoteAddress ?? '').replace(/^::ffff:/, ''))) return denied('only nodes pull from here');
  return browserRefusal(request) ?? (isRead(request) ? undefined : denied('images are pushed on the host'));
}

/** The organization of every node's certificate. */
const NODES = 'system:nodes';

async function certifiedAccess(request: IncomingMessage): Promise<RegistryError | undefined> {
  const { O: organizations } = (request.socket as TLSSocket).getPeerCertificate().subject ?? {};
  if (![organizations].flat().includes(NODES)) return denied('only nodes pull from here');
  return isRead(request) ? undefined : denied('images are pushed on the host');
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
