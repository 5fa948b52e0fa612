/** Hands a client's upgrade on to the runtime's streaming server, byte for byte: nothing in it needs to be read here. */
import { type IncomingMessage, request } from 'node:http';
import type { Duplex } from 'node:stream';
import { HttpError } from './http-error.ts';
import { hearOut } from './runtime-stream.ts';
import { tunnel } from './tunnel.ts';

const PASSED = ['upgrade', 'connection', 'x-stream-protocol-version'];
const isPassed = (name: string): boolean => PASSED.includes(name) || name.startsWith('sec-websocket-');
const MAX_ERROR_BYTES = 4096;

interface Client {
  request: IncomingMessage;
  socket: Duplex;
  /** What the client sent behind its request. */
  head: Buffer;
}

/** Resolves when the connection has ended. @throws HttpError when the runtime does not upgrade */
export async function proxyUpgrade(client: Client, url: string): Promise<void> {
  const { response, socket, head } = await upgrade(client.request, url);
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

function upgrade(
  { method, rawHeaders: raw }: IncomingMessage,
  url: string,
): Promise<{ response: IncomingMessage; socket: Duplex; head: Buffer }> {
  const headers: Record<string, string[]> = {};
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = raw[at]!.toLowerCase();
    if (isPassed(name)) headers[name] = [...(headers[name] ?? []), raw[at + 1]!];
  }
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { method: method ?? 'POST', headers, agent: false });
    outgoing.once('upgrade', (response, socket, head) => {
      hearOut(socket);
      resolve({ response, socket, head });
    });
    outgoing.once('response', (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text = (text + chunk).slice(0, MAX_ERROR_BYTES);
      });
      response.once('end', () => reject(new HttpError(response.statusCode ?? 500, text.trim())));
    });
    outgoing.once('error', (error) =>
      reject(new HttpError(500, `error dialing the container runtime: ${error.message}`)),
    );
    outgoing.end();
  });
}
