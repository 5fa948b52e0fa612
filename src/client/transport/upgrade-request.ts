/** What all requests have in common that become connections: who asks, how the server is known, and how it refuses. */
import { readFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import type { ClientCredentials } from './credentials.ts';
import type { Endpoint } from './kubeconfig.ts';

export interface UpgradeRequest {
  endpoint: Endpoint;
  headers?: Readonly<Record<string, string | string[]>>;
  /** With its query. */
  path: string;
  signal: AbortSignal;
}

export const CONNECT_TIMEOUT_MS = 30_000;
/** Of what a server says instead of switching protocols. */
const MAX_REFUSAL_BYTES = 1 << 20;

/** The server was reached, and does not switch protocols; its words are in the message. */
export class UpgradeRefused extends Error {
  readonly code = 'UpgradeRefused';
}

export const tlsOptionsOf = ({ certificateAuthority, serverName, insecure, credentials }: Endpoint) => ({
  ...(certificateAuthority && { ca: certificateAuthority }),
  ...(serverName && { servername: serverName }),
  ...certificateOf(credentials),
  rejectUnauthorized: !insecure,
});

export function headersOf({ endpoint, headers }: UpgradeRequest): Record<string, string | string[]> {
  const token = tokenOf(endpoint.credentials);
  return { ...headers, ...(token && { authorization: `Bearer ${token}` }) };
}

/** Reads the answer to its end, also where it breaks off: what came until then is what there is to tell. */
export function refusedBy(answer: IncomingMessage): Promise<UpgradeRefused> {
  const chunks: Buffer[] = [];
  let left = MAX_REFUSAL_BYTES;
  answer.on('data', (chunk: Buffer) => {
    if (left > 0) chunks.push(chunk.subarray(0, left));
    left -= chunk.length;
    if (left <= 0) answer.destroy();
  });
  return new Promise((resolve) => {
    answer.once('close', () => resolve(refusal(Buffer.concat(chunks).toString('utf8'), answer.statusCode ?? 0)));
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
