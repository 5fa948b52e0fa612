/** Serves a cluster's control socket. Who may open the socket may do everything: it is its owner's alone (0600). */
import { chmod, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { ControlError } from '#cli/control-protocol.ts';
import type { Supervisor } from './supervisor.ts';

export interface ControlServerOptions {
  socketPath: string;
  supervisor: Supervisor;
  /** Asked to end the cluster; the answer is sent before it ends. */
  onStop: (graceMs: number) => void;
}

export interface ControlServer {
  /** Tells the watchers. */
  changed(): void;
  close(): void;
}

export async function serveControl({ socketPath, supervisor, onStop }: ControlServerOptions): Promise<ControlServer> {
  const watchers = new Set<ServerResponse>();
  const server = createServer({ requestTimeout: 0 }, (request, response) => {
    const url = urlOf(request);
    if (request.method === 'GET' && url.searchParams.has('watch')) return watch(response, supervisor, watchers);
    answer({ request, response, url, supervisor, onStop }).catch((error: Error & { code?: unknown }) => {
      const code = typeof error.code === 'string' ? error.code : 'Failed';
      const body: ControlError = { error: { code, message: error.message } };
      request.resume();
      send(response, code === 'NoSuchNode' || code === 'NoSuchPath' ? 404 : 409, body);
    });
  });
  await listen(server, socketPath);
  return {
    changed() {
      for (const watcher of watchers) watcher.write(`${JSON.stringify(supervisor.status())}\n`);
    },
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** Whatever is asked for is a path: `//` at its start names no host. */
const urlOf = ({ url = '/' }: IncomingMessage): URL => new URL(`http://control${url.startsWith('/') ? url : '/'}`);

/** The caller has made sure that no other supervisor of this cluster lives: a socket that is there is a leftover. */
async function listen(server: Server, socketPath: string): Promise<void> {
  await rm(socketPath, { force: true });
  const mask = process.umask(0o177); // there is no moment in which others could open it
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(socketPath, resolve);
    });
  } finally {
    process.umask(mask);
  }
  await chmod(socketPath, 0o600);
}

function watch(response: ServerResponse, supervisor: Supervisor, watchers: Set<ServerResponse>): void {
  response.writeHead(200, { 'content-type': 'application/x-ndjson' });
  response.write(`${JSON.stringify(supervisor.status())}\n`);
  watchers.add(response);
  response.once('close', () => watchers.delete(response));
}

interface Exchange {
  request: IncomingMessage;
  response: ServerResponse;
  url: URL;
  supervisor: Supervisor;
  onStop: (graceMs: number) => void;
}

async function answer({ request, response, url, supervisor, onStop }: Exchange): Promise<void> {
  const [, collection = '', item = '', action = ''] = url.pathname.split('/').map(decodeURIComponent);
  switch (`${request.method} ${collection}${item && '/NAME'}${action && `/${action}`}`) {
    case 'GET status':
      return send(response, 200, supervisor.status());
    case 'POST stop':
      send(response, 202, {});
      return onStop(Math.min(Number(url.searchParams.get('graceMs')) || 0, 600_000));
    case 'GET images':
      return send(response, 200, await supervisor.images());
    case 'PUT images':
      return send(response, 200, await supervisor.importImage(request));
    case 'POST nodes/NAME':
      return send(response, 200, await done(supervisor.addNode(item)));
    case 'DELETE nodes/NAME':
      return send(response, 200, await done(supervisor.removeNode(item)));
    case 'POST nodes/NAME/stop':
      return send(response, 200, await done(supervisor.stopNode(item)));
    case 'POST nodes/NAME/invite': {
      const { address = '', server } = Object.fromEntries(url.searchParams);
      return send(response, 200, await supervisor.inviteNode({ name: item, address, ...(server && { server }) }));
    }
    case 'POST nodes/NAME/start':
      return send(response, 200, await done(supervisor.startNode(item)));
    default:
      throw Object.assign(new Error(`no such path: ${request.method} ${url.pathname}`), { code: 'NoSuchPath' });
  }
}

const done = async (work: Promise<void>): Promise<object> => {
  await work;
  return {};
};

function send(response: ServerResponse, code: number, body: object): void {
  if (response.headersSent) return;
  response.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
