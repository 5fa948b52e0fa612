/** The head of an upgrade request as the other side is to see it: the same, less what was for the API server. */
import type { IncomingMessage } from 'node:http';
import { isFrontProxyHeader } from '../aggregation/front-proxy-headers.ts';
import { isTokenProtocol } from '../http/callers.ts';
import type { Forward } from './forward.ts';

/** `added` are in place of what the client says under these names. */
export function headOf(
  request: IncomingMessage,
  { host, port, path }: Forward,
  added: readonly (readonly [string, string])[] = [],
): string {
  const lines = [`${request.method} ${path} HTTP/1.1`, `Host: ${host.includes(':') ? `[${host}]` : host}:${port}`];
  for (let i = 0; i + 1 < request.rawHeaders.length; i += 2) {
    const name = request.rawHeaders[i]!;
    if (added.length > 0 && isFrontProxyHeader(name.toLowerCase())) continue;
    if (added.some(([own]) => own.toLowerCase() === name.toLowerCase())) continue;
    const value = passedOn(name.toLowerCase(), request.rawHeaders[i + 1]!);
    if (value !== undefined) lines.push(`${name}: ${value}`);
  }
  for (const [name, value] of added) lines.push(`${name}: ${value}`);
  return `${lines.join('\r\n')}\r\n\r\n`;
}

/** An upgrade has no body: what would say otherwise could make a second request of what follows. */
const NOT_PASSED_ON: ReadonlySet<string> = new Set(['host', 'authorization', 'content-length', 'transfer-encoding']);

function passedOn(name: string, value: string): string | undefined {
  if (NOT_PASSED_ON.has(name) || name.startsWith('impersonate-')) return undefined;
  if (name !== 'sec-websocket-protocol') return value;
  const protocols = value
    .split(',')
    .map((one) => one.trim())
    .filter((one) => !isTokenProtocol(one));
  return protocols.length > 0 ? protocols.join(', ') : undefined;
}
