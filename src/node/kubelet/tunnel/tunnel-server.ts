/**
 * The node's end of its tunnel: dials what the API server asks for, if it is this node's to dial. Bytes go as fast as the
 * slower side takes them, stream by stream.
 */
import { performServerHandshake, type ServerHttp2Stream } from 'node:http2';
import { isIP, connect as plainConnect } from 'node:net';
import { Duplex } from 'node:stream';
import { isInRange } from '#api/machinery/ip.ts';
import type { Clock } from '#base/clock.ts';

export interface TunnelTargets {
  podRanges: readonly string[];
  /** Of the node. */
  addresses: readonly string[];
  kubeletPort: number;
}

/** At a time. */
const MOST_STREAMS = 1_000;
const DIAL_MS = 10_000;
const WINDOW_BYTES = 2 ** 20;
const SESSION_MB = 256;
/** The API server asks every fifteen seconds whether the node is there. */
const SILENCE_MS = 60_000;

/** Whether this node dials it for the API server: its pods, and its own kubelet. */
export function mayDial({ host, port }: { host: string; port: number }, targets: TunnelTargets): boolean {
  if (isIP(host) === 0 || !(port >= 1 && port <= 65_535)) return false;
  if (targets.podRanges.some((range) => isInRange(range, host))) return true;
  return port === targets.kubeletPort && targets.addresses.includes(host);
}

/** Resolves when the connection is gone. */
export function serveTunnel(
  socket: Duplex,
  { targets, clock }: { targets: TunnelTargets; clock: Clock },
): Promise<void> {
  // Not the socket itself: HTTP/2 would take its handle, while what was written before may still be under way there.
  const bytes = Duplex.from({ readable: socket, writable: socket });
  bytes.on('error', () => socket.destroy());
  const session = performServerHandshake(bytes, {
    settings: { maxConcurrentStreams: MOST_STREAMS, initialWindowSize: WINDOW_BYTES, enableConnectProtocol: false },
    maxSessionMemory: SESSION_MB,
  });
  session.setLocalWindowSize(16 * WINDOW_BYTES);
  session.on('stream', (stream, headers) => {
    const { ':method': method, ':authority': authority = '' } = headers;
    stream.on('error', () => stream.destroy());
    const target = targetOf(String(authority));
    if (method !== 'CONNECT' || !target || !mayDial(target, targets)) refuse(stream, 403, 'EACCES');
    else carry(stream, target, clock);
  });
  session.on('error', () => session.destroy());
  socket.once('close', () => session.destroy());
  // Who has gone without a word cannot say so: only that it asks no more tells.
  let silent = clock.timer(SILENCE_MS, () => session.destroy());
  session.on('ping', () => {
    silent.cancel();
    silent = clock.timer(SILENCE_MS, () => session.destroy());
  });
  session.once('close', () => silent.cancel());
  return new Promise((resolve) => session.once('close', () => resolve()));
}

function targetOf(authority: string): { host: string; port: number } | undefined {
  const [, six, four, port] = /^(?:\[([0-9a-f:.]+)\]|([0-9.]+)):(\d{1,5})$/i.exec(authority) ?? [];
  const host = six ?? four;
  return host === undefined ? undefined : { host, port: Number(port) };
}

function refuse(stream: ServerHttp2Stream, status: number, code: string): void {
  if (stream.destroyed || stream.headersSent) return;
  stream.respond({ ':status': status, 'kedge-dial-error': code }, { endStream: true });
}

function carry(stream: ServerHttp2Stream, target: { host: string; port: number }, clock: Clock): void {
  const other = plainConnect({ ...target, allowHalfOpen: true, noDelay: true });
  const late = clock.timer(DIAL_MS, () =>
    other.destroy(Object.assign(new Error('i/o timeout'), { code: 'ETIMEDOUT' })),
  );
  stream.once('close', () => other.destroy());
  other.once('error', (error: NodeJS.ErrnoException) => {
    late.cancel();
    if (stream.headersSent) stream.destroy();
    else refuse(stream, 502, error.code ?? 'ECONNRESET');
  });
  other.once('connect', () => {
    late.cancel();
    if (stream.destroyed) return void other.destroy();
    stream.respond({ ':status': 200 });
    stream.pipe(other);
    other.pipe(stream);
    // What it said last has been passed on by then.
    other.once('close', () => stream.end());
  });
}
