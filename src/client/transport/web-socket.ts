/** A WebSocket to the API server, for commands and connections that go through it. */
import { readFileSync } from 'node:fs';
import { WebSocket } from 'ws';
import { Unreachable } from '../transport.ts';
import type { ClientCredentials } from './credentials.ts';
import type { Endpoint } from './kubeconfig.ts';

export interface WebSocketRequest {
  endpoint: Endpoint;
  headers?: Readonly<Record<string, string | string[]>>;
  /** With its query. */
  path: string;
  signal: AbortSignal;
}

const CONNECT_TIMEOUT_MS = 30_000;
/** Of what a server says instead of switching protocols. */
const MAX_REFUSAL_BYTES = 1 << 20;

/** The server was reached, and does not switch protocols; its words are in the message. */
export class UpgradeRefused extends Error {
  readonly code = 'UpgradeRefused';
}

/** Open. Throws UpgradeRefused and Unreachable. */
export function openWebSocket(
  { endpoint, headers, path, signal }: WebSocketRequest,
  protocols: readonly string[],
): Promise<WebSocket> {
  const { server, certificateAuthority, serverName, insecure, credentials } = endpoint;
  const token = tokenOf(credentials);
  const socket = new WebSocket(`${server.replace(/^http/, 'ws')}${path}`, [...protocols], {
    ...(certificateAuthority && { ca: certificateAuthority }),
    ...(serverName && { servername: serverName }),
    ...certificateOf(credentials),
    rejectUnauthorized: !insecure,
    handshakeTimeout: CONNECT_TIMEOUT_MS,
    followRedirects: false,
    headers: { ...(headers as Record<string, string>), ...(token && { authorization: `Bearer ${token}` }) },
  });
  const abort = () => socket.terminate();
  signal.addEventListener('abort', abort, { once: true });
  socket.once('close', () => signal.removeEventListener('abort', abort));
  return new Promise((resolve, reject) => {
    socket.once('open', () => resolve(socket));
    socket.once('error', (error) => reject(new Unreachable(error.message, { cause: error })));
    socket.once('unexpected-response', (_request, answer) => {
      const chunks: Buffer[] = [];
      let left = MAX_REFUSAL_BYTES;
      answer.on('data', (chunk: Buffer) => {
        if (left > 0) chunks.push(chunk.subarray(0, left));
        left -= chunk.length;
        if (left <= 0) answer.destroy();
      });
      // Also where it breaks off: what came until then is what there is to tell.
      answer.once('close', () => {
        reject(refusal(Buffer.concat(chunks).toString('utf8'), answer.statusCode ?? 0));
        socket.terminate();
      });
    });
  });
}

/** What the server says instead of switching protocols: of a Status its message. */
function refusal(body: string, code: number): UpgradeRefused {
  return new UpgradeRefused(`unable to upgrade connection: ${messageIn(body) || `the server answered ${code}`}`);
}

function messageIn(body: string): string {
  try {
    const { message, error } = (JSON.parse(body) ?? {}) as { message?: unknown; error?: unknown };
    for (const text of [message, error]) if (typeof text === 'string' && text.trim()) return text.trim();
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  return body.trim();
}

function certificateOf({ certificate }: ClientCredentials): { cert?: string; key?: string } {
  if (!certificate) return {};
  if ('cert' in certificate) return certificate;
  return { cert: readFileSync(certificate.certFile, 'utf8'), key: readFileSync(certificate.keyFile, 'utf8') };
}

const tokenOf = ({ token, tokenFile }: ClientCredentials): string | undefined =>
  token ?? (tokenFile ? readFileSync(tokenFile, 'utf8').trim() : undefined);
