import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { createDeflate } from 'node:zlib';
import spdyTransport from 'spdy-transport';
import { afterEach, expect, test, vi } from 'vitest';
import { SpdyConnection, type SpdyStream } from './connection.ts';
import { spdyDictionary } from './dictionary.ts';
import { BadFrame, encodeFrame, FrameReader } from './frames.ts';
import { BadHeaderBlock, BlockPacker, BlockUnpacker, decodeHeaders, encodeHeaders } from './header-block.ts';

const open: { close(): void }[] = [];
afterEach(() => {
  for (const one of open.splice(0)) one.close();
});

async function socketPair(): Promise<[Socket, Socket]> {
  const server: Server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const near = connect(port, '127.0.0.1');
  const [far] = await accepted;
  open.push({ close: () => [near.destroy(), far.destroy(), server.close()] });
  return [near, far];
}

test('the dictionary is the protocol’s', () => {
  let [a, b] = [1, 0];
  for (const byte of spdyDictionary) {
    a = (a + byte) % 65_521;
    b = (b + a) % 65_521;
  }
  expect((b * 65_536 + a).toString(16)).toBe('e3c6a7c2');
  expect(spdyDictionary).toHaveLength(1423);
});

test('headers survive their packing, block after block of one stream', async () => {
  const [there, back] = [new BlockPacker(), new BlockUnpacker()];
  for (const streamType of ['error', 'stdin', 'stdout']) {
    const headers = new Map([['streamtype', streamType]]);
    const block = there.pack(encodeHeaders(headers));
    expect(decodeHeaders(await back.unpack(block))).toEqual(headers);
  }
});

test('a header block that unpacks to far more than headers are is given up on the way, and all after it', async () => {
  const packer = createDeflate({ dictionary: spdyDictionary });
  packer.end(Buffer.alloc(16 * 1024 * 1024));
  const bomb = await buffer(packer); // some 16 KiB
  const unpacker = new BlockUnpacker();
  const concat = vi.spyOn(Buffer, 'concat');
  await expect(unpacker.unpack(bomb)).rejects.toThrow('a header block is too large');
  const kept = concat.mock.results.map(({ value }) => (value as Buffer).length);
  concat.mockRestore();
  expect(kept.filter((bytes) => bytes > 64 * 1024)).toEqual([]);
  await expect(unpacker.unpack(new BlockPacker().pack(encodeHeaders(new Map())))).rejects.toThrow(BadHeaderBlock);
});

test('frames survive being cut anywhere, and what is too large or of another version is refused', () => {
  const frames = [
    { type: 'data', streamId: 3, isLast: true, data: Buffer.from('hello') },
    { type: 'rst-stream', streamId: 5, status: 5 },
    { type: 'ping', id: 7 },
  ] as const;
  const reader = new FrameReader();
  const bytes = Buffer.concat(frames.map(encodeFrame));
  expect([...bytes].flatMap((byte) => reader.push(Buffer.from([byte])))).toEqual(frames);
  expect(() => new FrameReader().push(Buffer.from([0, 0, 0, 1, 0, 0xff, 0xff, 0xff]))).toThrow(BadFrame);
  expect(() => new FrameReader().push(Buffer.from([0x80, 2, 0, 1, 0, 0, 0, 0]))).toThrow(BadFrame);
});

test('two of ours talk: both open streams, half-closing each in its own time', async () => {
  const [near, far] = await socketPair();
  const streams: SpdyStream[] = [];
  new SpdyConnection(far, {
    side: 'server',
    onStream: (stream) => {
      streams.push(stream);
      stream.pipe(stream);
    },
  });
  const client = new SpdyConnection(near, { side: 'client' });
  const stream = await client.open(new Map([['streamType', 'stdin']]));
  await stream.accepted;
  stream.end('echo');
  expect((await buffer(stream)).toString()).toBe('echo');
  expect(streams[0]?.headers).toEqual(new Map([['streamtype', 'stdin']]));
});

test('another implementation understands us: what it sends back is what it got', async () => {
  const [near, far] = await socketPair();
  const peer = spdyTransport.connection.create(far, { protocol: 'spdy', isServer: true });
  peer.start(3.1);
  peer.on('stream', (stream: NodeJS.ReadWriteStream & { respond(code: number, headers: object): void }) => {
    stream.respond(200, {});
    stream.pipe(stream);
  });
  const client = new SpdyConnection(near, { side: 'client', tellsReading: true });
  const headers = [':method', 'GET', ':path', '/', ':host', 'x', ':scheme', 'http', ':version', 'HTTP/1.1'];
  const pairs = headers.flatMap((name, index) => (index % 2 === 0 ? [[name, headers[index + 1] ?? ''] as const] : []));
  const stream = await client.open(new Map(pairs));
  await stream.accepted;
  const data = Buffer.alloc(60_000, 'abc');
  stream.end(data);
  const md5 = (bytes: Buffer) => createHash('md5').update(bytes).digest('hex');
  expect(md5(await buffer(stream))).toBe(md5(data));
});

test('streams that are opened together, each with its end, are one write, and the peer hears them in their order', async () => {
  const [near, far] = await socketPair();
  const [one, several] = [vi.spyOn(near, '_write'), vi.spyOn(near, '_writev' as '_write')];
  const heard: string[] = [];
  new SpdyConnection(far, {
    side: 'server',
    onStream: (stream) => {
      heard.push(stream.headers.get('streamtype') ?? '');
      stream.resume().once('end', () => stream.end('heard'));
    },
  });
  const client = new SpdyConnection(near, { side: 'client' });
  const streams = client.together(() =>
    ['error', 'stdout', 'stderr'].map((name) => client.open(new Map([['streamtype', name]]), { isLast: true })),
  );
  expect((await Promise.all(streams.map((stream) => buffer(stream)))).map(String)).toEqual(Array(3).fill('heard'));
  expect(heard).toEqual(['error', 'stdout', 'stderr']);
  expect([one.mock.calls.length, several.mock.calls.length]).toEqual([0, 1]);
});

test('nonsense ends the connection', async () => {
  const [near, far] = await socketPair();
  const connection = new SpdyConnection(far, { side: 'server' });
  near.write(Buffer.from([0x80, 3, 0, 1, 0, 0, 0, 14, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4]));
  await connection.closed;
});
