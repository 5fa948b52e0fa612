/** What this server says to one message: from the zone, from another resolver, or that it cannot. */
import dnsPacket from 'dns-packet';
import type { Log } from '#base/log.ts';
import { type Answer, answerFrom, type ResourceRecord } from './answer.ts';
import { EMPTY, type Query, RCODES, readQuery, writeBadVersion, writeReply } from './message.ts';
import { MOST_TURNS, PreparedAnswers } from './prepared-answers.ts';
import { type Forward, NoUpstreamAnswer } from './upstream.ts';
import type { Zone } from './zone.ts';

const LARGEST_TCP = 65_535; // bytes
const MOST_FOLLOWED = 32;
const FOLLOWED_TYPES = new Set(['A', 'AAAA', 'CNAME', 'PTR', 'SRV']);

export class Responder {
  readonly #zone: Zone;
  readonly #forward: Forward;
  readonly #log: Log;
  readonly #prepared = new PreparedAnswers();

  constructor(zone: Zone, { forward, log }: { forward: Forward; log: Log }) {
    this.#zone = zone;
    this.#forward = forward;
    this.#log = log;
    zone.onChange((name) => {
      this.#prepared.forget(name);
      this.#prepared.forget(name === '' ? zone.domain : `${name}.${zone.domain}`);
    });
  }

  /** The answer over UDP to what somebody asked before, as long as it holds. */
  prepared(message: Buffer): Buffer | undefined {
    return this.#prepared.find(message);
  }

  /** undefined for noise: silence. */
  async respond(message: Buffer, over: 'udp' | 'tcp'): Promise<Buffer | undefined> {
    const query = readQuery(message);
    if (!query) return undefined;
    if (query.ednsVersion) return writeBadVersion(message, query);
    try {
      const answer = query.isInternet ? answerFrom(this.#zone, query) : undefined;
      if (!answer) return await this.#forward(message, over);
      if (!answer.follow) return this.#own(message, query, { answer, over });
      const followed = FOLLOWED_TYPES.has(query.type) ? await this.#followed(answer, query) : answer;
      return written(message, query, { answer: followed, over });
    } catch (error) {
      if (!(error instanceof NoUpstreamAnswer))
        this.#log.warn('could not answer a question', { name: query.name, error: String(error) });
      return writeReply(message, query, { ...EMPTY, code: RCODES.SERVFAIL, isAuthoritative: false }, LARGEST_TCP);
    }
  }

  #own(message: Buffer, query: Query, { answer, over }: { answer: Answer; over: 'udp' | 'tcp' }): Buffer {
    if (over === 'tcp') return written(message, query, { answer, over });
    const turns = turnsOf(answer).map((turn) => written(message, query, { answer: turn, over }));
    // An alias inside of the zone depends on another name than its own.
    if (!answer.answers.some(({ type }) => type === 'CNAME'))
      this.#prepared.keep(message, query.name.toLowerCase(), turns);
    return turns[0] as Buffer;
  }

  /** An ExternalName leads out of the cluster: the client gets the alias and what it stands for in one answer. */
  async #followed(answer: Answer, { type }: Query): Promise<Answer> {
    const question = dnsPacket.encode({
      id: 1,
      type: 'query',
      flags: dnsPacket.RECURSION_DESIRED,
      questions: [{ type: type as dnsPacket.RecordType, name: answer.follow ?? '' }],
    });
    const reply = dnsPacket.decode(await this.#forward(question, 'udp'));
    const found = (reply.answers ?? []).slice(0, MOST_FOLLOWED).filter(({ type: of }) => FOLLOWED_TYPES.has(of));
    return { ...answer, answers: [...answer.answers, ...(found as unknown as ResourceRecord[])] };
  }
}

function written(message: Buffer, query: Query, { answer, over }: { answer: Answer; over: 'udp' | 'tcp' }): Buffer {
  const reply = { ...answer, code: RCODES[answer.code], isAuthoritative: true };
  return writeReply(message, query, reply, over === 'tcp' ? LARGEST_TCP : query.udpSize);
}

/** The same answer with each of its addresses first. */
function turnsOf(answer: Answer): Answer[] {
  const { answers } = answer;
  const isOfAddresses = answers.length > 1 && answers.every(({ type }) => type === 'A' || type === 'AAAA');
  if (!isOfAddresses) return [answer];
  const count = Math.min(MOST_TURNS, answers.length);
  return Array.from({ length: count }, (_, i) => ({
    ...answer,
    answers: [...answers.slice(i), ...answers.slice(0, i)],
  }));
}
