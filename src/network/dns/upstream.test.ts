/** Against resolvers of the test's own, on loopback. */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import dnsPacket from 'dns-packet';
import { afterEach, expect, test } from 'vitest';
import { ManualClock } from '#base/manual-clock.ts';
import { forwardTo } from './upstream.ts';

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

type Say = (query: dnsPacket.DecodedPacket) => Partial<dnsPacket.Packet>;

/** A UDP socket at the TCP server's port; somebody may have one of a pair that the kernel chose for the other. */
async function boundTogether(tcp: Server): Promise<Socket> {
  for (;;) {
    await once(tcp.listen(0, '127.0.0.1'), 'listening');
    const udp = createSocket('udp4');
    udp.bind((tcp.address() as AddressInfo).port, '127.0.0.1');
    const isBound = await once(udp, 'listening').then(
      () => true,
      () => false,
    );
    if (isBound) return udp;
    await new Promise((resolve) => tcp.close(resolve));
  }
}

/** Over UDP and TCP at one port. */
async function resolver(say: Say): Promise<{ host: string; port: number; asked: number }> {
  const state = { host: '127.0.0.1', port: 0, asked: 0 };
  const answer = (message: Buffer): Buffer => {
    state.asked++;
    const query = dnsPacket.decode(message);
    return dnsPacket.encode({ type: 'response', id: query.id ?? 0, questions: query.questions ?? [], ...say(query) });
  };
  const tcp = createServer((socket) =>
    socket.on('data', (data) => {
      const bytes = answer(data.subarray(2));
      socket.write(Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes]));
    }),
  );
  const udp = await boundTogether(tcp);
  udp.on('message', (message, from) => udp.send(answer(message), from.port, from.address));
  state.port = udp.address().port;
  closers.push(
    () => udp.close(),
    () => tcp.close(),
  );
  return state;
}

const query = (name: string, id = 7) =>
  dnsPacket.encode({ id, type: 'query', flags: dnsPacket.RECURSION_DESIRED, questions: [{ name, type: 'A' }] });
const address = (name: string, ttl: number): Partial<dnsPacket.Packet> => ({
  answers: [{ name, type: 'A', ttl, data: '192.0.2.80' }],
});
const denial = (minimum: number): Partial<dnsPacket.Packet> => ({
  flags: 3,
  authorities: [
    {
      name: 'example.com',
      type: 'SOA',
      ttl: 600,
      data: { mname: 'ns.example.com', rname: 'root.example.com', serial: 1, refresh: 2, retry: 3, expire: 4, minimum },
    },
  ],
});
const to = (resolvers: { host: string; port: number }[], clock = new ManualClock(), mostAsked?: number) => ({
  clock,
  forward: forwardTo(() => ({ resolvers, stubs: new Map() }), clock, mostAsked),
});

test('an answer is kept for as long as it holds, grows older, and carries the number of who asks', async () => {
  const up = await resolver(({ questions }) => address(questions?.[0]?.name ?? '', 20));
  const { forward, clock } = to([up]);
  await forward(query('www.example.com'), 'udp');
  clock.advance(5_000);
  const again = dnsPacket.decode(await forward(query('www.example.com', 99), 'udp'));
  expect(again).toMatchObject({ id: 99, answers: [{ ttl: 15, data: '192.0.2.80' }] });
  expect(up.asked).toBe(1);
  clock.advance(15_000);
  await forward(query('www.example.com'), 'udp');
  expect(up.asked).toBe(2);
});

test('a denial is kept for as long as its zone says, and a failure not at all', async () => {
  const up = await resolver(({ questions }) => (questions?.[0]?.name === 'no.example.com' ? denial(10) : { flags: 2 }));
  const { forward, clock } = to([up]);
  for (const _ of [1, 2])
    expect(dnsPacket.decode(await forward(query('no.example.com'), 'udp'))).toMatchObject({ rcode: 'NXDOMAIN' });
  expect(up.asked).toBe(1);
  clock.advance(10_001);
  await forward(query('no.example.com'), 'udp');
  expect(up.asked).toBe(2);
  for (const _ of [1, 2]) await forward(query('broken.example.com'), 'udp');
  expect(up.asked).toBe(4);
});

test('who asks the same at the same time shares one answer', async () => {
  const up = await resolver(({ questions }) => address(questions?.[0]?.name ?? '', 0));
  const { forward } = to([up]);
  const answers = await Promise.all([1, 2, 3].map((id) => forward(query('www.example.com', id), 'udp')));
  expect(answers.map((answer) => answer.readUInt16BE(0))).toEqual([1, 2, 3]);
  expect(up.asked).toBe(1);
});

test('a question over TCP is asked over TCP', async () => {
  const up = await resolver(({ questions }) => address(questions?.[0]?.name ?? '', 20));
  const { forward } = to([up]);
  expect(dnsPacket.decode(await forward(query('www.example.com'), 'tcp'))).toMatchObject({ id: 7 });
});

test('a resolver that nobody answers at is passed over', async () => {
  const gone = createSocket('udp4');
  await new Promise<void>((resolve) => gone.bind(0, '127.0.0.1', resolve));
  const port = gone.address().port;
  await new Promise<void>((resolve) => gone.close(() => resolve()));
  const up = await resolver(({ questions }) => address(questions?.[0]?.name ?? '', 20));
  const { forward } = to([{ host: '127.0.0.1', port }, up]);
  expect(dnsPacket.decode(await forward(query('www.example.com'), 'udp')).answers).toHaveLength(1);
});

test('an answer to another question is not taken for one', async () => {
  const up = await resolver(() => ({
    questions: [{ name: 'evil.example', type: 'A' }],
    ...address('evil.example', 60),
  }));
  const clock = new ManualClock();
  const { forward } = to([up], clock);
  const asked = forward(query('www.example.com'), 'tcp');
  await expect(asked).rejects.toThrow('no resolver answered');
});

test('what nobody answers is not asked without end: beyond so many at a time it fails at once', async () => {
  const silent = createSocket('udp4');
  await new Promise<void>((resolve) => silent.bind(0, '127.0.0.1', resolve));
  closers.push(() => silent.close());
  const { forward, clock } = to([{ host: '127.0.0.1', port: silent.address().port }], new ManualClock(), 3);
  const asked = Array.from({ length: 3 }, (_, i) => forward(query(`n${i}.example.com`), 'udp'));
  const all = Promise.allSettled(asked);
  await expect(forward(query('one-more.example.com'), 'udp')).rejects.toThrow('too much is asked at the same time');
  clock.advance(2_000);
  expect((await all).every(({ status }) => status === 'rejected')).toBe(true);
});

test('long questions do not fill the memory', async () => {
  const up = await resolver(({ questions }) => address(questions?.[0]?.name ?? '', 20));
  const { forward } = to([up]);
  const long = (i: number) => Buffer.concat([query(`n${i}.example.com`), Buffer.alloc(60_000)]);
  for (let i = 0; i < 300; i++) await forward(long(i), 'tcp'); // 18 MB
  expect(up.asked).toBe(300);
  await forward(long(299), 'tcp');
  expect(up.asked).toBe(300);
  await forward(long(0), 'tcp');
  expect(up.asked).toBe(301);
});
