import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import dnsPacket from 'dns-packet';
import { afterEach, expect, test } from 'vitest';
import type { KubeObject } from '#api/machinery/object.ts';
import { silentLog } from '#base/log.ts';
import type { Informers } from '#client/informer.ts';
import { Responder } from './responder.ts';
import { serveUdp, startDns } from './start-dns.ts';
import { type Forward, NoUpstreamAnswer } from './upstream.ts';
import { Zone } from './zone.ts';

const services = Array.from({ length: 60 }, (_, i) => ({
  addresses: [`10.244.1.${i + 1}`],
  conditions: { ready: true },
}));
const objects: Record<string, unknown[]> = {
  Service: [{ metadata: { name: 'many', namespace: 'default' }, spec: { clusterIP: 'None' } }],
  EndpointSlice: [
    {
      addressType: 'IPv4',
      metadata: { namespace: 'default', labels: { 'kubernetes.io/service-name': 'many' } },
      endpoints: services,
    },
  ],
};
let changed: (slice: unknown) => void = () => undefined;
const informers = {
  for: ({ kind }: { kind: string }) => ({
    get: () => objects[kind]?.[0] as KubeObject,
    list: () => objects[kind] as KubeObject[],
    onChange: () => () => undefined,
  }),
  indexed: ({ kind }: { kind: string }) => ({
    under: () => objects[kind],
    onChange: (listener: (change: object) => void) => {
      changed = (slice) => {
        const before = objects[kind]?.[0];
        objects[kind] = [slice];
        listener({ key: 'default/many', now: slice, before });
      };
      return () => undefined;
    },
  }),
  synced: () => Promise.resolve(),
} as unknown as Informers;

const stop: AbortController[] = [];
afterEach(() => {
  for (const controller of stop.splice(0)) controller.abort();
});

async function start(forward: Forward = () => Promise.reject(new NoUpstreamAnswer('there is none'))) {
  const controller = new AbortController();
  stop.push(controller);
  const starting = () =>
    startDns({
      informers,
      domain: 'cluster.local',
      addresses: ['127.0.0.1'],
      port: 0,
      forward,
      log: silentLog,
      signal: controller.signal,
    });
  // TCP's port, which the kernel chose, may be somebody's for UDP.
  return starting().catch(starting).catch(starting);
}

const query = (name: string, type: 'A' | 'AAAA' = 'A') =>
  dnsPacket.encode({ id: 7, type: 'query', flags: dnsPacket.RECURSION_DESIRED, questions: [{ name, type }] });

function overUdp(port: number, message: Buffer): Promise<dnsPacket.DecodedPacket> {
  return new Promise((resolve, reject) => {
    const socket = createSocket('udp4');
    socket.on('error', reject);
    socket.on('message', (answer) => {
      socket.close();
      resolve(dnsPacket.decode(answer));
    });
    socket.send(message, port, '127.0.0.1');
  });
}

/** Byte by byte: TCP keeps no message borders. */
function overTcp(port: number, message: Buffer): Promise<dnsPacket.DecodedPacket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port });
    let received = Buffer.alloc(0);
    socket.on('error', reject);
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      if (received.length < 2 || received.length < received.readUInt16BE(0) + 2) return;
      socket.destroy();
      resolve(dnsPacket.streamDecode(received) as dnsPacket.DecodedPacket);
    });
    const framed = dnsPacket.streamEncode({ ...dnsPacket.decode(message) } as dnsPacket.Packet);
    for (const byte of framed) socket.write(Buffer.from([byte]));
  });
}

test('an answer that does not fit into UDP is cut, and whole over TCP', async () => {
  const { port } = await start();
  const cut = await overUdp(port, query('many.default.svc.cluster.local'));
  expect(cut.flag_tc).toBe(true);
  expect(cut.answers).toEqual([]);
  const whole = await overTcp(port, query('many.default.svc.cluster.local'));
  expect(whole.answers).toHaveLength(60);
});

test('a name that does not exist is denied with authority, and one outside fails when nobody is above', async () => {
  const { port } = await start();
  const denied = await overUdp(port, query('nope.default.svc.cluster.local'));
  expect(denied).toMatchObject({ rcode: 'NXDOMAIN', id: 7, flag_aa: true });
  expect(denied.authorities?.[0]?.type).toBe('SOA');
  expect(await overUdp(port, query('example.com'))).toMatchObject({ rcode: 'SERVFAIL' });
});

const edns = (udpPayloadSize: number, ednsVersion = 0) =>
  dnsPacket.encode({
    id: 7,
    type: 'query',
    questions: [{ name: 'many.default.svc.cluster.local', type: 'A' }],
    additionals: [
      { type: 'OPT', name: '.', udpPayloadSize, ednsVersion, extendedRcode: 0, flags: 0, flag_do: false, options: [] },
    ],
  } as dnsPacket.Packet);

test('who speaks EDNS gets as much over UDP as it takes, and no more than paths carry whole', async () => {
  const { port } = await start();
  const answer = await overUdp(port, edns(4096));
  expect(answer.additionals?.[0]).toMatchObject({ type: 'OPT', udpPayloadSize: 1232 });
  expect(answer.answers).toHaveLength(60); // names are written once: 60 addresses fit
  expect((await overUdp(port, edns(600))).flag_tc).toBe(true);
  expect((await overUdp(port, edns(1232, 1))).additionals?.[0]).toMatchObject({ type: 'OPT', extendedRcode: 1 });
});

test('the same question again has the number of its asker, and another address first', async () => {
  const { port } = await start();
  const firsts = new Set<unknown>();
  for (let id = 1; id <= 8; id++) {
    const message = edns(1232);
    message.writeUInt16BE(id);
    const answer = await overUdp(port, message);
    expect(answer.id).toBe(id);
    const [first] = answer.answers ?? [];
    firsts.add(first && 'data' in first && first.data);
  }
  expect(firsts.size).toBeGreaterThan(4);
});

test('an endpoint that goes is not named again, whatever was asked before; the API server need not be there', async () => {
  const { port } = await start();
  const count = async () => (await overUdp(port, edns(1232))).answers?.length;
  expect([await count(), await count()]).toEqual([60, 60]); // out of memory: nothing is asked of anybody
  const [slice] = objects['EndpointSlice'] as { endpoints: unknown[] }[];
  changed({ ...slice, endpoints: slice?.endpoints.slice(1) });
  expect(await count()).toBe(59);
});

test('noise is not answered and does no harm', async () => {
  const { port } = await start();
  const socket = createSocket('udp4');
  for (const noise of [Buffer.from([1]), Buffer.alloc(12), Buffer.alloc(600, 0xff)])
    socket.send(noise, port, '127.0.0.1');
  expect(await overUdp(port, query('many.default.svc.cluster.local', 'AAAA'))).toMatchObject({ rcode: 'NOERROR' });
  socket.close();
});

test('a question that says it comes from port 0 is forged, and does no harm', async () => {
  const socket = createSocket('udp4');
  const responder = new Responder(new Zone('cluster.local'), { forward: () => Promise.reject(), log: silentLog });
  serveUdp(socket, responder, new AbortController().signal);
  const message = query('nope.cluster.local');
  const from = (port: number) => ({ address: '127.0.0.1', family: 'IPv4' as const, port, size: message.length });
  await responder.respond(message, 'udp');
  expect(responder.prepared(message)).toBeDefined();
  expect(() => socket.emit('message', message, from(0))).not.toThrow();
  socket.close();
});

test('who asks over TCP is answered no faster than it takes the answers', async () => {
  let asked = 0;
  let taken = 0;
  let most = 0;
  const large = Buffer.alloc(60_000);
  const { port } = await start(() => {
    most = Math.max(most, ++asked - Math.floor(taken / large.length));
    return Promise.resolve(large);
  });
  const socket = connect({ host: '127.0.0.1', port });
  const question = query('www.example.com');
  const count = 4_000;
  socket.end(
    Buffer.concat(Array.from({ length: count }, () => Buffer.concat([Buffer.from([0, question.length]), question]))),
  );
  for await (const chunk of socket) {
    taken += (chunk as Buffer).length;
    if (asked === count) break;
  }
  expect(most).toBeLessThan(1_000); // what the kernel holds of it
});

test('one client does not keep all others from TCP', async () => {
  const { port } = await start();
  const open = Array.from({ length: 200 }, () => connect({ host: '127.0.0.1', port, localAddress: '127.0.0.9' }));
  let refused = 0;
  for (const socket of open) {
    socket.on('error', () => undefined);
    socket.on('close', () => refused++);
  }
  await expect.poll(() => refused, { timeout: 20_000 }).toBeGreaterThanOrEqual(72);
  expect(refused).toBe(72); // the others stay
  expect(await overTcp(port, query('many.default.svc.cluster.local'))).toMatchObject({ rcode: 'NOERROR' });
  for (const socket of open) socket.destroy();
});
