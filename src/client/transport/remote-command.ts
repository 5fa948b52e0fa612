/**
 * Exec and attach over WebSocket: a channel for each stream, and one for how the command ended. Source: KEP-4006; API concepts,
 * the sub-protocols `v5.channel.k8s.io` and `v4.channel.k8s.io`.
 */
import { readFileSync } from 'node:fs';
import { type RawData, WebSocket } from 'ws';
import type { Status } from '#api/machinery/status.ts';
import { Unreachable } from '../transport.ts';
import type { ClientCredentials } from './credentials.ts';
import type { Endpoint } from './kubeconfig.ts';

export interface RemoteCommand {
  endpoint: Endpoint;
  headers?: Readonly<Record<string, string | string[]>>;
  /** With its query: `…/exec?command=ls&stdout=true`. */
  path: string;
  stdin?: NodeJS.ReadableStream;
  stdout(chunk: Buffer): void;
  stderr(chunk: Buffer): void;
  /** A terminal's size, now and whenever it changes. */
  sizes?: (resize: (size: { width: number; height: number }) => void) => () => void;
  signal: AbortSignal;
}

const STDIN = 0;
const STDOUT = 1;
const STDERR = 2;
const STATUS = 3;
const RESIZE = 4;
const CLOSE = 255;
const V5 = 'v5.channel.k8s.io';
const CONNECT_TIMEOUT_MS = 30_000;
/** So much may wait to be sent before standard input is not read further. */
const HIGH_WATER_BYTES = 1 << 20;

/** The server was reached, and does not switch protocols; its words are in the message. */
export class UpgradeRefused extends Error {
  readonly code = 'UpgradeRefused';
}

/** How the command ended; `Success`, or a Failure whose causes hold its exit code. */
export async function runRemoteCommand(command: RemoteCommand): Promise<Status> {
  const socket = await connected(command);
  const stops: (() => void)[] = [];
  try {
    const ended = statusOf(socket, command);
    if (command.sizes)
      stops.push(
        command.sizes((size) =>
          send(socket, RESIZE, Buffer.from(JSON.stringify({ Width: size.width, Height: size.height }))),
        ),
      );
    if (command.stdin) stops.push(forwardInput(socket, command.stdin));
    return await ended;
  } finally {
    for (const stop of stops) stop();
    socket.close();
  }
}

function connected({ endpoint, headers, path, signal }: RemoteCommand): Promise<WebSocket> {
  const { server, certificateAuthority, serverName, insecure, credentials } = endpoint;
  const token = tokenOf(credentials);
  const socket = new WebSocket(`${server.replace(/^http/, 'ws')}${path}`, [V5, 'v4.channel.k8s.io'], {
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
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.once('end', () => reject(refusal(Buffer.concat(chunks).toString('utf8'), answer.statusCode ?? 0)));
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

function statusOf(socket: WebSocket, { stdout, stderr }: RemoteCommand): Promise<Status> {
  return new Promise((resolve, reject) => {
    let status: Status | undefined;
    socket.on('message', (data: RawData) => {
      const frame = data as Buffer;
      const rest = frame.subarray(1);
      if (frame[0] === STDOUT) stdout(rest);
      else if (frame[0] === STDERR) stderr(rest);
      else if (frame[0] === STATUS) status = JSON.parse(rest.toString('utf8')) as Status;
    });
    socket.once('error', (error) => reject(new Unreachable(error.message, { cause: error })));
    socket.once('close', () =>
      status ? resolve(status) : reject(new Unreachable('the connection was closed before the command ended')),
    );
  });
}

const send = (socket: WebSocket, channel: number, data: Buffer): void => {
  if (socket.readyState === WebSocket.OPEN) socket.send(Buffer.concat([Buffer.of(channel), data]));
};

/** Its end is told where the protocol can tell it. */
function forwardInput(socket: WebSocket, input: NodeJS.ReadableStream): () => void {
  let isStopped = false;
  const forward = (chunk: Buffer | string) => {
    if (socket.readyState !== WebSocket.OPEN) return;
    const isMuch = socket.bufferedAmount > HIGH_WATER_BYTES;
    if (isMuch) input.pause();
    socket.send(Buffer.concat([Buffer.of(STDIN), Buffer.from(chunk as Buffer)]), () => {
      if (isMuch && !isStopped) input.resume();
    });
  };
  const end = () => {
    if (socket.protocol === V5) send(socket, CLOSE, Buffer.of(STDIN));
  };
  input.on('data', forward);
  input.once('end', end);
  return () => {
    isStopped = true;
    input.off('data', forward);
    input.off('end', end);
    input.pause();
  };
}
