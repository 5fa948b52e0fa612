/**
 * Exec and attach: from a client's WebSocket channels to the SPDY streams of the runtime. The runtime's own WebSockets
 * cannot say that input is over, so `kubectl cp` would hang on them; SPDY can.
 */
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import type { WebSocket } from 'ws';
import { SpdyConnection, type SpdyStream } from '#client/transport/spdy/connection.ts';
import { CHANNEL, type ChannelCodec, codecFor } from './channel-protocol.ts';
import { upgradeToSpdy } from './runtime-stream.ts';
import type { AcceptedSocket } from './web-sockets.ts';

export interface CommandStreams {
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
  tty: boolean;
}

const PROTOCOLS = ['v4.channel.k8s.io'];
const NORMAL_CLOSURE = 1000;
/** More waiting to be sent than this, and the container's output is held up. */
const MAX_WAITING_BYTES = 1024 * 1024;

interface Streams {
  error: SpdyStream;
  stdin: SpdyStream | undefined;
  stdout: SpdyStream | undefined;
  stderr: SpdyStream | undefined;
  resize: SpdyStream | undefined;
}

/** Resolves when it is over. @throws HttpError when the runtime does not take it */
export async function bridgeCommand(
  url: string,
  wanted: CommandStreams,
  accept: () => Promise<AcceptedSocket>,
): Promise<void> {
  const { socket, head } = await upgradeToSpdy(url, { protocols: PROTOCOLS });
  if (head.length > 0) socket.unshift(head);
  const connection = new SpdyConnection(socket, { side: 'client' });
  try {
    const streams = await openStreams(connection, wanted);
    const { client, protocol } = await accept();
    const codec = codecFor(protocol);
    announce(client, codec, wanted);
    const input = { isWanted: true };
    takeInput(client, codec, { ...streams, input });
    client.once('close', () => connection.destroy());
    client.once('error', () => client.terminate());
    await giveOutput(client, codec, streams);
    input.isWanted = false;
    await closeInOrder(client);
  } finally {
    connection.destroy();
  }
}

/** Input that comes too late is read and dropped: a socket closed with something unread takes back the answer. */
async function closeInOrder(client: WebSocket): Promise<void> {
  if (client.readyState === client.CLOSED) return;
  const gone = once(client, 'close');
  client.close(NORMAL_CLOSURE);
  client.resume();
  await gone;
}

/** In the order in which the runtime waits for them. */
async function openStreams(connection: SpdyConnection, wanted: CommandStreams): Promise<Streams> {
  const open = (streamType: string, isLast: boolean) =>
    connection.open(new Map([['streamtype', streamType]]), { isLast });
  const hear = (streamType: string) => open(streamType, true); // nothing goes this way
  const say = (streamType: string) => open(streamType, false);
  const streams: Streams = connection.together(() => ({
    error: hear('error'),
    stdin: wanted.stdin ? say('stdin') : undefined,
    stdout: wanted.stdout ? hear('stdout') : undefined,
    stderr: wanted.stderr && !wanted.tty ? hear('stderr') : undefined,
    resize: wanted.tty ? say('resize') : undefined,
  }));
  const opened = Object.values(streams).filter((stream) => stream !== undefined) as SpdyStream[];
  await Promise.all(opened.map(({ accepted }) => accepted));
  return streams;
}

/** An empty message tells the client that it is connected. */
function announce(client: WebSocket, codec: ChannelCodec, { stdout, stderr }: CommandStreams): void {
  const channel = stdout ? CHANNEL.stdout : stderr ? CHANNEL.stderr : CHANNEL.error;
  client.send(codec.encode(channel, Buffer.alloc(0)));
}

function takeInput(
  client: WebSocket,
  codec: ChannelCodec,
  { stdin, resize, input }: Streams & { input: { isWanted: boolean } },
): void {
  client.on('message', (raw, isBinary) => {
    const message = codec.decode(Array.isArray(raw) ? Buffer.concat(raw) : Buffer.from(raw as Buffer), isBinary);
    if (!message || !input.isWanted) return;
    if ('closed' in message) {
      if (message.closed === CHANNEL.stdin) stdin?.end();
      return;
    }
    const to = message.channel === CHANNEL.stdin ? stdin : message.channel === CHANNEL.resize ? resize : undefined;
    if (!to || to.writableEnded || to.destroyed || message.data.length === 0) return;
    if (to.write(message.data)) return;
    client.pause();
    const go = () => {
      to.off('drain', go);
      to.off('close', go);
      client.resume();
    };
    to.on('drain', go);
    to.on('close', go);
  });
}

async function giveOutput(client: WebSocket, codec: ChannelCodec, streams: Streams): Promise<void> {
  const status = statusOf(streams.error);
  await Promise.all([
    streams.stdout && pour(streams.stdout, client, (data) => codec.encode(CHANNEL.stdout, data)).catch(() => undefined),
    streams.stderr && pour(streams.stderr, client, (data) => codec.encode(CHANNEL.stderr, data)).catch(() => undefined),
    status,
  ]);
  const said = codec.statusAsJson ? await status : failureOf(await status);
  if (said.length > 0) await send(client, codec.encode(CHANNEL.error, said));
}

/**
 * A runtime that closes on a peer that is still writing may lose what it said last (TCP's reset): then that is said. It may
 * also close before it ends the stream, with all said.
 */
async function statusOf(error: Readable): Promise<Buffer> {
  const said: Buffer[] = [];
  error.on('data', (chunk: Buffer) => said.push(chunk));
  const hasEnded = await finished(error).then(
    () => true,
    () => false,
  );
  const status = Buffer.concat(said);
  return hasEnded || isWhole(status) ? status : LOST;
}

function isWhole(status: Buffer): boolean {
  try {
    JSON.parse(status.toString('utf8'));
    return true;
  } catch {
    return false;
  }
}

const LOST = Buffer.from(
  JSON.stringify({
    metadata: {},
    status: 'Failure',
    reason: 'InternalError',
    message: 'the container runtime closed the connection before it said how the command ended',
    code: 500,
  }),
);

async function pour(from: Readable, client: WebSocket, encode: (data: Buffer) => Buffer | string): Promise<void> {
  for await (const chunk of from as AsyncIterable<Buffer>) {
    const sent = send(client, encode(chunk));
    if (client.bufferedAmount > MAX_WAITING_BYTES) await sent;
  }
}

function send(client: WebSocket, message: Buffer | string): Promise<void> {
  return new Promise((resolve) => client.send(message, () => resolve())); // a client that has gone is noticed by its close
}

function failureOf(status: Buffer): Buffer {
  if (status.length === 0) return status;
  const { status: result, message = '' } = JSON.parse(status.toString('utf8')) as { status?: string; message?: string };
  return result === 'Success' ? Buffer.alloc(0) : Buffer.from(message);
}
