/**
 * What the zone says to one question. Pure. NXDOMAIN only for a name that does not exist; a name that exists without
 * records of the asked type is an empty answer (RFC 2308), or resolvers stop searching too early.
 */
import { isIpv4, isIpv6 } from '#api/machinery/ip.ts';
import type { DnsRecord } from './records.ts';
import type { Zone } from './zone.ts';

export interface Question {
  name: string;
  type: string;
}

export type ResourceRecord =
  | { name: string; type: 'A' | 'AAAA' | 'CNAME' | 'PTR'; ttl: number; data: string }
  | { name: string; type: 'SRV'; ttl: number; data: { priority: number; weight: number; port: number; target: string } }
  | { name: string; type: 'TXT'; ttl: number; data: string }
  | { name: string; type: 'SOA'; ttl: number; data: StartOfAuthority };

/** Seconds; `serial` is a number. */
export interface StartOfAuthority {
  mname: string;
  rname: string;
  serial: number;
  refresh: number;
  retry: number;
  expire: number;
  minimum: number;
}

export interface Answer {
  code: 'NOERROR' | 'NXDOMAIN';
  answers: ResourceRecord[];
  additionals: ResourceRecord[];
  authorities: ResourceRecord[];
  /** A CNAME that leads out of the zone: whoever answers resolves it upstream and appends. */
  follow?: string;
}

/** Short, because a Service can change at any time; upstream's cluster DNS uses the same. */
const TTL_SECONDS = 30;
const NEGATIVE_TTL_SECONDS = 5;
const SCHEMA_VERSION = '1.1.0';
/** ExternalNames may lead to one another, and round in a circle. */
const MOST_ALIASES = 8;

/** undefined: the name is not ours, ask upstream. `aliases`: how many have led here. */
export function answerFrom(zone: Zone, question: Question, aliases = 0): Answer | undefined {
  const name = question.name.toLowerCase().replace(/\.$/, '');
  if (question.type === 'PTR') {
    const found = zone.at(name);
    return found.length > 0 ? answerWith({ name, type: 'PTR' }, found, { zone, aliases }) : undefined;
  }
  const relative =
    name === zone.domain ? '' : name.endsWith(`.${zone.domain}`) ? name.slice(0, -zone.domain.length - 1) : undefined;
  if (relative === undefined) return undefined;
  if (relative === 'dns-version' && question.type === 'TXT') {
    return positive([{ name, type: 'TXT', ttl: TTL_SECONDS, data: SCHEMA_VERSION }]);
  }
  const podAddress = podAddressOf(relative);
  const found = podAddress ? [podAddress] : zone.at(relative);
  if (found.length > 0) return answerWith({ name, type: question.type }, found, { zone, aliases });
  return {
    code: relative === '' || zone.has(relative) ? 'NOERROR' : 'NXDOMAIN',
    answers: [],
    additionals: [],
    authorities: [startOfAuthority(zone)],
  };
}

function answerWith(
  { name, type }: Question,
  found: readonly DnsRecord[],
  { zone, aliases }: { zone: Zone; aliases: number },
): Answer {
  const alias = found.find((record) => record.type === 'CNAME');
  if (alias && type !== 'CNAME') {
    const cname: ResourceRecord = { name, type: 'CNAME', ttl: TTL_SECONDS, data: alias.target };
    if (aliases >= MOST_ALIASES) return positive([cname]); // it leads nowhere
    const inside = answerFrom(zone, { name: alias.target, type }, aliases + 1);
    if (!inside) return { ...positive([cname]), follow: alias.target };
    return { ...inside, answers: [cname, ...inside.answers] };
  }
  const matching = found.filter((record) => record.type === type || type === 'ANY');
  if (matching.length === 0)
    return { code: 'NOERROR', answers: [], additionals: [], authorities: [startOfAuthority(zone)] };
  const targets = [...new Set(matching.flatMap((record) => (record.type === 'SRV' ? [record.target] : [])))];
  const additionals = targets.flatMap((target) =>
    zone
      .at(target.slice(0, -zone.domain.length - 1))
      .filter((record) => record.type === 'A' || record.type === 'AAAA')
      .map((record) => resourceRecord(target, record)),
  );
  return { ...positive(matching.map((record) => resourceRecord(name, record))), additionals };
}

const positive = (answers: ResourceRecord[]): Answer => ({
  code: 'NOERROR',
  answers,
  additionals: [],
  authorities: [],
});

function resourceRecord(name: string, record: DnsRecord): ResourceRecord {
  if (record.type === 'SRV') {
    const data = { priority: 0, weight: 100, port: record.port, target: record.target };
    return { name, type: 'SRV', ttl: TTL_SECONDS, data };
  }
  const data = 'address' in record ? record.address : record.target;
  return { name, type: record.type, ttl: TTL_SECONDS, data };
}

/** `10-244-1-2.default.pod`, `fd00--2.default.pod`: not looked up, the name says it all. */
function podAddressOf(relative: string): DnsRecord | undefined {
  const [, dashed = ''] = /^([0-9a-f-]{2,39})\.[a-z0-9-]+\.pod$/.exec(relative) ?? [];
  const ipv4 = dashed.replaceAll('-', '.');
  if (isIpv4(ipv4)) return { name: relative, type: 'A', address: ipv4 };
  const ipv6 = dashed.replaceAll('-', ':');
  return isIpv6(ipv6) ? { name: relative, type: 'AAAA', address: ipv6 } : undefined;
}

const startOfAuthority = ({ domain }: Zone): ResourceRecord => ({
  name: domain,
  type: 'SOA',
  ttl: NEGATIVE_TTL_SECONDS,
  data: {
    mname: `ns.dns.${domain}`,
    rname: `hostmaster.${domain}`,
    serial: 1,
    refresh: 7200,
    retry: 1800,
    expire: 86_400,
    minimum: NEGATIVE_TTL_SECONDS,
  },
});
