/** Hands a client's upgrade on to the runtime's streaming server, byte for byte: nothing in it needs to be read here. */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { upgrade } from './runtime-stream.ts';
import { tunnel } from './tunnel.ts';

const PASSED = ['upgrade', 'connection', 'x-stream-protocol-version'];
const isPassed = (name: string): boolean => PASSED.includes(name) || name.startsWith('sec-websocket-');

interface Client {
  request: IncomingMessage;
  socket: Duplex;
  /** What the client sent behind its request. */
  head: Buffer;
}

/** Resolves when the connection has ended. @throws HttpError when the runtime does not upgrade */
export async function proxyUpgrade(client: Client, url: string): Promise<void> {
  const { method = 'POST' } = client.request;
  const { response, socket, head } = await upgrade(url, { method, headers: passedHeaders(client.request) });
  client.socket.write(`HTTP/1.1 101 Switching Protocols\r\n${rawHeaders(response)}\r\n`);
  if (head.length > 0) client.socket.write(head);
  if (client.head.length > 0) socket.write(client.head);
  await tunnel(client.socket, socket);
}

function rawHeaders({ rawHeaders: raw }: IncomingMessage): string {
  let text = '';
  for (let at = 0; at + 1 < raw.length; at += 2) text += `${raw[at]}: ${raw[at + 1]}\r\n`;
  return text;
}

function passedHeaders({ rawHeaders: raw }: IncomingMessage): Record<string, string[]> {
  const headers: Record<string, string[]> = {};
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = raw[at]!.toLowerCase();
    if (isPassed(name)) headers[name] = [...(headers[name] ?? []), raw[at + 1]!];
  }
  return headers;
}
