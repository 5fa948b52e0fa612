/** Questions that are not the cluster's go to the node's own resolvers, byte for byte, over the protocol they came by. */
import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { connect, isIP } from 'node:net';
import type { Clock } from '#base/clock.ts';

const ANSWER_WITHIN_MS = 2_000;
const LARGEST_ANSWER = 65_535; // bytes; RFC 1035 4.2.2

export type Forward = (query: Buffer, over: 'udp' | 'tcp') => Promise<Buffer>;

/** No resolver of the node answered. */
export class NoUpstreamAnswer extends Error {
  readonly code = 'NoUpstreamAnswer';
}

/** Tries the servers in order. With none at all every name outside the cluster fails at once. */
export const forwardTo =
  (servers: readonly string[], clock: Clock): Forward =>
  async (query, over) => {
    for (const server of servers) {
      try {
        return over === 'udp' ? await askUdp(server, query, clock) : await askTcp(server, query);
      } catch (error) {
        if (!(error instanceof NoUpstreamAnswer)) throw error;
      }
    }
    throw new NoUpstreamAnswer('no resolver answered');
  };

/** The nameservers of a resolv.conf, without those that are this server itself. Empty when there is no such file. */
export function nameserversOf(resolvConf: string, own: readonly string[]): string[] {
  let text: string;
  try {
    text = readFileSync(resolvConf, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  const servers = text.split('\n').flatMap((line) => /^\s*nameserver\s+(\S+)/.exec(line)?.[1] ?? []);
  return servers.filter((server) => isIP(server) !== 0 && !own.includes(server));
}

function askUdp(server: string, query: Buffer, clock: Clock): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(isIP(server) === 6 ? 'udp6' : 'udp4');
    const end = (settle: () => void) => {
      timer.cancel();
      socket.close();
      settle();
    };
    const fail = (why: string) => end(() => reject(new NoUpstreamAnswer(`${server}: ${why}`)));
    const timer = clock.timer(ANSWER_WITHIN_MS, () => fail('no answer in time'));
    socket.on('error', (error) => fail(error.message));
    socket.on('message', (answer) => {
      if (answer.length >= 12 && answer.readUInt16BE(0) === query.readUInt16BE(0)) end(() => resolve(answer));
    });
    socket.connect(53, server, () => socket.send(query));
  });
}

function askTcp(server: string, query: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: server, port: 53 });
    let received = Buffer.alloc(0);
    const fail = (why: string) => {
      socket.destroy();
      reject(new NoUpstreamAnswer(`${server}: ${why}`));
    };
    socket.setTimeout(ANSWER_WITHIN_MS, () => fail('no answer in time'));
    socket.on('error', (error) => fail(error.message));
    socket.on('close', () => fail('closed'));
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      if (received.length > LARGEST_ANSWER + 2) return fail('answer too long');
      if (received.length >= 2 && received.length >= received.readUInt16BE(0) + 2) {
        resolve(received.subarray(2, received.readUInt16BE(0) + 2));
        socket.destroy();
      }
    });
    socket.end(Buffer.concat([lengthPrefix(query), query]));
  });
}

export function lengthPrefix(message: Buffer): Buffer {
  const prefix = Buffer.alloc(2);
  prefix.writeUInt16BE(message.length);
  return prefix;
}
