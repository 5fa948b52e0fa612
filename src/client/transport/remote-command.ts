/**
 * Exec and attach over WebSocket: a channel for each stream, and one for how the command ended. Source: KEP-4006; API concepts,
 * the sub-protocols `v5.channel.k8s.io` and `v4.channel.k8s.io`.
 */
import { type RawData, WebSocket } from 'ws';
import type { Status } from '#api/machinery/status.ts';
import { Unreachable } from '../transport.ts';
import type { UpgradeRequest } from './upgrade-request.ts';
import { openWebSocket } from './web-socket.ts';

/** Its path is like `…/exec?command=ls&stdout=true`. */
export interface RemoteCommand extends UpgradeRequest {
  stdin?: NodeJS.ReadableStream;
  stdout(chunk: Buffer): void;
  stderr(chunk: Buffer): void;
  /** A terminal's size, now and whenever it changes. */
  sizes?: (resize: (size: { width: number; height: number }) => void) => () => void;
}

const STDIN = 0;
const STDOUT = 1;
const STDERR = 2;
const STATUS = 3;
const RESIZE = 4;
const CLOSE = 255;
const V5 = 'v5.channel.k8s.io';
/** So much may wait to be sent before standard input is not read further. */
const HIGH_WATER_BYTES = 1 << 20;

/** How the command ended; `Success`, or a Failure whose causes hold its exit code. */
export async function runRemoteCommand(command: RemoteCommand): Promise<Status> {
  const socket = await openWebSocket(command, [V5, 'v4.channel.k8s.io']);
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
