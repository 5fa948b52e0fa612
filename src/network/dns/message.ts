/**
 * DNS messages as bytes, as far as a server needs them that knows its answers: a question is read where it stands, an answer is
 * written behind it. Source: RFC 1035 (4.1), RFC 6891 (EDNS), RFC 2782 (SRV), RFC 3596 (AAAA).
 */
import { parseIp } from '#api/machinery/ip.ts';
import type { ResourceRecord } from './answer.ts';

export const HEADER = 12;
const LONGEST_NAME = 255;
const POINTER = 0xc0;
const FARTHEST_POINTER = 0x4000;
const CLASS_IN = 1;
const CLASS_ANY = 255;
const TYPES = { A: 1, CNAME: 5, SOA: 6, PTR: 12, TXT: 16, AAAA: 28, SRV: 33, OPT: 41, ANY: 255 } as const;
const TYPE_NAMES = new Map<number, string>(Object.entries(TYPES).map(([name, code]) => [code, name]));

const RESPONSE = 0x8000;
const OPCODE = 0x7800;
const AUTHORITATIVE = 0x0400;
const TRUNCATED = 0x0200;
const RECURSION_DESIRED = 0x0100;
const RECURSION_AVAILABLE = 0x0080;

export const RCODES = { NOERROR: 0, SERVFAIL: 2, NXDOMAIN: 3 } as const;
export const UDP_WITHOUT_EDNS = 512; // bytes; RFC 1035
export const UDP_WITH_EDNS = 1232; // bytes; the largest that no path fragments (DNS flag day 2020)

export interface Query {
  /** As asked: `WEB.default.svc.cluster.local`, without a dot at the end. */
  name: string;
  /** `A`, or `TYPE99` for one that nobody here has a record of. */
  type: string;
  isInternet: boolean;
  /** Where the question ends, in bytes. */
  end: number;
  /** The largest answer that the asker takes over UDP. */
  udpSize: number;
  /** undefined: the asker does not speak EDNS. */
  ednsVersion: number | undefined;
}

/** undefined for what is no question, or not one alone: noise. */
export function readQuery(message: Buffer): Query | undefined {
  if (message.length < HEADER + 5 || message.readUInt16BE(2) & (RESPONSE | OPCODE)) return undefined;
  if (message.readUInt16BE(4) !== 1) return undefined;
  const labels: string[] = [];
  let at = HEADER;
  for (let length = message[at] ?? 0; length !== 0; length = message[at] ?? 0) {
    const next = at + 1 + length;
    if (length > 63 || next - HEADER > LONGEST_NAME || next + 5 > message.length) return undefined;
    labels.push(message.toString('latin1', at + 1, next).replaceAll('.', '\0')); // a dot inside of a label separates nothing
    at = next;
  }
  const end = at + 5;
  if (end > message.length) return undefined;
  const type = message.readUInt16BE(at + 1);
  const ofClass = message.readUInt16BE(at + 3);
  const edns = ednsAt(message, end);
  return {
    name: labels.join('.'),
    type: TYPE_NAMES.get(type) ?? `TYPE${type}`,
    isInternet: ofClass === CLASS_IN || ofClass === CLASS_ANY,
    end,
    udpSize: edns ? Math.min(Math.max(edns.size, UDP_WITHOUT_EDNS), UDP_WITH_EDNS) : UDP_WITHOUT_EDNS,
    ednsVersion: edns?.version,
  };
}

/** Askers put nothing before their OPT record. */
function ednsAt(message: Buffer, at: number): { size: number; version: number } | undefined {
  const isAlone = message.readUInt32BE(6) === 0 && message.readUInt16BE(10) > 0;
  if (!isAlone || message.length < at + 11 || message[at] !== 0) return undefined;
  if (message.readUInt16BE(at + 1) !== TYPES.OPT) return undefined;
  return { size: message.readUInt16BE(at + 3), version: message[at + 6] ?? 0 };
}

export interface Reply {
  code: number;
  /** We own the name. */
  isAuthoritative: boolean;
  answers: readonly ResourceRecord[];
  authorities: readonly ResourceRecord[];
  additionals: readonly ResourceRecord[];
}

/** The answer to a question, cut to nothing when it does not fit into `largest` bytes: the asker comes back over TCP (RFC 7766). */
export function writeReply(message: Buffer, query: Query, reply: Reply, largest: number): Buffer {
  const whole = new Writer(message, query).reply(reply);
  if (whole.length <= largest) return whole;
  return new Writer(message, query).reply({ ...reply, answers: [], authorities: [], additionals: [] }, TRUNCATED);
}

/** Badvers: this server speaks version 0 (RFC 6891, 6.1.3). */
export const writeBadVersion = (message: Buffer, query: Query): Buffer =>
  new Writer(message, query).reply({ ...EMPTY, code: RCODES.NOERROR, isAuthoritative: false }, 0, 1);

export const EMPTY = { answers: [], authorities: [], additionals: [] } as const;

class Writer {
  #bytes = Buffer.allocUnsafe(512);
  #at = 0;
  readonly #query: Query;
  readonly #flags: number;
  /** Where a name, lower case, stands already. */
  readonly #names = new Map<string, number>();

  constructor(message: Buffer, query: Query) {
    this.#query = query;
    this.#flags = message.readUInt16BE(2) & RECURSION_DESIRED;
    this.#at = message.copy(this.#room(query.end), 0, 0, query.end);
    const name = query.name.toLowerCase();
    let at = HEADER;
    for (let dot = -1; name !== '' && (dot !== -1 || at === HEADER); ) {
      const rest = name.slice(dot + 1);
      if (!this.#names.has(rest)) this.#names.set(rest, at);
      const next = name.indexOf('.', dot + 1);
      at += (next === -1 ? name.length : next) - dot;
      dot = next;
    }
  }

  reply({ code, isAuthoritative, answers, authorities, additionals }: Reply, flags = 0, extendedCode = 0): Buffer {
    for (const record of answers) this.#record(record);
    for (const record of authorities) this.#record(record);
    for (const record of additionals) this.#record(record);
    const hasEdns = this.#query.ednsVersion !== undefined;
    if (hasEdns) this.#opt(extendedCode);
    const bytes = this.#bytes;
    const own = isAuthoritative ? AUTHORITATIVE : 0;
    bytes.writeUInt16BE(RESPONSE | RECURSION_AVAILABLE | this.#flags | own | flags | code, 2);
    bytes.writeUInt16BE(answers.length, 6);
    bytes.writeUInt16BE(authorities.length, 8);
    bytes.writeUInt16BE(additionals.length + (hasEdns ? 1 : 0), 10);
    return bytes.subarray(0, this.#at);
  }

  #record(record: ResourceRecord): void {
    this.#name(record.name);
    this.#uint16(TYPES[record.type]);
    this.#uint16(CLASS_IN);
    this.#uint32(record.ttl);
    const lengthAt = this.#at;
    this.#uint16(0);
    this.#data(record);
    this.#bytes.writeUInt16BE(this.#at - lengthAt - 2, lengthAt);
  }

  #data(record: ResourceRecord): void {
    switch (record.type) {
      case 'A':
      case 'AAAA':
        this.#raw(parseIp(record.data) ?? new Uint8Array(record.type === 'A' ? 4 : 16));
        break;
      case 'CNAME':
      case 'PTR':
        this.#name(record.data);
        break;
      case 'TXT': {
        const text = Buffer.from(record.data).subarray(0, 255);
        this.#raw(Uint8Array.of(text.length));
        this.#raw(text);
        break;
      }
      case 'SRV':
        for (const number of [record.data.priority, record.data.weight, record.data.port]) this.#uint16(number);
        this.#name(record.data.target, false); // never compressed: RFC 2782, "Target"
        break;
      case 'SOA':
        this.#name(record.data.mname);
        this.#name(record.data.rname);
        for (const number of [record.data.serial, record.data.refresh, record.data.retry]) this.#uint32(number);
        for (const number of [record.data.expire, record.data.minimum]) this.#uint32(number);
    }
  }

  #opt(extendedCode: number): void {
    this.#raw(Uint8Array.of(0));
    this.#uint16(TYPES.OPT);
    this.#uint16(UDP_WITH_EDNS);
    this.#raw(Uint8Array.of(extendedCode, 0, 0, 0, 0, 0));
  }

  #name(text: string, mayPoint = true): void {
    const name = text.replace(/\.$/, '');
    for (let start = 0; start < name.length; ) {
      const rest = name.slice(start).toLowerCase();
      const known = mayPoint ? this.#names.get(rest) : undefined;
      if (known !== undefined) {
        this.#uint16((POINTER << 8) | known);
        return;
      }
      if (this.#at < FARTHEST_POINTER && !this.#names.has(rest)) this.#names.set(rest, this.#at);
      const dot = name.indexOf('.', start);
      const label = Buffer.from(name.slice(start, dot === -1 ? undefined : dot), 'latin1').subarray(0, 63);
      this.#raw(Uint8Array.of(label.length));
      this.#raw(label);
      start = dot === -1 ? name.length : dot + 1;
    }
    this.#raw(Uint8Array.of(0));
  }

  #uint16(number: number): void {
    this.#room(2).writeUInt16BE(number, this.#at);
    this.#at += 2;
  }

  #uint32(number: number): void {
    this.#room(4).writeUInt32BE(number, this.#at);
    this.#at += 4;
  }

  #raw(bytes: Uint8Array): void {
    this.#room(bytes.length).set(bytes, this.#at);
    this.#at += bytes.length;
  }

  #room(size: number): Buffer {
    if (this.#at + size > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#at + size));
      this.#bytes.copy(larger, 0, 0, this.#at);
      this.#bytes = larger;
    }
    return this.#bytes;
  }
}

/** Where the next thing begins behind a name; undefined: the message is broken. */
export function skipName(message: Buffer, from: number): number | undefined {
  for (let at = from; at < message.length; ) {
    const length = message[at] ?? 0;
    if (length === 0) return at + 1;
    if ((length & POINTER) === POINTER) return at + 2;
    if (length & POINTER) return undefined;
    at += 1 + length;
  }
  return undefined;
}

export interface RecordAt {
  type: number;
  ttl: number;
  ttlAt: number;
  /** Where its data begins and ends. */
  from: number;
  to: number;
}

/** The records of an answer whose question ends at `end`, less OPT, by section; undefined: the message is broken. */
export function recordsOf(message: Buffer, end: number): { answers: RecordAt[]; others: RecordAt[] } | undefined {
  const counts = [6, 8, 10].map((at) => message.readUInt16BE(at));
  const found: { answers: RecordAt[]; others: RecordAt[] } = { answers: [], others: [] };
  let at: number | undefined = end;
  for (const [section, count] of counts.entries()) {
    for (let i = 0; i < count; i++) {
      at = skipName(message, at);
      if (at === undefined || at + 10 > message.length) return undefined;
      const [type, ttl, from] = [message.readUInt16BE(at), message.readUInt32BE(at + 4), at + 10];
      const to = from + message.readUInt16BE(at + 8);
      if (to > message.length) return undefined;
      if (type !== TYPES.OPT)
        (section === 0 ? found.answers : found.others).push({ type, ttl, ttlAt: at + 4, from, to });
      at = to;
    }
  }
  return found;
}

export const isSoa = ({ type }: RecordAt): boolean => type === TYPES.SOA;
export const rcodeOf = (message: Buffer): number => message.readUInt16BE(2) & 0x0f;
export const isTruncated = (message: Buffer): boolean => (message.readUInt16BE(2) & TRUNCATED) !== 0;
export const isResponse = (message: Buffer): boolean => (message.readUInt16BE(2) & RESPONSE) !== 0;
