/**
 * A client that is cheaper than the servers it loads: it writes and reads HTTP/2 frames itself, so that on shared cores the
 * rate it finds is the server's. Only what a load needs of the protocol: requests without trailers, answers of any size, no push.
 * Source: RFC 9113 (frames), RFC 7541 (header fields; none is ever put into a table, so that each block can be read alone).
 */
import { connect, type TLSSocket } from 'node:tls';
import type { Ask, Load, LoadOptions, Target } from './http2-load.ts';

/** Callers of one connection; beyond that many they share out over several, as several clients would. */
const CALLERS_A_CONNECTION = 8;

const DATA = 0x0;
const HEADERS = 0x1;
const RST_STREAM = 0x3;
const SETTINGS = 0x4;
const PING = 0x6;
const GOAWAY = 0x7;
const WINDOW_UPDATE = 0x8;
const END_STREAM = 0x1;
const ACK = 0x1;
const END_HEADERS = 0x4;
const PADDED = 0x8;
const FRAME_HEAD = 9;
const MAX_FRAME = 16_384;
const WINDOW = 0x3fff_ffff;
/** Room is given back when so much of the connection's window is used. */
const GIVE_BACK = WINDOW >> 1;

const SETTING_TABLE_SIZE = 1;
const SETTING_PUSH = 2;
const SETTING_WINDOW = 4;
/** Static table: `:method`, `:scheme: https`, names of `:authority`, `:path`, `content-type`, `user-agent`. */
const GET = 0x82;
const POST = 0x83;
const NAME = { authority: 1, method: 2, path: 4, 'content-type': 31, 'user-agent': 58 } as const;
const HTTPS = 0x87;

/** As `load` of http2-load.ts, by fewer instructions. Rejects when any answer is not a 2xx. */
export async function frameLoad(target: Target, { ask, requests, forMs = 5_000, atOnce }: LoadOptions): Promise<Load> {
  const connections = await Promise.all(
    Array.from({ length: Math.ceil(atOnce / CALLERS_A_CONNECTION) }, () => FrameConnection.open(target)),
  );
  const times: number[] = [];
  let next = 0;
  let bytes = 0;
  const began = performance.now();
  const caller = async (connection: FrameConnection) => {
    while (next < requests && performance.now() - began < forMs) {
      const request = ask(next++);
      const start = performance.now();
      bytes += await connection.exchange(request);
      times.push(performance.now() - start);
    }
  };
  try {
    const at = (i: number) => connections[i % connections.length] as FrameConnection;
    await Promise.all(Array.from({ length: atOnce }, (_, i) => caller(at(i))));
  } finally {
    for (const connection of connections) connection.close();
  }
  return { times, perSecond: times.length / ((performance.now() - began) / 1000), bytes };
}

interface Stream {
  ask: Ask;
  bytes: number;
  isRefused: boolean;
  said: Buffer[];
  resolve(bytes: number): void;
  reject(error: Error): void;
}

export class FrameConnection {
  readonly #socket: TLSSocket;
  readonly #authority: string;
  readonly #streams = new Map<number, Stream>();
  #nextStream = 1;
  #rest: Buffer = Buffer.alloc(0);
  #used = 0;
  #waiting: Buffer[] = [];

  static open(target: Target): Promise<FrameConnection> {
    const { hostname, port } = new URL(target.origin);
    return new Promise((resolve, reject) => {
      const tls = { ...target.tls, host: hostname, port: Number(port), ALPNProtocols: ['h2'] } as const;
      const socket = connect(tls);
      socket.once('error', reject);
      socket.once('secureConnect', () => {
        socket.off('error', reject);
        resolve(new FrameConnection(socket, `${hostname}:${port}`));
      });
    });
  }

  private constructor(socket: TLSSocket, authority: string) {
    this.#socket = socket;
    this.#authority = authority;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    socket.on('error', (error) => this.#fail(error));
    socket.on('close', () => this.#fail(new Error('the server closed the connection')));
    const settings = Buffer.alloc(18);
    settings.writeUInt16BE(SETTING_TABLE_SIZE, 0);
    settings.writeUInt16BE(SETTING_PUSH, 6);
    settings.writeUInt16BE(SETTING_WINDOW, 12);
    settings.writeUInt32BE(WINDOW, 14);
    const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    socket.write(Buffer.concat([preface, frame(SETTINGS, 0, 0, settings), windowUpdate(WINDOW)]));
  }

  /** Resolves with the length of the answer's body. */
  exchange(ask: Ask): Promise<number> {
    const id = this.#nextStream;
    this.#nextStream += 2;
    return new Promise((resolve, reject) => {
      this.#streams.set(id, { ask, bytes: 0, isRefused: false, said: [], resolve, reject });
      this.#write(this.#framesOf(id, ask));
    });
  }

  close(): void {
    this.#socket.removeAllListeners('close');
    this.#socket.destroy();
  }

  #framesOf(id: number, { method = 'GET', path, body, contentType = 'application/json' }: Ask): Buffer {
    const verb = method === 'GET' ? [GET] : method === 'POST' ? [POST] : literal(NAME.method, method);
    const fields = [
      ...[verb, [HTTPS], literal(NAME.path, path), literal(NAME.authority, this.#authority)],
      literal(NAME['user-agent'], 'bench'),
      ...(body === undefined ? [] : [literal(NAME['content-type'], contentType)]),
    ];
    const block = Buffer.concat(fields.map((field) => (Array.isArray(field) ? Buffer.from(field) : field)));
    if (body === undefined) return frame(HEADERS, END_HEADERS | END_STREAM, id, block);
    const bytes = Buffer.from(body);
    const frames = [frame(HEADERS, END_HEADERS, id, block)];
    for (let at = 0; at < bytes.length; at += MAX_FRAME) {
      const end = Math.min(at + MAX_FRAME, bytes.length);
      frames.push(frame(DATA, end === bytes.length ? END_STREAM : 0, id, bytes.subarray(at, end)));
    }
    return Buffer.concat(frames);
  }

  /** What is asked in one turn goes out in one record. */
  #write(bytes: Buffer): void {
    if (this.#waiting.push(bytes) > 1) return;
    queueMicrotask(() => {
      const all = this.#waiting;
      this.#waiting = [];
      this.#socket.write(all.length === 1 ? (all[0] as Buffer) : Buffer.concat(all));
    });
  }

  #read(chunk: Buffer): void {
    const bytes = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk;
    let at = 0;
    while (at + FRAME_HEAD <= bytes.length) {
      const length = bytes.readUIntBE(at, 3);
      const end = at + FRAME_HEAD + length;
      if (end > bytes.length) break;
      const [type = 0, flags = 0] = [bytes[at + 3], bytes[at + 4]];
      this.#frame({ type, flags, id: bytes.readUInt32BE(at + 5) }, bytes.subarray(at + FRAME_HEAD, end));
      at = end;
    }
    this.#rest = at < bytes.length ? Buffer.from(bytes.subarray(at)) : bytes.subarray(0, 0);
  }

  #frame({ type, flags, id }: { type: number; flags: number; id: number }, payload: Buffer): void {
    const isAnswer = (flags & ACK) !== 0;
    if (type === SETTINGS && !isAnswer) this.#write(frame(SETTINGS, ACK, 0, Buffer.alloc(0)));
    else if (type === PING && !isAnswer) this.#write(frame(PING, ACK, 0, payload));
    else if (type === GOAWAY) this.#fail(new Error(`the server is going away: ${payload.toString('latin1', 8)}`));
    else if (type === DATA) this.#giveBack(payload.length);
    const stream = this.#streams.get(id);
    if (stream) this.#ofStream({ type, flags, id }, payload, stream);
  }

  #ofStream({ type, flags, id }: { type: number; flags: number; id: number }, payload: Buffer, stream: Stream): void {
    if (type === HEADERS) stream.isRefused = !isSuccess(payload, flags & PADDED ? 1 : 0);
    if (type === DATA) {
      stream.bytes += payload.length;
      if (stream.isRefused) stream.said.push(Buffer.from(payload));
    }
    if (type === RST_STREAM) this.#end(id, stream, new Error(`reset: ${payload.readUInt32BE(0)}`));
    if (!(flags & END_STREAM) || (type !== DATA && type !== HEADERS)) return;
    const { ask, said } = stream;
    const why = `${ask.method ?? 'GET'} ${ask.path}: refused: ${Buffer.concat(said).toString('utf8', 0, 500)}`;
    this.#end(id, stream, stream.isRefused ? new Error(why) : undefined);
  }

  /** One stream never gets so much that its own window matters. */
  #giveBack(length: number): void {
    this.#used += length;
    if (this.#used < GIVE_BACK) return;
    this.#write(windowUpdate(this.#used));
    this.#used = 0;
  }

  #end(id: number, { bytes, resolve, reject }: Stream, error: Error | undefined): void {
    this.#streams.delete(id);
    if (error) reject(error);
    else resolve(bytes);
  }

  #fail(error: Error): void {
    for (const [id, stream] of this.#streams) this.#end(id, stream, error);
  }
}

/** The first field of an answer is its status: one of the static table, or a literal with the name of index 8. */
function isSuccess(block: Buffer, start: number): boolean {
  let at = start;
  while (((block[at] ?? 0) & 0xe0) === 0x20) at++; // a change of the table's size
  const first = block[at] ?? 0;
  if (first & 0x80) return first === 0x88 || first === 0x89 || first === 0x8a;
  const [length = 0, digit = 0] = [block[at + 1], block[at + 2]];
  return length & 0x80 ? digit >> 3 === 0b00010 : digit === 0x32; // '2', with and without Huffman's code
}

function frame(type: number, flags: number, id: number, payload: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(FRAME_HEAD + payload.length);
  bytes.writeUIntBE(payload.length, 0, 3);
  bytes[3] = type;
  bytes[4] = flags;
  bytes.writeUInt32BE(id, 5);
  payload.copy(bytes, FRAME_HEAD);
  return bytes;
}

function windowUpdate(bytes: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(bytes, 0);
  return frame(WINDOW_UPDATE, 0, 0, payload);
}

/** A field that is put into no table: name by index, value as it is. */
function literal(name: number, value: string): Buffer {
  const bytes = Buffer.from(value, 'latin1');
  return Buffer.concat([whole(name, 4), whole(bytes.length, 7), bytes]);
}

/** A number as RFC 7541 5.1 writes it into the last `bits` of a byte and the bytes behind it. */
function whole(value: number, bits: number): Buffer {
  const most = 2 ** bits - 1;
  if (value < most) return Buffer.from([value]);
  const bytes = [most];
  let rest = value - most;
  for (; rest >= 0x80; rest >>= 7) bytes.push((rest & 0x7f) | 0x80);
  return Buffer.from([...bytes, rest]);
}
