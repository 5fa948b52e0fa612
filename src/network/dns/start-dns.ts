/**
 * The cluster's DNS on one node: listens on the DNS ClusterIP, which is bound on every node, so that a pod asks its own
 * node and no packet is translated. UDP answers that do not fit are truncated, and the client comes back over TCP (RFC 7766).
 */
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { createServer, isIP, type Server, type Socket } from 'node:net';
import dnsPacket from 'dns-packet';
import type { Log } from '#base/log.ts';
import type { Informers } from '#client/informer.ts';
import { type Answer, answerFrom, type Question } from './answer.ts';
import { keepZoneCurrent } from './keep-zone-current.ts';
import { type Forward, lengthPrefix, NoUpstreamAnswer } from './upstream.ts';
import { Zone } from './zone.ts';

const UDP_WITHOUT_EDNS = 512; // bytes; RFC 1035
const UDP_WITH_EDNS = 1232; // bytes; the largest that no path fragments (DNS flag day 2020)
const IDLE_TCP_MS = 10_000;
const MOST_TCP_CLIENTS = 512;
const MOST_FOLLOWED = 8;

export interface DnsOptions {
  informers: Informers;
  domain: string;
  /** Addresses to listen on; each must be one of this host's. */
  addresses: readonly string[];
  port?: number;
  forward: Forward;
  log: Log;
  signal: AbortSignal;
}

/** Resolves when it answers; it goes on until `signal` aborts. Throws when an address cannot be bound. */
export async function startDns(options: DnsOptions): Promise<{ port: number }> {
  const zone = new Zone(options.domain);
  await keepZoneCurrent(zone, options.informers, options.signal);
  const respond = responder(zone, options);
  const ports = await Promise.all(
    options.addresses.map(async (address) => {
      const port = await listenTcp(address, respond, options);
      await listenUdp(address, port, respond, options);
      return port;
    }),
  );
  return { port: ports[0] ?? 0 };
}

type Respond = (message: Buffer, over: 'udp' | 'tcp') => Promise<Buffer | undefined>;

function responder(zone: Zone, { forward, log }: DnsOptions): Respond {
  return async (message, over) => {
    const query = decoded(message);
    const question = query?.questions?.[0];
    if (query?.type !== 'query' || !question) return undefined; // not a question: silence, as for any noise
    try {
      const answer = answerFrom(zone, question as Question);
      if (!answer) return await forward(message, over);
      const whole = answer.follow ? await followed(answer, question, forward) : answer;
      return encoded(query, whole, over);
    } catch (error) {
      if (!(error instanceof NoUpstreamAnswer))
        log.warn('could not answer a question', { name: question.name, error: String(error) });
      return dnsPacket.encode({ id: query.id ?? 0, type: 'response', flags: 2 /* SERVFAIL */, questions: [question] });
    }
  };
}

const RCODES = { NOERROR: 0, NXDOMAIN: 3 };

function encoded(query: dnsPacket.DecodedPacket, answer: Answer, over: 'udp' | 'tcp'): Buffer {
  const edns = query.additionals?.find((record) => record.type === 'OPT');
  const recursion = query.flag_rd ? dnsPacket.RECURSION_DESIRED : 0;
  const flags = dnsPacket.AUTHORITATIVE_ANSWER | dnsPacket.RECURSION_AVAILABLE | recursion | RCODES[answer.code];
  const head = { id: query.id ?? 0, type: 'response' as const, questions: query.questions ?? [] };
  const options = edns ? [{ type: 'OPT', name: '.', udpPayloadSize: UDP_WITH_EDNS, flags: 0, options: [] }] : [];
  const bytes = dnsPacket.encode({
    ...head,
    flags,
    answers: answer.answers as dnsPacket.Answer[],
    authorities: answer.authorities as dnsPacket.Answer[],
    additionals: [...answer.additionals, ...options] as dnsPacket.Answer[],
  });
  const asked = edns && 'udpPayloadSize' in edns ? Math.min(edns.udpPayloadSize, UDP_WITH_EDNS) : UDP_WITHOUT_EDNS;
  if (over === 'tcp' || bytes.length <= Math.max(asked, UDP_WITHOUT_EDNS)) return bytes;
  return dnsPacket.encode({ ...head, flags: flags | dnsPacket.TRUNCATED_RESPONSE, answers: [] });
}

/** An ExternalName leads out of the cluster: the client gets the alias and what it stands for in one answer. */
async function followed(answer: Answer, question: dnsPacket.Question, forward: Forward): Promise<Answer> {
  const query = dnsPacket.encode({
    id: 1,
    type: 'query',
    flags: dnsPacket.RECURSION_DESIRED,
    questions: [{ ...question, name: answer.follow ?? '' }],
  });
  const reply = decoded(await forward(query, 'udp'));
  const found = (reply?.answers ?? []).slice(0, MOST_FOLLOWED * 4);
  return { ...answer, answers: [...answer.answers, ...(found as unknown as Answer['answers'])] };
}

function decoded(message: Buffer): dnsPacket.DecodedPacket | undefined {
  try {
    return dnsPacket.decode(message);
  } catch (error) {
    if (error instanceof Error) return undefined; // whatever it was, it was not DNS
    throw error;
  }
}

function listenUdp(address: string, port: number, respond: Respond, { signal, log }: DnsOptions): Promise<void> {
  const socket: UdpSocket = createSocket(isIP(address) === 6 ? 'udp6' : 'udp4');
  signal.addEventListener('abort', () => socket.close(), { once: true });
  socket.on('message', (message, from) => {
    void respond(message, 'udp').then((answer) => {
      if (answer && !signal.aborted) socket.send(answer, from.port, from.address);
    });
  });
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.bind(port, address, () => {
      socket.off('error', reject);
      socket.on('error', (error) => log.warn('DNS over UDP', { error: error.message }));
      resolve();
    });
  });
}

function listenTcp(address: string, respond: Respond, { signal, port, log }: DnsOptions): Promise<number> {
  const clients = new Set<Socket>();
  const server: Server = createServer((socket) => {
    clients.add(socket);
    socket.on('close', () => clients.delete(socket));
    serveTcp(socket, respond);
  });
  server.maxConnections = MOST_TCP_CLIENTS;
  signal.addEventListener(
    'abort',
    () => {
      server.close();
      for (const client of clients) client.destroy();
    },
    { once: true },
  );
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port ?? 53, address, () => {
      server.off('error', reject);
      server.on('error', (error) => log.warn('DNS over TCP', { error: error.message }));
      const bound = server.address();
      resolve(typeof bound === 'object' && bound ? bound.port : 53);
    });
  });
}

function serveTcp(socket: Socket, respond: Respond): void {
  let received = Buffer.alloc(0);
  let answering = Promise.resolve();
  socket.setTimeout(IDLE_TCP_MS, () => socket.destroy());
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk) => {
    received = Buffer.concat([received, chunk]);
    while (received.length >= 2 && received.length >= received.readUInt16BE(0) + 2) {
      const message = received.subarray(2, received.readUInt16BE(0) + 2);
      received = received.subarray(message.length + 2);
      answering = answering.then(async () => {
        const answer = await respond(message, 'tcp');
        if (answer && !socket.destroyed) socket.write(Buffer.concat([lengthPrefix(answer), answer]));
      });
    }
  });
}
