/**
 * One connection to a port of a pod: two streams of SPDY/3.1, what is said and what went wrong; where something on the way does
 * not let SPDY through, two channels of a WebSocket. Source: upstream's client-go, tools/portforward; kubelet,
 * cri/streaming/portforward.
 */
import { Duplex } from 'node:stream';
import type { RawData, WebSocket } from 'ws';
import { SpdyConnection, type SpdyStream } from './spdy/connection.ts';
import { openSpdy } from './spdy-upgrade.ts';
import { UpgradeRefused, type UpgradeRequest } from './upgrade-request.ts';
import { openWebSocket } from './web-socket.ts';

const STREAMS = 'portforward.k8s.io';
const CHANNELS = 'v4.channel.k8s.io';
const MAX_PROBLEM_BYTES = 4096;

export interface PodPort {
  /** Each side ends on its own, where the server knows how that is said. */
  data: Duplex;
  /** Resolves when the other end has nothing to complain about any more; rejects with its words. */
  problem: Promise<void>;
}

/** `path` is the pod's `…/portforward`. Throws UpgradeRefused and Unreachable. */
export async function openPodPort(request: UpgradeRequest, port: number): Promise<PodPort> {
  const connection = await opened(request, port);
  if (connection instanceof SpdyConnection) return streamsIn(connection, port);
  const data = new Channels(connection);
  return { data, problem: data.problem };
}

export interface ReachedPod {
  /** Resolves when the way to the pod has ended. Never where there is no SPDY: there a way is one connection to a port. */
  lost: Promise<void>;
  close(): void;
}

/** Whether the server leads to the pod at all; the port itself is met only where there is no SPDY. Throws as `openPodPort`. */
export async function reachPod(request: UpgradeRequest, port: number): Promise<ReachedPod> {
  const connection = await opened(request, port);
  if (connection instanceof SpdyConnection) return { lost: connection.closed, close: () => connection.close() };
  connection.terminate();
  return { lost: new Promise(() => undefined), close: () => undefined };
}

async function opened(request: UpgradeRequest, port: number): Promise<SpdyConnection | WebSocket> {
  try {
    return await openSpdy(request, [STREAMS]);
  } catch (error) {
    if (!(error instanceof UpgradeRefused)) throw error;
    return openWebSocket({ ...request, path: `${request.path}?ports=${port}` }, [CHANNELS]);
  }
}

function streamsIn(connection: SpdyConnection, port: number): PodPort {
  const headers = (streamType: string) =>
    new Map([
      ['streamType', streamType],
      ['port', String(port)],
      ['requestID', '0'],
    ]);
  const problem = problemIn(connection.open(headers('error'), { isLast: true }));
  const data = connection.open(headers('data'));
  data.once('close', () => void problem.finally(() => connection.close()).catch(() => undefined)); // told by `problem`
  return { data, problem };
}

function problemIn(stream: SpdyStream): Promise<void> {
  let told = '';
  stream.on('data', (chunk: Buffer) => {
    told = (told + chunk.toString('utf8')).slice(0, MAX_PROBLEM_BYTES);
  });
  return new Promise((resolve, reject) => {
    stream.once('close', () => (told ? reject(new Error(told.trim())) : resolve()));
  });
}

const [DATA, ERROR] = [0, 1] as const;
const PORT_BYTES = 2;

/**
 * Channel 0 is the connection, 1 says what went wrong; what each says first is the port. Who
 * has no more to say cannot tell: the connection stays until the other end closes it.
 */
class Channels extends Duplex {
  readonly #socket: WebSocket;
  readonly #seen = [false, false];
  /** As that of a PodPort; it is said in order with the data. */
  readonly problem: Promise<void>;
  #fail: (problem: Error) => void = () => undefined;

  constructor(socket: WebSocket) {
    super({ allowHalfOpen: true });
    this.#socket = socket;
    this.problem = new Promise((resolve, reject) => {
      this.#fail = reject;
      socket.once('close', () => resolve());
    });
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
    if (channel === ERROR) this.#complain(new Error(content.toString('utf8').trim()));
    else if (!this.push(content)) this.#socket.pause();
  }

  #complain(problem: Error): void {
    this.#fail(problem);
    this.destroy(problem);
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.#socket.send(Buffer.concat([Buffer.of(DATA), chunk]), done);
  }

  override _final(done: () => void): void {
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#socket.terminate();
    done(error);
  }
}
