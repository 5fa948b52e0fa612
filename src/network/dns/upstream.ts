/**
 * Questions that are not the cluster's go to other resolvers: the node's, or those of a stub domain. What one says is kept for
 * as long as it may be, for 30 s at most, and answers all who ask the same at the same time.
 */
import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { connect, isIP } from 'node:net';
import type { Clock } from '#base/clock.ts';
import { HEADER, isResponse, isSoa, isTruncated, RCODES, rcodeOf, readQuery, recordsOf, skipName } from './message.ts';
import { numbered, unpooled } from './prepared-answers.ts';
import { type Resolver, type Upstreams, upstreamsFor } from './upstreams.ts';

const ANSWER_WITHIN_MS = 2_000;
const LARGEST_ANSWER = 65_535; // bytes; RFC 1035 4.2.2
const LONGEST_S = 30;
const MOST_KEPT = 10_000;
const MOST_KEPT_BYTES = 16 << 20;
/** Each has a socket. What is asked beyond that fails at once; upstream's cluster DNS has the same limit. */
const MOST_ASKED = 1_000;

export type Forward = (query: Buffer, over: 'udp' | 'tcp') => Promise<Buffer>;

/** No resolver of the node answered. */
export class NoUpstreamAnswer extends Error {
  readonly code = 'NoUpstreamAnswer';
}

interface Kept {
  answer: Buffer;
  ttls: readonly { at: number; seconds: number }[];
  sinceMs: number;
  seconds: number;
}

/** Tries the resolvers in order. With none at all every name outside the cluster fails at once. */
export function forwardTo(upstreams: () => Upstreams, clock: Clock, mostAsked = MOST_ASKED): Forward {
  const kept = new Cache();
  const asking = new Map<string, Promise<Buffer>>();

  const ask = async (query: Buffer, over: 'udp' | 'tcp'): Promise<Buffer> => {
    const name = readQuery(query)?.name.toLowerCase() ?? '';
    for (const resolver of upstreamsFor(upstreams(), name)) {
      try {
        return over === 'udp' ? await askUdp(resolver, query, clock) : await askTcp(resolver, query);
      } catch (error) {
        if (!(error instanceof NoUpstreamAnswer)) throw error;
      }
    }
    throw new NoUpstreamAnswer('no resolver answered');
  };

  return async (query, over) => {
    const key = `${over} ${query.toString('latin1', 2)}`;
    const known = kept.get(key);
    const ageMs = known ? clock.monotonicMs() - known.sinceMs : 0;
    if (known && ageMs < known.seconds * 1000) return aged(known, query, Math.floor(ageMs / 1000));
    const others = asking.get(key);
    if (others) return numbered(await others, query);
    if (asking.size >= mostAsked) throw new NoUpstreamAnswer('too much is asked at the same time');
    const answering = ask(query, over);
    asking.set(key, answering);
    try {
      const answer = await answering;
      const lasting = lastingOf(answer, query);
      kept.delete(key);
      if (lasting) kept.put(key, { answer: unpooled(answer), ...lasting, sinceMs: clock.monotonicMs() });
      return answer;
    } finally {
      asking.delete(key);
    }
  };
}

/** By what was asked; the oldest go first. Questions may be as long as answers, and are counted as they are. */
class Cache {
  readonly #kept = new Map<string, Kept>();
  #bytes = 0;

  get(key: string): Kept | undefined {
    return this.#kept.get(key);
  }

  /** The key is not there. */
  put(key: string, kept: Kept): void {
    this.#kept.set(key, kept);
    this.#bytes += key.length + kept.answer.length;
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= MOST_KEPT && this.#bytes <= MOST_KEPT_BYTES) break;
      this.delete(oldest);
    }
  }

  delete(key: string): void {
    const known = this.#kept.get(key);
    if (!known) return;
    this.#kept.delete(key);
    this.#bytes -= key.length + known.answer.length;
  }
}

function aged({ answer, ttls }: Kept, query: Buffer, seconds: number): Buffer {
  const copy = numbered(answer, query);
  for (const { at, seconds: ttl } of ttls) copy.writeUInt32BE(Math.max(0, ttl - seconds), at);
  return copy;
}

/** For how long an answer holds; undefined: not at all. A denial as long as its zone says (RFC 2308, 5). */
function lastingOf(answer: Buffer, query: Buffer): Pick<Kept, 'ttls' | 'seconds'> | undefined {
  const code = rcodeOf(answer);
  const end = readQuery(query)?.end;
  if (end === undefined || isTruncated(answer) || (code !== RCODES.NOERROR && code !== RCODES.NXDOMAIN))
    return undefined;
  const records = recordsOf(answer, end);
  if (!records) return undefined;
  const { answers, others } = records;
  const isDenial = code === RCODES.NXDOMAIN || answers.length === 0;
  const soa = others.find(isSoa);
  if (isDenial && (!soa || soa.to - soa.from < 20)) return undefined;
  const denial = isDenial && soa ? [answer.readUInt32BE(soa.to - 4)] : [];
  const all = [...answers, ...others];
  const seconds = Math.min(LONGEST_S, ...all.map(({ ttl }) => ttl), ...denial);
  return seconds > 0 ? { seconds, ttls: all.map(({ ttlAt, ttl }) => ({ at: ttlAt, seconds: ttl })) } : undefined;
}

/** Whether it answers this question: whoever guesses number and port must guess no less. */
function answersTo(answer: Buffer, query: Buffer): boolean {
  if (answer.length < HEADER || !isResponse(answer) || answer.readUInt16BE(0) !== query.readUInt16BE(0)) return false;
  const end = readQuery(query)?.end;
  if (end === undefined) return answer.readUInt16BE(4) === query.readUInt16BE(4);
  if (answer.readUInt16BE(4) === 0) return rcodeOf(answer) !== RCODES.NOERROR; // a refusal may leave it out
  const asked = (message: Buffer) => message.toString('latin1', HEADER, end).toLowerCase();
  return skipName(answer, HEADER) === end - 4 && asked(answer) === asked(query);
}

/** With a number of our own, from a port of the kernel's choice: neither is the asker's to tell. */
function askUdp({ host, port }: Resolver, query: Buffer, clock: Clock): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const sent = Buffer.from(query);
    sent.writeUInt16BE(randomInt(0x1_0000));
    const socket = createSocket(isIP(host) === 6 ? 'udp6' : 'udp4');
    const end = (settle: () => void) => {
      timer.cancel();
      socket.close();
      settle();
    };
    const fail = (why: string) => end(() => reject(new NoUpstreamAnswer(`${host}: ${why}`)));
    const timer = clock.timer(ANSWER_WITHIN_MS, () => fail('no answer in time'));
    socket.on('error', (error) => fail(error.message));
    socket.on('message', (answer) => {
      if (answersTo(answer, sent)) end(() => resolve(numbered(answer, query)));
    });
    socket.connect(port, host, () => socket.send(sent));
  });
}

function askTcp({ host, port }: Resolver, query: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    let received = Buffer.alloc(0);
    const fail = (why: string) => {
      socket.destroy();
      reject(new NoUpstreamAnswer(`${host}: ${why}`));
    };
    socket.setTimeout(ANSWER_WITHIN_MS, () => fail('no answer in time'));
    socket.on('error', (error) => fail(error.message));
    socket.on('close', () => fail('closed'));
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      if (received.length > LARGEST_ANSWER + 2) return fail('answer too long');
      if (received.length < 2 || received.length < received.readUInt16BE(0) + 2) return;
      const answer = received.subarray(2, received.readUInt16BE(0) + 2);
      if (!answersTo(answer, query)) return fail('answers another question');
      resolve(answer);
      socket.destroy();
    });
    socket.write(Buffer.concat([lengthPrefix(query), query]));
  });
}

export function lengthPrefix(message: Buffer): Buffer {
  const prefix = Buffer.alloc(2);
  prefix.writeUInt16BE(message.length);
  return prefix;
}
