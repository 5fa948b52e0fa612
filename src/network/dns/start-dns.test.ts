import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import dnsPacket from 'dns-packet';
import { afterEach, expect, test } from 'vitest';
import type { KubeObject } from '#api/machinery/object.ts';
import { silentLog } from '#base/log.ts';
import type { Informers } from '#client/informer.ts';
import { startDns } from './start-dns.ts';
import { NoUpstreamAnswer } from './upstream.ts';

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
const informers = {
  for: ({ kind }: { kind: string }) => ({
    get: () => objects[kind]?.[0] as KubeObject,
    list: () => objects[kind] as KubeObject[],
    onChange: () => () => undefined,
  }),
  indexed: ({ kind }: { kind: string }) => ({ under: () => objects[kind], onChange: () => () => undefined }),
  synced: () => Promise.resolve(),
} as unknown as Informers;

const stop: AbortController[] = [];
afterEach(() => {
  for (const controller of stop.splice(0)) controller.abort();
});

async function start() {
  const controller = new AbortController();
  stop.push(controller);
  return startDns({
    informers,
    domain: 'cluster.local',
    addresses: ['127.0.0.1'],
    port: 0,
    forward: () => Promise.reject(new NoUpstreamAnswer('there is none')),
    log: silentLog,
    signal: controller.signal,
  });
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

test('noise is not answered and does no harm', async () => {
  const { port } = await start();
  const socket = createSocket('udp4');
  for (const noise of [Buffer.from([1]), Buffer.alloc(12), Buffer.alloc(600, 0xff)])
    socket.send(noise, port, '127.0.0.1');
  expect(await overUdp(port, query('many.default.svc.cluster.local', 'AAAA'))).toMatchObject({ rcode: 'NOERROR' });
  socket.close();
});
