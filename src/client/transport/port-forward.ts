/**
 * One connection to a port of a pod over a WebSocket of its own: channel 0 is the connection, 1 says what went wrong; what
 * each says first is the port. Source: KEP-4006; upstream's kubelet, cri/streaming/portforward.
 */
import { Duplex } from 'node:stream';
import type { RawData, WebSocket } from 'ws';
import { openWebSocket, type WebSocketRequest } from './web-socket.ts';

const [DATA, ERROR] = [0, 1] as const;
const PORT_BYTES = 2;

/** `path` is the pod's `…/portforward`. The stream fails with what the other end says. */
export async function openPodPort(request: WebSocketRequest, port: number): Promise<Duplex> {
  const path = `${request.path}?ports=${port}`;
  return new PodPort(await openWebSocket({ ...request, path }, ['v4.channel.k8s.io']));
}

class PodPort extends Duplex {
  readonly #socket: WebSocket;
  readonly #seen = [false, false];

  constructor(socket: WebSocket) {
    super({ allowHalfOpen: true });
    this.#socket = socket;
    socket.on('message', (data: RawData) => this.#received(data as Buffer));
    socket.once('error', (error) => this.destroy(error));
    socket.once('close', () => this.push(null));
  }

  #received(frame: Buffer): void {
    const channel = frame[0];
    if (channel !== DATA && channel !== ERROR) return;
    const isFirst = !this.#seen[channel];
    this.#seen[channel] = true;
    const content = frame.subarray(1 + (isFirst ? PORT_BYTES : 0));
    if (content.length === 0) return;
    if (channel === ERROR) this.destroy(new Error(content.toString('utf8').trim()));
    else if (!this.push(content)) this.#socket.pause();
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.#socket.send(Buffer.concat([Buffer.of(DATA), chunk]), done);
  }

  /** The protocol cannot say that one side has no more to say: the connection stays until the other one ends it. */
  override _final(done: () => void): void {
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#socket.terminate();
    done(error);
  }
}
