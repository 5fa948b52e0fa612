/** WebSockets and whatever else asks for an upgrade: two sockets joined, once the backend has been asked. */
import type { IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import type { Endpoint } from './backends.ts';
import { forwarded, passedOn } from './headers.ts';
import { ownAnswer, refusal } from './own-answers.ts';
import type { RouteOptions } from './route-options.ts';
import { arrived, chosen, type TrafficContext } from './traffic.ts';

export async function carryUpgrade(
  request: IncomingMessage,
  client: Duplex,
  head: Buffer,
  context: TrafficContext,
): Promise<void> {
  client.on('error', () => client.destroy());
  const { asker, hostname, url, found } = arrived(request, context);
  const asked = { method: request.method ?? 'GET', url, hostname, ...asker, origin: undefined, contentLength: 0 };
  const own = ownAnswer(asked, found);
  const route = found?.route;
  if (own || !route) return refuse(client, own?.status ?? 404, own?.headers);
  const { endpoints } = chosen({ request, route, asker, url }, context);
  for (const endpoint of endpoints) {
    const backend = await connected(endpoint, route.options);
    if (!backend) continue;
    const query = url.includes('?') ? url.slice(url.indexOf('?')) : '';
    const headers = {
      ...passedOn(request.headers),
      ...forwarded(asker),
      host: route.options.upstreamHost ?? asker.host,
      connection: 'Upgrade',
      upgrade: request.headers.upgrade ?? '',
    };
    backend.write(`${request.method} ${found.path}${query} HTTP/1.1\r\n${linesOf(headers)}\r\n`);
    if (head.length > 0) backend.write(head);
    join(client, backend);
    return;
  }
  refuse(client, endpoints.length > 0 ? 502 : 503);
}

/** undefined: it cannot be reached in time. */
function connected(
  { address, port }: Endpoint,
  { backendProtocol, connectTimeoutMs }: RouteOptions,
): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const options = { host: address, port, timeout: connectTimeoutMs };
    const isTls = backendProtocol === 'https';
    const socket = isTls ? connectTls({ ...options, rejectUnauthorized: false }) : connect(options);
    const give = (found: Socket | undefined) => {
      socket.removeAllListeners('timeout');
      socket.setTimeout(0);
      if (!found) socket.destroy();
      resolve(found);
    };
    socket.once(isTls ? 'secureConnect' : 'connect', () => give(socket));
    socket.once('timeout', () => give(undefined));
    socket.once('error', () => give(undefined));
  });
}

function join(client: Duplex, backend: Socket): void {
  const end = () => {
    client.destroy();
    backend.destroy();
  };
  for (const socket of [client, backend]) {
    socket.on('error', end);
    socket.on('close', end);
  }
  backend.setNoDelay(true);
  client.pipe(backend);
  backend.pipe(client);
}

function refuse(client: Duplex, status: number, headers: Record<string, string> = {}): void {
  const { text = '' } = refusal(status);
  const all = { ...headers, connection: 'close', 'content-length': String(Buffer.byteLength(text)) };
  client.end(`HTTP/1.1 ${text.trim() || `${status} `}\r\n${linesOf(all)}\r\n${text}`);
}

/** Node has checked that names and values hold no line breaks. */
const linesOf = (headers: Record<string, string | string[]>): string =>
  Object.entries(headers)
    .flatMap(([name, values]) => [values].flat().map((value) => `${name}: ${value}\r\n`))
    .join('');
