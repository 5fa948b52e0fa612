/**
 * One end of a SPDY/3.1 connection over a socket: streams that either end opens, each a Duplex. The peers here (containerd,
 * client-go) do without flow control: a slow reader holds up the whole connection instead. A peer that counts can be told
 * what was read; Go's peers must not be: what reaches them while they close makes the kernel drop what they last said.
 */
import { Duplex } from 'node:stream';
import { BadFrame, encodeFrame, type Frame, FrameReader, MAX_DATA_BYTES } from './frames.ts';
import {
  BadHeaderBlock,
  BlockPacker,
  BlockUnpacker,
  decodeHeaders,
  encodeHeaders,
  type Headers,
} from './header-block.ts';

export type { Headers } from './header-block.ts';

const STATUS = { protocolError: 1, cancel: 5 };
const MAX_STREAMS = 1024;

type Outgoing = Exclude<Frame, { type: 'other' }>;

export interface SpdyOptions {
  side: 'client' | 'server';
  /** The peer counts: it is told what was read (WINDOW_UPDATE). */
  tellsReading?: boolean;
  /** A stream that the peer opened. It is accepted already. */
  onStream?(stream: SpdyStream): void;
}

export class SpdyStream extends Duplex {
  readonly id: number;
  readonly headers: Headers;
  /** Resolves when the peer has accepted it; rejects when it has not. */
  readonly accepted: Promise<void>;
  settle: (error?: Error) => void = () => undefined;
  hasReceivedEnd = false;
  isAccepted = false;
  /** It was opened with its end. */
  hasSaidLast = false;
  readonly #connection: SpdyConnection;

  constructor(connection: SpdyConnection, id: number, headers: Headers) {
    super({ allowHalfOpen: true });
    this.#connection = connection;
    this.id = id;
    this.headers = headers;
    this.accepted = new Promise((resolve, reject) => {
      this.settle = (error) => {
        if (error) return reject(error);
        this.isAccepted = true;
        resolve();
      };
    });
    this.accepted.catch(() => undefined); // whoever waits for it hears; nobody has to
    this.on('error', () => undefined); // likewise: a stream nobody reads any more ends with its connection
  }

  receiveEnd(): void {
    if (this.hasReceivedEnd) return;
    this.hasReceivedEnd = true;
    this.push(null);
  }

  override _read(): void {
    this.#connection.resumeReading(this);
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    // After what has arrived was read: writing to a peer that has just gone would lose what it said last.
    setImmediate(() => this.#connection.sendData(this.id, chunk, done));
  }

  override _final(done: (error?: Error | null) => void): void {
    if (!this.hasSaidLast)
      this.#connection.send({ type: 'data', streamId: this.id, isLast: true, data: Buffer.alloc(0) });
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#connection.forget(this, !this.readableEnded || !this.writableFinished);
    this.settle(error ?? new Error('the stream is closed'));
    done(error);
  }
}

export class SpdyConnection {
  readonly #socket: Duplex;
  readonly #options: SpdyOptions;
  readonly #reader = new FrameReader();
  readonly #packer = new BlockPacker();
  /** undefined: nothing that the peer says in headers is of use here, so they stay packed. */
  readonly #unpacker: BlockUnpacker | undefined;
  readonly #streams = new Map<number, SpdyStream>();
  /** Streams whose reader is behind: nothing is read from the socket until they catch up. */
  readonly #slow = new Set<SpdyStream>();
  #nextId: number;
  /** Frames are handled one after the other: a header block is unpacked in its turn. */
  #handling: Promise<void> = Promise.resolve();
  /** Resolves when the connection has ended, for whatever reason. */
  readonly closed: Promise<void>;

  constructor(socket: Duplex, options: SpdyOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#nextId = options.side === 'client' ? 1 : 2;
    if (options.side === 'server' || options.onStream) this.#unpacker = new BlockUnpacker();
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        // What has arrived is handled before the end is.
        void this.#handling.then(() => this.#end()).then(resolve);
      });
    });
    socket.on('error', () => socket.destroy());
    socket.on('end', () => socket.end());
  }

  /** What is sent in `act` goes out in one write. */
  together<T>(act: () => T): T {
    this.#socket.cork();
    try {
      return act();
    } finally {
      this.#socket.uncork();
    }
  }

  /**
   * Opens a stream. It may be written to at once; `accepted` tells whether the peer takes it.
   * @param isLast nothing will be written to it
   */
  open(headers: Headers, { isLast = false }: { isLast?: boolean } = {}): SpdyStream {
    const id = this.#nextId;
    this.#nextId += 2;
    const stream = new SpdyStream(this, id, headers);
    this.#streams.set(id, stream);
    this.send({ type: 'syn-stream', streamId: id, isLast, block: this.#packer.pack(encodeHeaders(headers)) });
    stream.hasSaidLast = isLast;
    if (isLast) stream.end();
    return stream;
  }

  send(frame: Outgoing): void {
    if (!this.#socket.writableEnded && !this.#socket.destroyed) this.#socket.write(encodeFrame(frame));
  }

  /** In frames of a bearable size; `done` when the socket has taken them. */
  sendData(streamId: number, data: Buffer, done: (error?: Error | null) => void): void {
    if (this.#socket.destroyed || this.#socket.writableEnded) {
      done(new Error('the connection is closed'));
      return;
    }
    let isFree = true;
    for (let at = 0; at < data.length; at += MAX_DATA_BYTES)
      isFree = this.#socket.write(
        encodeFrame({ type: 'data', streamId, isLast: false, data: data.subarray(at, at + MAX_DATA_BYTES) }),
      );
    if (isFree) {
      done();
      return;
    }
    const go = () => {
      this.#socket.off('drain', go);
      this.#socket.off('close', go);
      done();
    };
    this.#socket.on('drain', go);
    this.#socket.on('close', go);
  }

  resumeReading(stream: SpdyStream): void {
    if (this.#slow.delete(stream) && this.#slow.size === 0) this.#socket.resume();
  }

  forget(stream: SpdyStream, isCancelled: boolean): void {
    if (!this.#streams.delete(stream.id)) return;
    this.resumeReading(stream);
    if (isCancelled) this.send({ type: 'rst-stream', streamId: stream.id, status: STATUS.cancel });
  }

  /** Ends it in order. */
  close(): void {
    this.send({ type: 'goaway', lastStreamId: 0, status: 0 });
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #receive(chunk: Buffer): void {
    try {
      for (const frame of this.#reader.push(chunk)) {
        this.#handling = this.#handling.then(() => this.#handle(frame)).catch((error: Error) => this.#fail(error));
      }
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  /** What the peer sends makes no sense: nothing after it can be trusted. */
  #fail(error: Error): void {
    if (!(error instanceof BadFrame) && !(error instanceof BadHeaderBlock)) throw error;
    this.#socket.destroy(error);
  }

  async #handle(frame: Frame): Promise<void> {
    const stream = 'streamId' in frame ? this.#streams.get(frame.streamId) : undefined;
    switch (frame.type) {
      case 'data':
        return this.#data(stream, frame);
      case 'syn-stream':
        return this.#opened(frame.streamId, await this.#headers(frame.block), frame.isLast);
      case 'syn-reply':
        if (this.#unpacker) await this.#headers(frame.block); // the peer's compressor has a memory
        stream?.settle();
        if (frame.isLast) stream?.receiveEnd();
        return;
      case 'headers':
        if (this.#unpacker) await this.#headers(frame.block);
        if (frame.isLast) stream?.receiveEnd();
        return;
      case 'rst-stream':
        this.#streams.delete(frame.streamId);
        if (stream) wasReset(stream, frame.status);
        return;
      case 'ping': {
        const isTheirs = frame.id % 2 === (this.#options.side === 'client' ? 0 : 1);
        if (isTheirs) this.send({ type: 'ping', id: frame.id });
        return;
      }
      default:
        return;
    }
  }

  async #headers(block: Buffer): Promise<Headers> {
    return this.#unpacker ? decodeHeaders(await this.#unpacker.unpack(block)) : new Map();
  }

  #opened(id: number, headers: Headers, isLast: boolean): void {
    if (!this.#options.onStream || this.#streams.size >= MAX_STREAMS || this.#streams.has(id)) {
      this.send({ type: 'rst-stream', streamId: id, status: STATUS.protocolError });
      return;
    }
    const stream = new SpdyStream(this, id, headers);
    this.#streams.set(id, stream);
    stream.settle();
    this.send({ type: 'syn-reply', streamId: id, isLast: false, block: this.#packer.pack(encodeHeaders(new Map())) });
    this.#options.onStream(stream);
    if (isLast) stream.receiveEnd();
  }

  #data(stream: SpdyStream | undefined, { data, isLast }: { data: Buffer; isLast: boolean }): void {
    if (!stream) {
      this.#readSoFar(0, data.length);
      return;
    }
    if (data.length > 0) {
      const wantsMore = stream.push(data);
      this.#readSoFar(stream.id, data.length);
      this.#readSoFar(0, data.length);
      if (!wantsMore) {
        this.#slow.add(stream);
        this.#socket.pause();
      }
    }
    if (isLast) stream.receiveEnd();
  }

  /** 0 is the connection as a whole. */
  #readSoFar(streamId: number, bytes: number): void {
    if (bytes > 0 && this.#options.tellsReading) this.send({ type: 'window-update', streamId, delta: bytes });
  }

  /** A stream whose end has arrived may still be read to it; the others break off. */
  #end(): void {
    for (const stream of [...this.#streams.values()]) {
      this.#streams.delete(stream.id);
      if (stream.hasReceivedEnd) stream.end();
      else stream.destroy(new Error('the connection is closed'));
    }
    this.#unpacker?.close();
  }
}

/** Go's peers end a stream in order by cancelling it; and one that has said all may have forgotten the stream: no loss. */
function wasReset(stream: SpdyStream, status: number): void {
  if (status === STATUS.cancel && stream.isAccepted) stream.receiveEnd();
  if (stream.hasReceivedEnd) stream.end();
  else stream.destroy(new Error(`the peer reset the stream (status ${status})`));
}
