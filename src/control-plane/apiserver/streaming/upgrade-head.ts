/** The head of an upgrade request as the other side is to see it: the same, less what was for the API server. */
import type { IncomingMessage } from 'node:http';
import { isTokenProtocol } from '../http/callers.ts';
import type { Forward } from './forward.ts';

export function headOf(request: IncomingMessage, { host, port, path }: Forward): string {
  const lines = [`${request.method} ${path} HTTP/1.1`, `Host: ${host.includes(':') ? `[${host}]` : host}:${port}`];
  for (let i = 0; i + 1 < request.rawHeaders.length; i += 2) {
    const name = request.rawHeaders[i]!;
    const value = passedOn(name.toLowerCase(), request.rawHeaders[i + 1]!);
    if (value !== undefined) lines.push(`${name}: ${value}`);
  }
  return `${lines.join('\r\n')}\r\n\r\n`;
}

function passedOn(name: string, value: string): string | undefined {
  if (name === 'host' || name === 'authorization' || name.startsWith('impersonate-')) return undefined;
  if (name !== 'sec-websocket-protocol') return value;
  const protocols = value
    .split(',')
    .map((one) => one.trim())
    .filter((one) => !isTokenProtocol(one));
  return protocols.length > 0 ? protocols.join(', ') : undefined;
}
